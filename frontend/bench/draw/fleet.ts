/** The units that every way draws: one keyframe of a fleet, and frames in which all of it moves, as the server encodes them. */
import { lanes, mix } from "../../src/stream/hash";
import { encode, random, type TestFeature } from "../../test/server";
import { box } from "./box";

/** What units do, and how many of a thousand do it. */
const shares = [
  ["available", 600],
  ["enroute", 250],
  ["onscene", 150],
] as const;

const start = 1_763_800_000_000;
/** Ten updates a second: the server's fastest. */
const stepMs = 100;
const metreE7 = 90;

/** `updates` frames after a keyframe of `n` units. Every unit drives at 5 to 25 m/s, and turns now and then. */
export function fleet(n: number, updates: number): Uint8Array[] {
  const r = random(n);
  const features: TestFeature[] = Array.from({ length: n }, (_, i) => {
    let pick = r() * 1000;
    const status = shares.find(([, share]) => (pick -= share) < 0)?.[0] ?? "available";
    return {
      ...{ id: i + 1, key: `U${i}`, kind: "unit", rev: 1 },
      props: JSON.stringify({ name: `Engine ${i}`, type: "engine", status, agency: "fire" }),
      fix: {
        lng: box.west + Math.floor(r() * (box.east - box.west)),
        lat: box.south + Math.floor(r() * (box.north - box.south)),
        ...{ time: start, heading: Math.floor(r() * 360), speed: 50 + Math.floor(r() * 200), accuracy: 8, flags: 0 },
      },
    };
  });
  const state = () => {
    let sum = 0n;
    for (const { id, rev, fix: x } of features) {
      mix(id, rev, x.lng, x.lat, x.time, x.heading, x.speed, x.accuracy, x.flags);
      sum += (BigInt(lanes.hi) << 32n) + BigInt(lanes.lo);
    }
    return BigInt.asUintN(64, sum);
  };
  const frames = [encode({ base: 0, seq: 1, world: "live", epoch: "bench", time: start, put: features, state: state() })];
  for (let k = 1; k <= updates; k++) {
    for (const f of features) {
      const heading = r() < 0.05 ? Math.floor(r() * 360) : f.fix.heading;
      const far = (f.fix.speed / 10) * (stepMs / 1000) * metreE7;
      const lng = f.fix.lng + Math.round(far * Math.sin((heading * Math.PI) / 180) * 1.3);
      const lat = f.fix.lat + Math.round(far * Math.cos((heading * Math.PI) / 180));
      f.fix = { ...f.fix, lng, lat, heading, time: start + k * stepMs };
    }
    const move = features.map((f) => ({ id: f.id, ...f.fix }));
    frames.push(encode({ base: k, seq: k + 1, time: start + k * stepMs, move, state: state() }));
  }
  return frames;
}
