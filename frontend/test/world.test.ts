import { describe, expect, test, vi } from "vitest";
import { decode } from "../src/stream/wire";
import { list, number, text, type FeatureId } from "../src/world/feature";
import { World } from "../src/world/world";
import { encode, mix, nowhere, random, Server, teller, type TestFeature, type TestFrame } from "./server";

const frame = (f: TestFrame) => decode(encode(f));

/** A world, and what tells it a story: frames with the right hash, unless they bring one. */
function told() {
  const world = new World();
  const tell = teller();
  return { world, tell: (f: TestFrame) => world.apply(frame(tell(f))) };
}
const whole = (hash: { hi: number; lo: number }) => (BigInt(hash.hi) << 32n) | BigInt(hash.lo);

/** Everything that a world shows, to compare it with the server's. */
function shown(world: World) {
  const out = new Map<number, unknown>();
  for (const kind of ["unit", "incident", "hazard"]) {
    for (const f of world.features(kind)) out.set(f.id, [f.key, f.kind, f.rev, f.props, world.fix(f)?.time ?? 0]);
  }
  return out;
}

function truth(server: Server) {
  return new Map(
    [...server.features.values()].map((f) => [
      f.id,
      [f.key, f.kind, f.rev, f.props ? JSON.parse(f.props) : {}, (server.overlay.get(f.id) ?? f.fix).time],
    ]),
  );
}

function unit(id: number, rev: number, props: object, time = 1000): TestFeature {
  return { id, key: `U${id}`, kind: "unit", rev, props: JSON.stringify(props), fix: { ...nowhere, lng: id, time } };
}

test("a screen that naps, loses frames, sees them twice and out of order, and resumes, ends equal to the server", () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const r = random(seed);
    const server = new Server();
    const world = new World();
    let inFlight: TestFrame[] = [];
    world.apply(frame(server.keyframe()));
    for (let step = 0; step < 15; step++) {
      inFlight.push(r() < 0.1 && server.features.size > 0 ? server.unrecorded(r) : server.step(r));
      if (r() < 0.05) inFlight.push(server.heartbeat());
      if (r() < 0.1) inFlight = inFlight.filter(() => r() < 0.7); // lost
      if (r() < 0.1) inFlight.push(...inFlight.slice(-2)); // sent again
      if (r() < 0.1) inFlight.reverse();
      if (r() < 0.4) continue; // the screen naps
      for (const f of inFlight) {
        const outcome = world.apply(frame(f));
        expect(outcome, `seed ${seed}`).not.toBe("mismatch");
        // What a link does: resume where it can, else start over.
        if (outcome === "gap") world.apply(frame(server.keyframe()));
        else if (r() < 0.1 && server.live === 0) world.apply(frame(server.since(world.live > 0 ? 0 : world.seq)));
      }
      inFlight = [];
    }
    world.apply(frame(server.live > 0 || !world.synced ? server.keyframe() : server.since(world.seq)));
    server.overlay.clear();
    expect(whole(world.hash), `seed ${seed}: hash`).toBe(server.hash());
    expect(world.seq, `seed ${seed}: seq`).toBe(server.seq);
    expect(shown(world), `seed ${seed}`).toEqual(truth(server));
  }
}, 60_000);

test("a resume from any moment carries the world to the server's", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const r = random(seed);
    const server = new Server();
    const worlds = [new World()];
    worlds[0]!.apply(frame(server.keyframe()));
    for (let step = 0; step < 20; step++) {
      const f = server.step(r);
      if (r() < 0.5) worlds[0]!.apply(frame(f));
      else worlds[0]!.apply(frame(server.since(worlds[0]!.seq)));
    }
    expect(whole(worlds[0]!.hash), `seed ${seed}`).toBe(server.hash());
    expect(shown(worlds[0]!), `seed ${seed}`).toEqual(truth(server));
  }
});

describe("a frame", () => {
  const start = () => {
    const story = told();
    story.tell({ base: 0, seq: 1, world: "live", epoch: "e1", put: [unit(1, 1, { status: "available" })] });
    return story;
  };
  const next = { world: "live", epoch: "e1" };

  const cases: Record<string, { then: TestFrame; want: string; seq: number }> = {
    "that follows is applied": { then: { ...next, base: 1, seq: 2, drop: [1] }, want: "applied", seq: 2 },
    "that overlaps is applied": { then: { ...next, base: 0, seq: 5, put: [] }, want: "applied", seq: 5 },
    "sent again says nothing": { then: { ...next, base: 0 + 1, seq: 1 }, want: "known", seq: 1 },
    "with a hole before it is refused": { then: { ...next, base: 3, seq: 4 }, want: "gap", seq: 1 },
    "of another epoch is refused": { then: { ...next, epoch: "e2", base: 1, seq: 2 }, want: "gap", seq: 1 },
    "of another world is refused": { then: { ...next, world: "drill", base: 1, seq: 2 }, want: "gap", seq: 1 },
    "that names no world and epoch follows": { then: { base: 1, seq: 2 }, want: "applied", seq: 2 },
    "with another hash is a mismatch": { then: { ...next, base: 1, seq: 2, state: 7n }, want: "mismatch", seq: 2 },
    "a heartbeat with another hash is a mismatch": {
      then: { ...next, base: 1, seq: 1, state: 7n, status: {} },
      want: "mismatch",
      seq: 1,
    },
    "a heartbeat of a later sequence is a gap": { then: { ...next, base: 9, seq: 9, status: {} }, want: "gap", seq: 1 },
  };
  for (const [name, { then, want, seq }] of Object.entries(cases)) {
    test(name, () => {
      const { world, tell } = start();
      expect(tell(then)).toBe(want);
      expect(world.seq).toBe(seq);
      expect(world.synced).toBe(want === "applied" || want === "known");
    });
  }

  test("is refused after a gap until a keyframe comes", () => {
    const { world, tell } = start();
    tell({ ...next, base: 3, seq: 4 });
    expect(tell({ ...next, base: 1, seq: 2 })).toBe("gap");
    expect(tell({ ...next, base: 0, seq: 6 })).toBe("applied");
    expect(world.features("unit")).toEqual([]);
    expect(tell({ ...next, base: 6, seq: 7, put: [unit(2, 7, {})] })).toBe("applied");
  });
});

test("a feature with any number moves, and none moves after it was dropped", () => {
  for (const id of [1, 1023, 1024, 70_000, (1 << 22) - 1, 1 << 22, 4_000_000_000]) {
    const world = new World();
    const at = (lng: number) => ({ ...nowhere, lng, lat: 1, time: 5 });
    const put = [{ id, key: "U", kind: "unit", rev: 1, props: "{}", fix: at(1) }];
    world.apply(decode(encode({ base: 0, seq: 1, world: "live", epoch: "e", put, state: mix(id, 1, at(1)) })));
    const move = [{ id, ...at(2) }];
    expect(world.apply(decode(encode({ base: 1, seq: 2, move, state: mix(id, 1, at(2)) })))).toBe("applied");
    expect(world.fix(world.get("U")!)?.at[0]).toBe(2e-7);
    expect(world.apply(decode(encode({ base: 2, seq: 3, drop: [id], state: 0n })))).toBe("applied");
    expect(world.apply(decode(encode({ base: 3, seq: 4, move, state: 0n })))).toBe("applied");
    expect(world.get("U")).toBeUndefined();
  }
});

test("positions that are not recorded are shown, and leave the hash alone", () => {
  const { world, tell } = told();
  const head = { world: "live", epoch: "e1" };
  tell({ ...head, base: 0, seq: 1, put: [unit(1, 1, {})] });
  const recorded = world.hash;
  const move = [{ ...nowhere, id: 1, lng: 77, time: 5000 }];
  expect(tell({ ...head, base: 1, seq: 1, live: 1, move })).toBe("applied");
  expect(world.fix(world.get("U1")!)?.time).toBe(5000);
  expect(world.hash).toEqual(recorded);
  expect(world.live).toBe(1);
  // Recorded at last: the share of the row that is replaced is the recorded one, not the one shown.
  tell({ ...head, base: 1, seq: 2, move });
  const { world: fresh, tell: tellFresh } = told();
  tellFresh({ ...head, base: 0, seq: 2, put: [{ ...unit(1, 1, {}), fix: move[0]! }] });
  expect(world.hash).toEqual(fresh.hash);
  expect(world.live).toBe(0);
});

test("listeners hear what concerns them, and one that throws keeps nobody from a frame", () => {
  const { world, tell } = told();
  const head = { world: "live", epoch: "e1" };
  const later: (() => void)[] = [];
  vi.stubGlobal("queueMicrotask", (run: () => void) => later.push(run));
  const heard: string[] = [];
  world.onFrame(() => {
    throw new Error("of a listener");
  });
  world.onFeatures("unit", (features) => heard.push(`units ${features.length}`));
  world.onFeatures("incident", (features) => heard.push(`incidents ${features.length}`));
  const stop = world.onUnit(2 as FeatureId, (f, fix) => heard.push(`2 ${f ? (fix?.time ?? "nowhere") : "gone"}`));

  tell({ ...head, base: 0, seq: 1, put: [unit(1, 1, {}), unit(2, 1, {})] });
  tell({ ...head, base: 1, seq: 2, move: [{ ...nowhere, id: 1, time: 5 }] });
  tell({ ...head, base: 2, seq: 3, move: [{ ...nowhere, id: 2, time: 6 }] });
  tell({ ...head, base: 3, seq: 4, drop: [2] });
  stop();
  tell({ ...head, base: 4, seq: 5, put: [unit(2, 5, {})] });
  vi.unstubAllGlobals();
  expect(heard).toEqual(["units 2", "2 1000", "2 6", "units 1", "2 gone", "units 2"]);
  expect(later).toHaveLength(5);
  expect(() => later[0]!()).toThrow("of a listener"); // reported, as an error of its own
});

test("reached resolves with the frame, and gives up in time", async () => {
  vi.useFakeTimers();
  const { world, tell } = told();
  const head = { world: "live", epoch: "e1" };
  tell({ ...head, base: 0, seq: 1 });
  await world.reached(1);
  let done = false;
  const two = world.reached(2).then(() => (done = true));
  await vi.advanceTimersByTimeAsync(10);
  expect(done).toBe(false);
  tell({ ...head, base: 1, seq: 2 });
  await two;
  const never = expect(world.reached(9, 500)).rejects.toThrow("did not reach 9");
  await vi.advanceTimersByTimeAsync(501);
  await never;
  vi.useRealTimers();
});

test("counts, lists and properties", () => {
  const { world, tell } = told();
  const head = { world: "live", epoch: "e1" };
  const a = unit(1, 1, { status: "available", capabilities: ["als", 7], crew: 3 });
  tell({ ...head, base: 0, seq: 1, put: [a, unit(2, 1, { status: "on_scene" }), unit(3, 1, {})] });
  expect(world.count("unit", "status")).toEqual(new Map([["available", 1], ["on_scene", 1], ["", 1]]));
  expect(world.features("unit")).toBe(world.features("unit"));
  const f = world.get("U1")!;
  expect([text(f, "status"), text(f, "crew"), number(f, "crew"), list(f, "capabilities")]).toEqual([
    "available",
    "",
    3,
    ["als"],
  ]);
  tell({ ...head, base: 1, seq: 2, put: [unit(3, 2, { status: "on_scene" })] });
  expect(world.count("unit", "status").get("on_scene")).toBe(2);
});
