/** `npx vitest bench --run --root frontend`: goals are 3 ms to decode 50,000 moves, 10 ms of CPU per update of 10,000 units. */
import { bench, describe } from "vitest";
import { decode } from "../src/stream/wire";
import { UnitLayer } from "../src/map/units";
import type { Preset } from "../src/preset";
import { World } from "../src/world/world";
import { encode, mix, nowhere, random, type TestFeature, type TestFrame } from "../test/server";

const r = random(1);
const int = (n: number) => Math.floor(r() * n);
const time = 1_763_800_000_000;

function fleet(n: number): TestFeature[] {
  return Array.from({ length: n }, (_, i) => ({
    id: i + 1,
    key: `U${i}`,
    kind: "unit",
    rev: 1,
    props: JSON.stringify({ name: `Engine ${i}`, type: "engine", status: "available", agency: "fire" }),
    fix: { ...nowhere, lng: -758_000_000 + int(4_000_000), lat: 395_800_000 + int(2_700_000), time },
  }));
}

function move(features: TestFeature[]): NonNullable<TestFrame["move"]> {
  return features.map((f) => ({
    id: f.id,
    lng: f.fix.lng + int(3000),
    lat: f.fix.lat + int(3000),
    time: time + 1000 - int(1000),
    heading: int(360),
    speed: int(300),
    accuracy: 5 + int(10),
    flags: 0,
  }));
}

const state = (features: TestFeature[]) => features.reduce((sum, f) => sum + mix(f.id, f.rev, f.fix), 0n);

describe("decode", () => {
  const bytes = encode({ base: 1, seq: 2, time, move: move(fleet(50_000)) });
  console.log(`50,000 moves: ${(bytes.length / 50_000).toFixed(1)} bytes each`);
  bench("50,000 moves", () => void decode(bytes), { time: 1000 });
});

describe("decode and apply", () => {
  const features = fleet(10_000);
  const world = new World();
  world.apply(decode(encode({ base: 0, seq: 1, world: "live", epoch: "e", time, put: features, state: state(features) })));
  const updates = [0, 1].map(() => {
    const moves = move(features);
    const moved = features.map((f, i) => ({ ...f, fix: moves[i]! }));
    return { moves, state: state(moved) };
  });
  let seq = 1;
  // Encoding is slow here and not what is measured: frames of the same moves, with another base and seq in front.
  const tails = updates.map((u) => encode({ base: 0, seq: 0, time, move: u.moves, state: u.state }).subarray(2));
  bench(
    "10,000 moves, hash checked",
    () => {
      const head = encode({ base: seq, seq: seq + 1 });
      const tail = tails[seq % 2]!;
      const bytes = new Uint8Array(head.length + tail.length);
      bytes.set(head);
      bytes.set(tail, head.length);
      seq++;
      if (world.apply(decode(bytes)) !== "applied") throw new Error(`frame ${seq} was not applied`);
    },
    { time: 1000 },
  );
});

describe("decode, apply and lay out for the GPU", () => {
  const features = fleet(10_000);
  const world = new World();
  const preset = { statuses: [], flags: [], unit_kinds: [], stale_after_s: 120 } as unknown as Preset;
  const units = new UnitLayer(world, preset, { color: () => "#fff", rgb: () => [1, 1, 1] }, () => time);
  world.apply(decode(encode({ base: 0, seq: 1, world: "live", epoch: "e", time, put: features, state: state(features) })));
  units.settle();
  const frames = [0, 1].map((i) => {
    const moves = move(features).map((m) => ({ ...m, time: m.time + i * 1000 }));
    return encode({ base: 0, seq: 0, time, move: moves, state: state(features.map((f, k) => ({ ...f, fix: moves[k]! }))) });
  });
  let seq = 1;
  bench(
    "10,000 moves",
    () => {
      const head = encode({ base: seq, seq: seq + 1 });
      const tail = frames[seq % 2]!.subarray(2);
      const bytes = new Uint8Array(head.length + tail.length);
      bytes.set(head);
      bytes.set(tail, head.length);
      seq++;
      if (world.apply(decode(bytes)) !== "applied") throw new Error(`frame ${seq} was not applied`);
    },
    { time: 1000 },
  );
});

describe("keyframe", () => {
  const features = fleet(10_000);
  const bytes = encode({ base: 0, seq: 1, world: "live", epoch: "e", time, put: features, state: state(features) });
  bench("of 10,000 units", () => void new World().apply(decode(bytes)), { time: 1000 });
});
