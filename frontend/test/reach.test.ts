import { describe, expect, test } from "vitest";
import type { NearUnit, Route, WhatIf } from "../src/commands/reach";
import * as operations from "../src/map/operations";
import type { HazardType } from "../src/preset";
import { decode } from "../src/stream/wire";
import { inHeldOrder } from "../src/views/console/held";
import { basisOf, closuresOf, closureTypes, costsOf, coverRecord, nameBy, stirOf, streetsOf, trendLine, type Stir } from "../src/views/shared/reach";
import { World } from "../src/world/world";
import { encode, nowhere, teller, type TestFrame } from "./server";

const at = 1_800_000_000_000;
const put = (id: number, key: string, kind: string, props: object = {}) => ({
  ...{ id, key, kind, rev: 1, props: JSON.stringify(props) },
  fix: { ...nowhere, lng: id, lat: id, time: at },
});
function play(frames: readonly Partial<TestFrame>[], watched: readonly string[] = []) {
  const world = new World();
  const tell = teller();
  const stirs: Stir[] = [];
  world.onFrame((change) => stirs.push(stirOf(change, world, new Set(watched))));
  frames.forEach((frame, i) => {
    const full: TestFrame = { v: 1, world: "live", epoch: "e", base: i, seq: i + 1, time: at + i, status: { mode: "live", recording: true, tick: at, clock: at }, ...frame };
    expect(world.apply(decode(encode(tell(full)))), `frame ${i}`).toBe("applied");
  });
  return { world, stirs };
}

describe("what of a frame matters", () => {
  const first = { put: [put(1, "E7", "unit"), put(2, "E8", "unit"), put(3, "H1", "hazard", { impassable: true }), put(4, "I1", "incident")] };
  const after = (frame: Partial<TestFrame>, watched: readonly string[] = []) => play([first, frame], watched).stirs[1];
  const quiet: Stir = { roads: false, fleet: false, moved: false, cover: false };

  test("a keyframe: everything", () => {
    expect(play([first]).stirs[0]).toEqual({ roads: true, fleet: true, moved: true, cover: true });
  });
  test.each<[string, Partial<TestFrame>, readonly string[], Partial<Stir>]>([
    ["a hazard that comes", { put: [put(9, "H9", "hazard")] }, [], { roads: true }],
    ["a hazard that goes", { drop: [3] }, [], { roads: true }],
    ["a unit that changes", { put: [put(1, "E7", "unit", { status: "available" })] }, [], { fleet: true }],
    ["a figure of the record", { put: [put(8, "coverage", "coverage")] }, [], { cover: true }],
    ["a zone that is void", { put: [put(8, "void:als:z1", "void")] }, [], { cover: true }],
    ["a unit of the list that moves", { move: [{ ...nowhere, id: 1, lng: 7, time: at + 1 }] }, ["E7"], { moved: true }],
    ["another unit that moves", { move: [{ ...nowhere, id: 2, lng: 7, time: at + 1 }] }, ["E7"], {}],
    ["an incident", { put: [put(4, "I1", "incident", { name: "x" })] }, ["E7"], {}],
  ])("%s", (_, frame, watched, want) => expect(after(frame, watched)).toEqual({ ...quiet, ...want }));
});

describe("a row says", () => {
  const row = (by: "road" | "line", ...reasons: string[]) => basisOf({ by, reasons } as Pick<NearUnit, "by" | "reasons">);
  test("how its seconds were found", () => {
    expect([row("road", "nearest_by_road"), row("line", "no_road"), row("line", "air"), row("line", "water")]).toEqual(["road", "line", "air", "water"]);
  });

  test("what sending costs, the worst first, and nothing of what is only noise", () => {
    const by = (capability: string, before: number, after: number) => ({
      ...{ capability, seconds: 480 },
      before: { covered_share: before },
      after: { covered_share: after },
    });
    const answer: Pick<WhatIf, "by_capability"> = {
      by_capability: [by("als", 0.9, 0.89), by("engine", 0.87, 0.839), by("rescue", 0.5, 0.4999), by("ladder", 0.5, 0.6)],
    };
    expect(costsOf(answer).map(({ capability, points }) => [capability, Number(points.toFixed(3))])).toEqual([
      ["engine", 3.1],
      ["als", 1],
    ]);
  });

  test("the first streets of its way, each once", () => {
    const step = (name: string) => ({ name, distance_m: 10, duration_s: 1 });
    const route = { properties: { steps: ["", "Market Street", "Market Street", "", "I 95", "4th Street"].map(step) } } as unknown as Pick<Route, "properties">;
    expect(streetsOf(route, 2)).toEqual(["Market Street", "I 95"]);
    expect(streetsOf({ properties: { steps: [] } } as unknown as Pick<Route, "properties">, 2)).toEqual([]);
  });

  test("the same place while someone chooses; what is new stands last, what is gone is left out", () => {
    const rows = ["E9", "E1", "E2", "E3"].map((id) => ({ id }));
    expect(inHeldOrder(["E1", "E2", "gone", "E9"], rows).map((r) => r.id)).toEqual(["E1", "E2", "E9", "E3"]);
  });
});

describe("the record of the coverage", () => {
  const { world } = play([
    {
      put: [
        put(1, "coverage", "coverage", {
          standards: [{ capability: "engine", seconds: 480, share: 0.87, basis: "people", void_zones: ["z1", 3] }, { capability: "als" }, null],
          trend: [[1000, 0.9], ["x"], [2000, 0.87]],
        }),
      ],
    },
  ]);
  test("is read, and what is written wrongly left out", () => {
    expect(coverRecord(world.get("coverage"))).toEqual({
      standards: [{ capability: "engine", seconds: 480, share: 0.87, basis: "people", voids: ["z1"] }],
      trend: [
        [1_000_000, 0.9],
        [2_000_000, 0.87],
      ],
    });
    expect(coverRecord(undefined)).toBeNull();
  });

  const hour = 3_600_000;
  test("its trend holds each share until the next, ends now, and does not make a mountain of a molehill", () => {
    const trend = trendLine([[at - 2 * hour, 0.9], [at - hour, 0.89]], at, 100, 30)!;
    expect([trend.low, trend.high]).toEqual([0.89, 0.9]);
    expect(trend.line).toMatch(/^M0\.00 [\d.]+H50\.00V[\d.]+H100$/);
    const [from = 0, to = 0] = [...trend.line.matchAll(/[ V]([\d.]+)/g)].map((found) => Number(found[1]));
    expect(to - from).toBeGreaterThan(0);
    expect(to - from).toBeLessThan(5);
    expect(trend.area).toBe(`${trend.line}V30H0Z`);
  });
  test("stays in its box however much it falls, and forgets yesterday and what is still to come", () => {
    const trend = trendLine([[at - 30 * hour, 0.1], [at - 20 * hour, 1], [at - hour, 0], [at + hour, 0.5]], at, 100, 30)!;
    expect([trend.low, trend.high]).toEqual([0, 1]);
    for (const [, y] of trend.line.matchAll(/[ V]([\d.]+)/g)) {
      expect(Number(y)).toBeGreaterThanOrEqual(0);
      expect(Number(y)).toBeLessThanOrEqual(30);
    }
  });
  test("one moment is no trend", () => {
    expect(trendLine([[at, 0.5]], at, 100, 30)).toBeNull();
    expect(trendLine([], NaN, 100, 30)).toBeNull();
  });
});

describe("closures", () => {
  const soon = new Date(at + 60_000).toISOString();
  const { world } = play([
    {
      put: [
        put(1, "shut", "hazard", { impassable: true }),
        put(2, "slow", "hazard", { speed_factor: 0.5, valid_to: soon }),
        put(3, "smoke", "hazard"),
        put(4, "past", "hazard", { impassable: true, active: false }),
        put(5, "free", "hazard", { speed_factor: 1 }),
      ],
    },
  ]);
  test("are what closes or slows roads now, the first to end on top", () => {
    expect(closuresOf(world.features("hazard")).map((f) => f.key)).toEqual(["slow", "shut"]);
    expect(["shut", "slow", "smoke", "free"].map((key) => operations.closureOf(world.get(key)!))).toEqual(["closed", "slow", "", ""]);
  });

  test("are drawn with the kinds of traffic first, and never with what stops nobody", () => {
    const type = (code: string, category: string, more: object) => ({ ...{ code, category, impassable: false, icon: "", sensitive: false }, ...more }) as HazardType;
    const types = [type("flood", "Met", { speed_factor: 0.2 }), type("smoke", "Env", {}), type("fire", "Fire", { impassable: true }), type("road", "Transport", { impassable: true })];
    expect(closureTypes(types).map((t) => t.code)).toEqual(["road", "flood", "fire"]);
  });

  test("as drafts are a line until there are three corners, and points only while they are drawn", () => {
    const points = [[0, 0], [0, 1]] as const;
    const types = (shape: operations.DraftShape) => operations.draft(shape).features.map((f) => f.geometry.type);
    expect(types({ area: false, points, cursor: null, ghost: false })).toEqual(["LineString", "Point", "Point"]);
    expect(types({ area: true, points, cursor: null, ghost: false })).toEqual(["LineString", "Point", "Point"]);
    expect(types({ area: true, points, cursor: [1, 1], ghost: false })).toEqual(["Polygon", "Point", "Point"]);
    expect(types({ area: false, points, cursor: [1, 1], ghost: true })).toEqual(["LineString"]);
    expect(operations.draft(null).features).toEqual([]);
  });

  test("and ways: a line of one point is none, the one that is looked at is told apart", () => {
    const found = operations.routes([
      { unit: "E7", line: [[0, 0], [2, 0], [4, 0]], text: "E7", lead: true },
      { unit: "E9", line: [[0, 0]], text: "", lead: false },
      { unit: "E8", line: [[0, 0], [2, 2]], text: "E8", lead: false },
    ]);
    expect(found.features.map((f) => [f.geometry.type, f.properties])).toEqual([
      ["LineString", { role: "lead" }],
      ["Point", { role: "lead", text: "E7" }],
      ["LineString", { role: "other" }],
    ]);
    const spots = (line: readonly (readonly number[])[]) =>
      operations.routes([{ unit: "E7", line, text: "", lead: true }]).features[1]!.geometry as GeoJSON.Point;
    expect(spots([[0, 0], [1, 0], [4, 0]]).coordinates).toEqual([2, 0]);
    expect(spots([[3, 3], [3, 3]]).coordinates).toEqual([3, 3]);
  });
});

test("a name by language is the reader's, else the local one, else any", () => {
  expect(nameBy({ fa: "شهر", en: "Town" }, "fa")).toBe("شهر");
  expect(nameBy({ local: "Riverside", zh: "河畔" }, "fa")).toBe("Riverside");
  expect(nameBy({ de: "Ufer" }, "en")).toBe("Ufer");
  expect(nameBy(undefined, "en")).toBe("");
});
