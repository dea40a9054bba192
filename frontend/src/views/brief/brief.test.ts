import { describe, expect, test } from "vitest";
import type { Preset } from "../../preset";
import { Codes } from "../../ui/codes";
import { Feature } from "../../world/feature";
import { World } from "../../world/world";
import { byPriority, decisionsOf, dial, figuresOf, fleetOf, roomOf, situationOf } from "./city";
import { meant, written } from "./clock";
import { changesOf, isQuiet, summaryOf, type Summary } from "./hour";
import { flatten, unflatten } from "./keepsake";
import { frameOf, pathOf } from "./look";
import { findLevels, inOrder, levelLooks, levelWithinMs, stampsOf, type Levels } from "./story";
import { wrap } from "./wrap";

const label = (en: string) => ({ en, fa: en, zh: en });
const status = (code: string, busy: boolean, more = {}) => ({ code, label: label(code), token: "", shape: "", order: 1, busy, dispatchable: !busy, ...more });
const codes = new Codes({
  scales: [{ code: "priority", label: label("p"), version: "1", values: [{ code: "1", rank: 4, label: label("life"), shape: "", color: {} }, { code: "3", rank: 2, label: label("routine"), shape: "", color: {} }] }],
  statuses: [status("available", false, { initial: true }), status("dispatched", true, { on_assign: true }), status("on_scene", true)],
  incident_statuses: [{ code: "new", label: label("new"), order: 1, initial: true }, { code: "under_control", label: label("u"), order: 2 }, { code: "closed", label: label("closed"), order: 3, final: true }],
  shelter_statuses: [{ code: "open", label: label("open"), token: "", shape: "", admits: true }, { code: "closed", label: label("closed"), token: "", shape: "", admits: false }],
  figures: [{ code: "dead", label: label("Dead"), unit: label("people"), definition: label("d") }, { code: "injured", label: label("Injured"), unit: label("people"), definition: label("i") }],
} as unknown as Preset);

let nextId = 1;
const feature = (kind: string, key: string, props: Record<string, unknown>) =>
  new Feature({ id: nextId++, key, kind, rev: 3, due: 0, lng: 0, lat: 0, time: 0, heading: 511, speed: 0xffff, accuracy: 0, flags: 0, props: JSON.stringify(props), shape: null, sealed: [] }, 0);
const worldOf = (features: readonly Feature[]) => ({
  features: (kind: string) => features.filter((f) => f.kind === kind),
  get: (key: string) => features.find((f) => f.key === key),
});
const noon = Date.parse("2026-11-22T12:00:00Z");
const at = (minutes: number) => new Date(noon + minutes * 60_000).toISOString();

describe("numbers of the city", () => {
  test("every unit is counted once: at work, free, or neither", () => {
    const fleet = fleetOf(
      [
        feature("unit", "A", { status: "available", dispatchable: true }),
        feature("unit", "B", { status: "available", dispatchable: false }),
        feature("unit", "C", { status: "on_scene", assigned: "I1", dispatchable: false, distress: true }),
        feature("unit", "D", { status: "dispatched" }),
        feature("unit", "E", { status: "available", assigned: "I1", dispatchable: true }),
      ],
      codes,
    );
    expect(fleet).toEqual({ all: 5, committed: 3, free: 1, away: 1, distress: ["C"] });
  });

  test("a shelter that nobody has counted is not an empty one", () => {
    const room = roomOf(
      [
        feature("shelter", "a", { status: "open", capacity: 100, occupancy: 40, counted_at: at(-30) }),
        feature("shelter", "b", { status: "open", capacity: 50, occupancy: 60, counted_at: at(-5) }),
        feature("shelter", "c", { status: "open", capacity: 500 }),
        feature("shelter", "d", { status: "closed", capacity: 900, occupancy: 0, counted_at: at(-90) }),
      ],
      codes,
    );
    expect(room).toEqual({ open: 3, places: 150, taken: 100, uncounted: 1, oldest: noon - 30 * 60_000, newest: noon - 5 * 60_000 });
    expect(roomOf([], codes).oldest).toBeNaN();
  });

  test("figures come in the order of the preset, then by name; one without a number does not come", () => {
    const figures = figuresOf(
      [
        feature("figure", "figure-bridges", { name: "bridges", label: "Bridges closed", value: 2, confirmed: "confirmed", as_of: at(-1), source: "roads" }),
        feature("figure", "figure-injured", { name: "injured", value: 7, confirmed: "guessed", as_of: at(-10), before: { value: 4, as_of: at(-40) } }),
        feature("figure", "figure-dead", { name: "dead", value: 0, confirmed: "estimated", as_of: at(-10) }),
        feature("figure", "figure-empty", { name: "empty" }),
      ],
      codes.preset,
    );
    expect(figures.map((f) => f.name)).toEqual(["dead", "injured", "bridges"]);
    // A word that this version does not know is not a confirmation.
    expect(figures.map((f) => f.confirmed)).toEqual(["estimated", "reported", "confirmed"]);
    expect(figures[1]!.before).toEqual({ value: 4, asOf: noon - 40 * 60_000 });
  });

  test("decisions: the first to be due on top, those without a time last, the settled apart", () => {
    const { open, settled } = decisionsOf([
      feature("decision", "decision-a", { name: "a", text: "a", status: "open" }),
      feature("decision", "decision-b", { name: "b", text: "b", status: "open", due: at(60) }),
      feature("decision", "decision-c", { name: "c", text: "c", status: "open", due: at(-5) }),
      feature("decision", "decision-d", { name: "d", text: "d", status: "done", settled_at: at(-20) }),
      feature("decision", "decision-e", { name: "e", text: "e", status: "dropped", settled_at: at(-10) }),
    ]);
    expect(open.map((d) => d.name)).toEqual(["c", "b", "a"]);
    expect(settled.map((d) => d.name)).toEqual(["e", "d"]);
  });

  test("the line is signed by its author, else by who wrote it; without a text there is none", () => {
    expect(situationOf(feature("situation", "situation", { text: "x", by: "user:amini" }))?.author).toBe("user:amini");
    expect(situationOf(feature("situation", "situation", { text: "" }))).toBeNull();
    expect(situationOf(undefined)).toBeNull();
  });

  test("open incidents by priority, the worst first", () => {
    const incidents = ["3", "1", "3", ""].map((priority, i) => feature("incident", `I${i}`, { priority }));
    expect(byPriority(incidents, codes)).toEqual([{ code: "1", count: 1 }, { code: "3", count: 2 }, { code: "", count: 1 }]);
  });

  test.each([
    ["125", "tel:125"],
    ["+98 (21) 8888-0000", "tel:+982188880000"],
    ["۱۱۵", "tel:115"],
    ["the duty desk", ""],
    ["", ""],
  ])("%s is dialled as %s", (words, address) => expect(dial(words)).toBe(address));
});

describe("the last hour", () => {
  const base = () => [
    feature("incident", "I1", { type: "fire", priority: "3", status: "new", name: "Mill" }),
    feature("incident", "I2", { type: "fire", priority: "1", status: "new" }),
    feature("incident", "I3", { type: "fire", priority: "3", status: "new" }),
    feature("unit", "U1", { status: "available", dispatchable: true }),
    feature("hazard", "H1", { type: "flood", active: true }),
    feature("figure", "figure-dead", { name: "dead", value: 1 }),
  ];
  const then = summaryOf(worldOf(base()), noon - 3600_000, codes);

  test("is quiet when nothing differs", () => {
    const changes = changesOf(then, summaryOf(worldOf(base()), noon, codes), codes);
    expect(isQuiet(changes)).toBe(true);
    expect(changes).toMatchObject({ from: noon - 3600_000, to: noon, open: 0, committed: 0, free: 0, covered: null });
  });

  test("says what came, what went, what got worse, and by how much numbers changed", () => {
    const now = summaryOf(
      worldOf([
        feature("incident", "I1", { type: "fire", priority: "1", status: "new" }),
        feature("incident", "I2", { type: "fire", priority: "1", status: "closed" }),
        feature("incident", "I4", { type: "flood", priority: "3", status: "new" }),
        feature("incident", "I5", { type: "flood", priority: "1", status: "closed" }),
        feature("unit", "U1", { status: "on_scene", assigned: "I1" }),
        feature("hazard", "H2", { type: "flood" }),
        feature("hazard", "H1", { type: "flood", active: false }),
        feature("response", "response", { level: "II" }),
        feature("figure", "figure-dead", { name: "dead", value: 3 }),
        feature("figure", "figure-injured", { name: "injured", value: 9 }),
      ]),
      noon,
      codes,
    );
    const changes = changesOf(then, now, codes);
    expect(isQuiet(changes)).toBe(false);
    expect(changes).toMatchObject({
      opened: ["I5", "I4"],
      closed: ["I2", "I3"], // I3 is gone from the world
      turned: [{ key: "I1", before: "3", after: "1", worse: true }],
      hazardsNew: ["H2"],
      hazardsOver: ["H1"],
      level: { before: "", after: "II" },
      figures: [{ key: "figure-dead", before: 1, after: 3 }, { key: "figure-injured", before: null, after: 9 }],
      open: -1,
      committed: 1,
      free: -1,
    });
  });

  test("does not make a change of coverage out of one that is not known", () => {
    const known: Summary = { ...then, covered: 0.9 };
    expect(changesOf(known, { ...then, covered: null }, codes).covered).toBeNull();
    expect(changesOf(known, { ...then, covered: 0.85 }, codes).covered).toBeCloseTo(-0.05);
  });
});

describe("the story of an incident", () => {
  test("is told by stamps, in the order in which things happen", () => {
    const incident = feature("incident", "I1", { opened_at: at(0), under_control_at: at(20), closed_at: at(30), status: "closed" });
    const assignments = [
      feature("assignment", "a1", { incident: "I1", unit: "E7", assigned_at: at(0), on_scene_at: at(6), cleared_at: at(30) }),
      feature("assignment", "a2", { incident: "I2", unit: "E8", assigned_at: at(1) }),
    ];
    expect(stampsOf(incident, assignments, codes).map((e) => `${(e.at - noon) / 60_000} ${e.what}${"unit" in e ? ` ${e.unit}` : ""}`)).toEqual([
      "0 opened", "0 assigned E7", "6 unit E7", "20 status", "30 released E7", "30 closed",
    ]);
  });

  test("things of one moment never swap places", () => {
    const events = [{ at: 5, what: "closed" }, { at: 5, what: "opened" }, { at: 1, what: "assigned", unit: "x" }] as const;
    expect(inOrder(events).map((e) => e.what)).toEqual(["assigned", "opened", "closed"]);
  });

  const levels = (priority: string): Levels => ({ priority, alarm_level: "", grade: "" });
  /** A record whose priority changes at moments; counts its looks. */
  function recordOf(changes: readonly (readonly [at: number, priority: string])[]) {
    let looks = 0;
    const look = async (moment: number) => {
      looks++;
      return levels(changes.findLast(([from]) => from <= moment)?.[1] ?? "3");
    };
    return { look, looks: () => looks };
  }

  test("a level that never changed costs two looks", async () => {
    const record = recordOf([]);
    expect(await findLevels(record.look, 0, 3600_000)).toEqual([]);
    expect(record.looks()).toBe(2);
  });

  test("any one change is found to the minute, within the budget", async () => {
    for (let moment = 1000; moment < 3600_000; moment += 173_311) {
      const record = recordOf([[moment, "1"]]);
      const [found, ...more] = await findLevels(record.look, 0, 3600_000);
      expect(more).toEqual([]);
      expect(found).toMatchObject({ what: "level", scale: "priority", before: "3", after: "1" });
      if (found?.what !== "level") throw new Error("no level");
      expect(found.from).toBeLessThan(moment + 1);
      expect(found.at).toBeGreaterThanOrEqual(moment);
      expect(found.at - found.from).toBeLessThanOrEqual(levelWithinMs);
      expect(record.looks()).toBeLessThanOrEqual(levelLooks);
    }
  });

  test("a long story is bounded: what is left is said as a longer span", async () => {
    const record = recordOf([[10 * 3600_000, "1"], [30 * 3600_000, "2"], [50 * 3600_000, "4"]]);
    const found = await findLevels(record.look, 0, 72 * 3600_000);
    expect(record.looks()).toBeLessThanOrEqual(levelLooks);
    expect(found.length).toBeGreaterThan(0);
    for (const event of found) if (event.what === "level") expect(event.before).not.toBe(event.after);
  });

  test("a record that does not answer invents nothing", async () => {
    expect(await findLevels(async () => null, 0, 3600_000)).toEqual([]);
  });
});

describe("what is kept", () => {
  test("becomes the same world again, and is never taken for a live one", () => {
    const world = new World();
    const kept = {
      name: "live", epoch: "e1", seq: 41, time: noon, exercise: false, simulated: true, recording: true,
      put: [
        { id: 1, key: "E7", kind: "unit", rev: 5, due: 0, lng: -755466000, lat: 397447000, time: noon - 9000, heading: 90, speed: 100, accuracy: 8, flags: 0, props: '{"status":"available"}', sealed: [], shape: null },
        { id: 2, key: "H1", kind: "hazard", rev: 6, due: 0, lng: 0, lat: 0, time: 0, heading: 511, speed: 0xffff, accuracy: 0, flags: 0, props: '{"type":"flood"}', sealed: [],
          shape: { type: "Polygon" as const, lng: [0, 10, 10, 0], lat: [0, 0, 10, 0], ends: [4], parts: [] } },
      ],
    };
    const frame = unflatten(JSON.parse(JSON.stringify(kept)) as typeof kept);
    expect(world.apply(frame)).toBe("mismatch");
    expect(world.synced).toBe(false);
    expect(world.fix(world.get("E7")!)?.at).toEqual([-75.5466, 39.7447]);
    expect(frame.status).toMatchObject({ simulated: true, tick: 0, clock: 0 });
    expect(flatten(world, kept)).toEqual(kept);
  });
});

describe("times of the day", () => {
  test.each([
    // Tehran is +03:30 the whole year: noon UTC is 15:30 there.
    ["16:00", "next", "Asia/Tehran", "2026-11-22T12:30:00.000Z"],
    ["15:00", "next", "Asia/Tehran", "2026-11-23T11:30:00.000Z"],
    ["15:00", "last", "Asia/Tehran", "2026-11-22T11:30:00.000Z"],
    ["16:00", "last", "Asia/Tehran", "2026-11-21T12:30:00.000Z"],
    ["00:10", "next", "Asia/Shanghai", "2026-11-22T16:10:00.000Z"],
    ["07:30", "next", "America/New_York", "2026-11-22T12:30:00.000Z"],
    ["", "next", "Asia/Tehran", ""],
    ["later", "next", "Asia/Tehran", ""],
  ] as const)("%s %s in a city is a moment", (clock, which, zone, moment) => {
    expect(meant(clock, noon, zone, which)).toBe(moment);
  });

  test("what is read is what was written", () => {
    for (const zone of ["Asia/Tehran", "Asia/Shanghai", "America/New_York", "UTC"]) {
      for (let minute = 0; minute < 1440; minute += 37) {
        const clock = `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
        expect(written(Date.parse(meant(clock, noon, zone, "next")), zone)).toBe(clock);
      }
    }
    expect(written(NaN, "UTC")).toBe("");
  });
});

describe("the sketch of the city", () => {
  const size = { width: 400, height: 300 };
  test("has north on top and east on the right, and draws what lies outside at its edge", () => {
    const { at, outline } = frameOf([[50, 35], [52, 36]], [], size); // nothing happens: the whole city
    const [x, y] = at([51, 35.5]);
    expect(x).toBeCloseTo(200);
    expect(y).toBeGreaterThan(140);
    expect(at([51.5, 35.5])[0]).toBeGreaterThan(x);
    expect(at([51, 35.9])[1]).toBeLessThan(y);
    expect(at([80, 0])).toEqual([386, 286]);
    expect(outline).toMatch(/^M.*Z$/);
  });

  test("of a city without a box or incidents there is nothing, and nothing breaks", () => {
    expect(frameOf([], [], size).outline).toBe("");
    expect(frameOf([], [[51, 35]], size).at([51, 35])).toEqual([200, 150]);
    expect(pathOf([], () => [0, 0])).toBe("");
  });
});

describe("lines of a picture", () => {
  const measure = (text: string) => text.length;
  test("break between words, between Chinese characters, and within a word that is longer than a line", () => {
    expect(wrap("one two three", 7, measure)).toEqual(["one two", "three"]);
    expect(wrap("全市应急响应", 4, measure)).toEqual(["全市应急", "响应"]);
    expect(wrap("abcdefghij", 4, measure)).toEqual(["abcd", "efgh", "ij"]);
    expect(wrap("a\nb", 10, measure)).toEqual(["a", "b"]);
    expect(wrap("", 10, measure)).toEqual([""]);
  });

  test("lose no character", () => {
    const text = "سیل در رودخانه، ۱۲ نفر؛ flood 全市 level-II response";
    for (let widest = 1; widest < 40; widest++) {
      const lines = wrap(text, widest, measure);
      expect(lines.join("").replace(/\s/g, "")).toBe(text.replace(/\s/g, ""));
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(widest);
    }
  });
});
