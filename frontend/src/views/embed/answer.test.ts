import { expect, test } from "vitest";
import { answer, directionOf } from "./answer";
import { away, circleRing } from "./geometry";
import { step, type Place, type PublicFeature, type Shape } from "./public";

const now = Date.UTC(2026, 10, 22, 9);
const home: Place = [51.4, 35.7];
const city = [51, 35.4, 51.8, 36] as const;
const make = (id: string, kind: "hazard" | "shelter" | "incident", geometry: Shape | null, more: object = {}): PublicFeature => ({ id, geometry, properties: { kind, type: "flood", title: { en: id }, status: "open", ...more } });
const area = (id: string, at: Place, radius: number, more: object = {}) => make(id, "hazard", { type: "Polygon", coordinates: [circleRing(at, radius)] }, more);
const shelter = (id: string, at: Place, state: string) => make(id, "shelter", { type: "Point", coordinates: at }, { room: { state } });
const ask = (features: PublicFeature[], accuracyM = 10, at: Place = home) => answer(features, { at, accuracyM }, city, now);

test("inside, at the edge, outside, nothing, and where the map ends", () => {
  expect(ask([area("a", home, 900)])).toMatchObject({ verdict: "inside", dangers: [{ feature: { id: "a" } }] });
  expect(ask([area("a", home, 900)], 1000).verdict).toBe("maybe");
  const out = ask([area("far", away(home, 0, 9000), 500), area("near", away(home, 90, 2000), 500)]);
  expect(out.verdict).toBe("outside");
  expect(out.dangers.map((d) => d.feature.id)).toEqual(["near"]);
  expect(out.dangers[0]!.metres).toBeGreaterThan(1495);
  expect(out.dangers[0]!.metres).toBeLessThan(1505);
  expect(directionOf(out.dangers[0]!.towards)).toBe("e");
  expect(ask([area("near", away(home, 90, 2000), 500)], 1600).verdict).toBe("maybe");
  expect(ask([]).verdict).toBe("none");
  expect(ask([], 10, [50, 35.7]).verdict).toBe("elsewhere");
  expect(ask([area("a", [50, 35.7], 900)], 10, [50, 35.7]).verdict).toBe("inside");
});

test("the worst danger that one is in is told first; the edge decides among those that one is not in", () => {
  expect(ask([area("minor", home, 300, { severity: "minor" }), area("extreme", home, 900, { severity: "extreme" })]).dangers.map((d) => d.feature.id)).toEqual(["extreme", "minor"]);
  // The middle of the large one is further away, its edge is nearer.
  expect(ask([area("small", away(home, 180, 3000), 100), area("large", away(home, 0, 6000), 5500)]).dangers[0]!.feature.id).toBe("large");
});

test("a place that is told roughly is a maybe, one that is not told is nowhere, and what is over is no danger", () => {
  expect(ask([make("cell", "hazard", { type: "Point", coordinates: away(home, 0, 300) }, { radius_m: 700 })]).verdict).toBe("maybe");
  expect(ask([make("hidden", "hazard", null)]).verdict).toBe("none");
  expect(ask([area("a", home, 900, { status: "over" })]).verdict).toBe("none");
  expect(ask([area("a", home, 900, { valid_until: "2026-11-22T08:59:00Z" })]).verdict).toBe("none");
  expect(ask([area("a", home, 900, { valid_until: "2026-11-22T09:01:00Z" })]).verdict).toBe("inside");
});

test("the shelter is the nearest that is open, has room and lies in no danger area", () => {
  const shelters = [shelter("full", away(home, 0, 100), "full"), shelter("closed", away(home, 0, 200), "closed"), shelter("drowned", away(home, 90, 700), "open"), shelter("good", away(home, 225, 1500), "open"), shelter("further", away(home, 0, 1600), "open")];
  const got = ask([...shelters, area("a", away(home, 90, 700), 300)]);
  expect(got.shelter?.feature.id).toBe("good");
  expect(directionOf(got.shelter!.towards)).toBe("sw");
  expect(ask(shelters.slice(0, 2)).shelter).toBeNull();
});

test("directions go around", () => {
  expect([0, 22, 23, 90, 181, 337, 338, 359.9].map(directionOf)).toEqual(["n", "n", "ne", "e", "s", "nw", "n", "n"]);
});

test("what a later version says is left out and breaks nothing", () => {
  const odd = { epoch: "p", seq: 1, since: "/s", features: [null, 7, { id: "x" }, { id: "y", geometry: null, properties: { kind: "dragon", title: {} } }, area("a", home, 9)] };
  expect([...step(null, odd)!.world.features.keys()]).toEqual(["a"]);
  for (const body of [null, 3, "x", {}, { epoch: "p", seq: 1, features: [] }, { epoch: "p", seq: 1, base: 0, next: "/n", features: [] }]) expect(step(null, body)).toBeNull();
});
