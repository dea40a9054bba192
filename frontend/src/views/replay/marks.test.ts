import { describe, expect, test } from "vitest";
import { Feature } from "../../world/feature";
import { aloneMs, returnsIn } from "./alone";
import { findRaised, levelsThen, marksOf, type LevelsThen, type Stories } from "./marks";

let id = 0;
const feature = (kind: string, key: string, props: object) =>
  new Feature({ id: ++id, key, kind, rev: 1, due: 0, at: null, shape: null, sealed: [], props: JSON.stringify(props) } as never, -1);
const noon = Date.parse("2026-11-22T12:00:00Z");
const iso = (s: number) => new Date(noon + s * 1000).toISOString();
const nothing: Stories = { incidents: [], assignments: [], alarms: [], response: null };

describe("the marks of a city", () => {
  const now: Stories = {
    incidents: [feature("incident", "I1", { opened_at: iso(0), closed_at: iso(600) }), feature("incident", "I2", { opened_at: iso(100) })],
    assignments: [
      feature("assignment", "A1", { incident: "I1", unit: "E7", on_scene_at: iso(240) }),
      feature("assignment", "A2", { incident: "I1", unit: "E9", on_scene_at: iso(180) }),
      feature("assignment", "A3", { incident: "I2", unit: "E3" }),
    ],
    alarms: [feature("alarm", "L1", { type: "distress", subjects: ["E9"], raised_at: iso(300) }), feature("alarm", "L2", { type: "void", raised_at: iso(301) })],
    response: feature("response", "response", { level: "2", since: iso(50) }),
  };
  const told = (marks: ReturnType<typeof marksOf>) => marks.map(({ at, what, subject, code }) => `${(at - noon) / 1000} ${what} ${subject} ${code}`.trim());

  test("are what the stamps say, in order, and of an incident the first who arrived", () => {
    expect(told(marksOf([now], []))).toEqual([
      "0 opened I1", "50 level  2", "100 opened I2", "180 arrived I1 E9", "300 distress E9", "600 closed I1",
    ]);
  });

  test("hold what only the past knows, and nothing twice", () => {
    const then: Stories = {
      ...nothing,
      incidents: [feature("incident", "I1", { opened_at: iso(0) }), feature("incident", "GONE", { opened_at: iso(20) })],
      response: feature("response", "response", { level: "1", since: iso(-500) }),
    };
    const all = told(marksOf([now, then], [{ at: noon + 70_000, what: "priority", subject: "I1", code: "1" }]));
    expect(all).toContain("20 opened GONE");
    expect(all).toContain("-500 level  1");
    expect(all).toContain("70 priority I1 1");
    expect(all.filter((line) => line.includes("opened I1"))).toHaveLength(1);
  });

  test("say a response level once, though its stamp and the look at the record both know it", () => {
    const twice = marksOf([now], [{ at: noon + 58_000, what: "level", subject: "", code: "2" }, { at: noon + 58_000, what: "level", subject: "", code: "3" }]);
    const seen = { what: "priority", subject: "I1", code: "1" } as const;
    const raised = marksOf([now], [{ ...seen, at: noon + 90_000 }, { ...seen, at: noon + 70_000 }, { ...seen, at: noon + 900_000 }]);
    expect(told(raised).filter((line) => line.includes("priority"))).toEqual(["70 priority I1 1", "900 priority I1 1"]);
    expect(told(twice).filter((line) => line.includes("level"))).toEqual(["50 level  2", "58 level  3"]);
  });

  test("are none of a feature without a stamp", () => {
    expect(marksOf([{ ...nothing, incidents: [feature("incident", "I9", {})] }], [])).toEqual([]);
  });
});

describe("levels that were raised", () => {
  const rank = (code: string, what: string) => (what === "priority" ? 5 - Number(code) : code === "" ? 0 : Number(code));
  /** A record in which each change has a frame of its own, and one comes every ten seconds. */
  function recordOf(changes: readonly (readonly [s: number, key: string, priority: string])[]) {
    let looks = 0;
    const look = (at: number): Promise<LevelsThen | null> => {
      looks++;
      const shown = Math.floor((at - noon) / 10_000) * 10; // the last frame before it
      const state = new Map<string, string>();
      for (const [s, key, priority] of changes) if (s <= shown) state.set(key, priority);
      const incidents = [...state].filter(([key]) => key !== "response").map(([key, priority]) => feature("incident", key, { priority }));
      const level = state.get("response");
      return Promise.resolve(levelsThen(incidents, level ? feature("response", "response", { level }) : undefined, noon + shown * 1000));
    };
    return { look, looks: () => looks };
  }

  test("are found, each within a few frames after it was", async () => {
    const { look } = recordOf([[0, "I1", "3"], [0, "I2", "2"], [1200, "I1", "1"], [2000, "response", "2"], [2400, "I2", "4"]]);
    const found = await findRaised(look, noon, noon + 3_600_000, rank);
    expect(found).toMatchObject([{ what: "priority", subject: "I1", code: "1" }, { what: "level", subject: "", code: "2" }]);
    for (const [i, s] of [1200, 2000].entries()) {
      expect(found[i]!.at).toBeGreaterThanOrEqual(noon + s * 1000);
      expect(found[i]!.at).toBeLessThanOrEqual(noon + (s + 30) * 1000);
    }
  });

  test("cost two looks where nothing was raised, and never more than a few", async () => {
    const quiet = recordOf([[0, "I1", "3"], [500, "I2", "1"]]); // opened at once as bad as it is: nothing was raised
    expect(await findRaised(quiet.look, noon, noon + 3_600_000, rank)).toEqual([]);
    expect(quiet.looks()).toBe(2);
    const wild = recordOf(Array.from({ length: 300 }, (_, i) => [i * 10, `I${i % 40}`, i < 40 ? "4" : "1"] as const));
    const found = await findRaised(wild.look, noon, noon + 3_600_000, rank);
    expect(wild.looks()).toBeLessThanOrEqual(18);
    for (const { at, subject } of found) {
      const s = [40, 80, 120, 160, 200, 240, 280].map((n) => (n + Number(subject.slice(1))) * 10)[0]!;
      expect(at).toBeGreaterThanOrEqual(noon + s * 1000);
      expect(at).toBeLessThanOrEqual(noon + (s + 30) * 1000);
    }
  });

  test("are none where the record is silent", async () => {
    expect(await findRaised(() => Promise.resolve(null), noon, noon + 1000, rank)).toEqual([]);
  });
});

test("a wall that nobody touches goes back after ten minutes, and counts them", () => {
  expect(returnsIn(5000, 5000)).toBe(600);
  expect(returnsIn(5000, 5000 + 3500)).toBe(597);
  expect(returnsIn(5000, 5000 + aloneMs - 1)).toBe(1);
  expect(returnsIn(5000, 5000 + aloneMs)).toBe(0);
  expect(returnsIn(5000, 5000 + 10 * aloneMs)).toBe(0);
});
