import { expect, test } from "vitest";
import { away, bearing, boxOf, circleRing, meets, metresBetween, nearness } from "./geometry";
import type { Place, Shape } from "./public";

/** Mulberry32: the same numbers everywhere. */
function numbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A ring around a place that does not cross itself: a radius for each direction. */
function star(random: () => number, at: Place, least: number, most: number): Place[] {
  const corners = 3 + Math.floor(random() * 9);
  const ring = Array.from({ length: corners }, (_, i) => away(at, (i / corners) * 360, least + random() * (most - least)));
  return [...ring, ring[0]!];
}

/** The naive way: many places of every edge. */
function nearestSample(from: Place, rings: readonly (readonly Place[])[]): number {
  let best = Infinity;
  for (const ring of rings) {
    for (let i = 1; i < ring.length; i++) {
      for (let k = 0; k <= 400; k++) {
        const t = k / 400;
        best = Math.min(best, metresBetween(from, [ring[i - 1]![0] + t * (ring[i]![0] - ring[i - 1]![0]), ring[i - 1]![1] + t * (ring[i]![1] - ring[i - 1]![1])]));
      }
    }
  }
  return best;
}

/** The naive way: the angles under which the edges are seen add up to a turn, or to nothing. */
function windsAround(from: Place, ring: readonly Place[]): boolean {
  let sum = 0;
  for (let i = 1; i < ring.length; i++) {
    const a = Math.atan2(ring[i - 1]![1] - from[1], ring[i - 1]![0] - from[0]);
    const b = Math.atan2(ring[i]![1] - from[1], ring[i]![0] - from[0]);
    let turn = b - a;
    if (turn > Math.PI) turn -= 2 * Math.PI;
    if (turn < -Math.PI) turn += 2 * Math.PI;
    sum += turn;
  }
  return Math.abs(sum) > Math.PI;
}

test("the distance to an edge equals the naive one, with holes and with several parts, over 240 areas", () => {
  for (let seed = 1; seed <= 240; seed++) {
    const random = numbers(seed);
    const at: Place = [random() * 300 - 150, random() * 130 - 65];
    const outer = star(random, at, 700, 4000);
    const hole = star(random, at, 100, 300);
    const beside = star(random, away(at, random() * 360, 12_000), 300, 2000);
    const shape: Shape =
      seed % 3 === 0
        ? { type: "Polygon", coordinates: [outer] }
        : seed % 3 === 1
          ? { type: "Polygon", coordinates: [outer, hole] }
          : { type: "MultiPolygon", coordinates: [[outer, hole], [beside]] };
    const rings = shape.type === "MultiPolygon" ? shape.coordinates.flat() : (shape.coordinates as Place[][]);
    const from = away(at, random() * 360, random() ** 2 * 15_000);
    const got = nearness(from, shape)!;
    const want = nearestSample(from, rings);
    // The samples of a long edge lie up to 10 m apart.
    expect(Math.abs(got.metres - want), `seed ${seed}: got ${got.metres}, want ${want}`).toBeLessThan(Math.max(2, want * 0.001 + 3));
    expect(got.metres, `seed ${seed}: the edge is where it says`).toBeCloseTo(metresBetween(from, got.edge), 6);
    const inside = (windsAround(from, outer) && !(rings.includes(hole) && windsAround(from, hole))) || (rings.includes(beside) && windsAround(from, beside));
    if (want > 1) expect(got.inside, `seed ${seed}`).toBe(inside);
  }
});

test("a circle is left at its edge, a line has no inside, a hole is outside", () => {
  const at: Place = [51.4, 35.7];
  const from = away(at, 90, 700);
  const out = nearness(from, { type: "Point", coordinates: at }, 500)!;
  expect(out.inside).toBe(false);
  expect(out.metres).toBeCloseTo(200, 3);
  expect(bearing(from, out.edge)).toBeCloseTo(270, 1);
  const within = nearness(away(at, 200, 100), { type: "Point", coordinates: at }, 500)!;
  expect(within.inside).toBe(true);
  expect(within.metres).toBeCloseTo(400, 3);
  expect(nearness(at, { type: "Point", coordinates: at }, 500)).toMatchObject({ inside: true });
  expect(nearness(from, { type: "Point", coordinates: at })).toMatchObject({ inside: false });
  expect(nearness(at, { type: "LineString", coordinates: [away(at, 0, 100), away(at, 180, 100)] })).toMatchObject({ inside: false });
  expect(nearness(at, { type: "Polygon", coordinates: [circleRing(at, 900), circleRing(at, 300)] })!.inside).toBe(false);
  expect(nearness(away(at, 10, 500), { type: "Polygon", coordinates: [circleRing(at, 900), circleRing(at, 300)] })!.inside).toBe(true);
  expect(nearness(at, { type: "Polygon", coordinates: [] })).toBeNull();
});

test("directions and distances are those of a globe", () => {
  expect(metresBetween([51.389, 35.6892], [116.4074, 39.9042])).toBeGreaterThan(5_590_000); // Tehran to Beijing, 5,6xx km
  expect(metresBetween([51.389, 35.6892], [116.4074, 39.9042])).toBeLessThan(5_650_000);
  for (const direction of [0, 45, 90, 181, 270, 359]) {
    const to = away([-75.5, 39.7], direction, 3000);
    expect(metresBetween([-75.5, 39.7], to)).toBeCloseTo(3000, 5);
    expect(bearing([-75.5, 39.7], to)).toBeCloseTo(direction, 2);
  }
});

test("boxes hold their shapes", () => {
  const at: Place = [104.06, 30.66];
  const box = boxOf({ type: "Point", coordinates: at }, 1000)!;
  for (const place of circleRing(at, 999)) expect(place[0] >= box[0] && place[0] <= box[2] && place[1] >= box[1] && place[1] <= box[3]).toBe(true);
  expect(meets(box, [104.06, 30.6, 104.2, 30.66])).toBe(true);
  expect(meets(box, [104.2, 30.6, 104.3, 30.66])).toBe(false);
  expect(boxOf({ type: "MultiPolygon", coordinates: [] })).toBeNull();
});
