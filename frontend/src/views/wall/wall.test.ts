import { describe, expect, test } from "vitest";
import type { Preset } from "../../preset";
import { Codes } from "../../ui/codes";
import { spark } from "../../ui/spark";
import { jumpFrom, share, ticks } from "../../ui/timebar";
import { Feature } from "../../world/feature";
import { asFeature, draftOf, keyOf, newDraft, toggled } from "../layouts/draft";
import { decisionsOf, figuresOf } from "../shared/facts";
import { isUnacknowledged } from "../shared/incidents";
import { assignmentsBy, standardOf } from "../shared/standard";
import { mayReload, minuteOfDay, pixelShift, themeAt } from "./keep";
import { between, layoutOf, lists, minuteOf, panels, readLayout, usual } from "./layout";
import { tourStop, Worsening } from "./tour";

let id = 0;
const feature = (kind: string, key: string, props: object) =>
  new Feature({ id: ++id, key, kind, rev: 1, due: 0, at: null, shape: null, sealed: [], props: JSON.stringify(props) } as never, -1);
const noon = Date.parse("2026-11-22T12:00:00Z");
const iso = (s: number) => new Date(noon + s * 1000).toISOString();
const minute = 60_000;

describe("the layout of a display", () => {
  const whole = {
    ...{ name: "north", area: { bbox: [-75.8, 39.6, -75.4, 39.9] }, panels: ["worst", "ticker"], layers: ["units", "coverage"], text_scale: 1.25 },
    ...{ language: "fa", theme: "auto", tour: { on: true, dwell_s: 20 }, part: { col: 1, row: 0, cols: 2, rows: 1 }, visitor: true },
    ...{ devices: ["D1", "D2"], cameras: ["C1"], dim: { from: "23:00", to: "06:30", level: 0.5 } },
  };

  test("is the one that names it, and no other", () => {
    const layouts = [feature("layout", "layout-a", { name: "a", devices: ["D9"] }), feature("layout", "layout-north", whole)];
    expect(layoutOf(layouts, "D2")?.key).toBe("layout-north");
    expect(layoutOf(layouts, "D3")).toBeNull();
    expect(layoutOf(layouts, "")).toBeNull();
  });

  test("is read as it was written", () => {
    const layout = readLayout(feature("layout", "layout-north", whole));
    expect(layout).toMatchObject({ name: "north", area: { bounds: [-75.8, 39.6, -75.4, 39.9] }, textScale: 1.25, language: "fa", theme: "auto", tourS: 20 });
    expect(layout).toMatchObject({ part: { col: 1, row: 0, cols: 2, rows: 1 }, visitor: true, cameras: ["C1"], dim: { from: 1380, to: 390, level: 0.5 }, coverage: true });
    expect([...layout.panels]).toEqual(["worst", "ticker"]);
    expect(layout.layers).toMatchObject({ units: true, incidents: false, labels: false });
  });

  test("shows something whatever is missing or wrong", () => {
    expect(readLayout(null)).toBe(usual);
    expect(usual.panels.size).toBe(panels.length - lists.length);
    for (const name of lists) expect(usual.panels.has(name), name).toBe(false);
    const odd = readLayout(feature("layout", "layout-odd", { name: "odd", area: "here", tour: 7, part: { col: 9, cols: 2 }, dim: { from: "25:00" }, text_scale: 99, language: "xx", theme: "pink" }));
    expect(odd).toMatchObject({ area: null, tourS: 0, part: { col: 1, row: 0, cols: 2, rows: 1 }, dim: null, textScale: 4, language: null, theme: null });
  });

  test("a centre stands for an area too", () => {
    expect(readLayout(feature("layout", "l", { area: { center: [51.4, 35.7], zoom: 11 } })).area).toEqual({ center: [51.4, 35.7], zoom: 11 });
  });

  test("hours of the day go over midnight", () => {
    expect([minuteOf("23:30"), minuteOf("00:00"), minuteOf("24:00"), minuteOf(7)]).toEqual([1410, 0, null, null]);
    expect([between(1430, 1380, 390), between(100, 1380, 390), between(720, 1380, 390)]).toEqual([true, true, false]);
    expect([between(100, 60, 120), between(120, 60, 120)]).toEqual([true, false]);
  });
});

describe("writing a layout", () => {
  test("what is written and read again is the same, and a wall reads the draft as it will read the record", () => {
    const draft = newDraft("hall", [1, 2, 3, 4], "en");
    const read = draftOf(feature("layout", "layout-hall", { ...draft.body, name: "hall", at: "x", by: "y" }));
    expect(read).toEqual({ ...draft, rev: 1 });
    expect(readLayout(asFeature(draft))).toMatchObject({ name: "hall", area: { bounds: [1, 2, 3, 4] }, coverage: true, tourS: 0 });
  });
  test("a panel is taken in at its place and out again; what this version does not know stays", () => {
    expect(toggled(["worst", "moon"], "situation", panels)).toEqual(["situation", "worst", "moon"]);
    expect(toggled(["worst", "moon"], "worst", panels)).toEqual(["moon"]);
  });
  test("keys are made of names and are never taken twice", () => {
    expect(keyOf("North Hall", [])).toBe("north-hall");
    expect(keyOf("دیوار", ["wall", "wall-2"])).toBe("wall-3");
  });
});

describe("a tour", () => {
  const stop = (key: string, more = {}) => ({ key, fresh: false, worsenedAt: 0, ...more });
  const at = (k: number) => 20_000 * 3 * 1000 + k * 20_000;
  test("visits each in turn and then everything", () => {
    const stops = [stop("a"), stop("b")];
    const seen = Array.from({ length: 6 }, (_, i) => tourStop(stops, 20, at(i)));
    expect(seen).toEqual([null, "a", "b", null, "a", "b"]);
  });
  test("is with everything as long as anything is new or has just become worse", () => {
    for (let i = 0; i < 6; i++) {
      expect(tourStop([stop("a"), stop("b", { fresh: true })], 20, at(i))).toBeNull();
      expect(tourStop([stop("a", { worsenedAt: at(i) - 59_000 })], 20, at(i))).toBeNull();
    }
    expect(tourStop([stop("a", { worsenedAt: at(1) - 61_000 })], 20, at(1))).toBe("a");
  });
  test("is off by default, and does not begin before the clock is known", () => {
    expect(tourStop([stop("a")], usual.tourS, at(1))).toBeNull();
    expect(tourStop([stop("a")], 20, NaN)).toBeNull();
  });
  test("worse is a rank that rose since it was seen first", () => {
    const worse = new Worsening();
    worse.take([{ key: "a", rank: 3 }, { key: "b", rank: 1 }], 100);
    expect([worse.at("a"), worse.at("b")]).toEqual([0, 0]);
    worse.take([{ key: "a", rank: 2 }, { key: "b", rank: 4 }], 200);
    expect([worse.at("a"), worse.at("b")]).toEqual([0, 200]);
    worse.take([{ key: "a", rank: 2 }], 300);
    worse.take([{ key: "a", rank: 2 }, { key: "b", rank: 4 }], 400);
    expect(worse.at("b")).toBe(0);
  });
});

describe("a month alone", () => {
  test("an upgrade waits for a quiet minute, and not for ever", () => {
    expect(mayReload(noon, noon - 2 * minute, noon - 3 * minute, 0)).toBe(true);
    expect(mayReload(noon, noon - 2 * minute, noon - 30_000, 0)).toBe(false);
    expect(mayReload(noon, noon - 2 * minute, 0, 1)).toBe(false);
    expect(mayReload(noon, noon - 30_000, 0, 0)).toBe(false);
    expect(mayReload(noon, noon - 16 * minute, noon, 5)).toBe(true);
  });
  test("no pixel stands still, and nothing leaves its place by more than two", () => {
    const places = Array.from({ length: 9 }, (_, i) => pixelShift(noon + i * minute));
    expect(new Set(places.map(String)).size).toBe(9);
    for (const [x, y] of places) expect(Math.max(Math.abs(x), Math.abs(y))).toBeLessThanOrEqual(2);
    expect(pixelShift(NaN)).toEqual([0, 0]);
  });
  test("the day is the city's", () => {
    expect(minuteOfDay(noon, "Asia/Tehran")).toBe(15 * 60 + 30);
    expect([themeAt(6 * 60), themeAt(7 * 60), themeAt(19 * 60)]).toEqual(["night", "day", "night"]);
  });
});

describe("the standard of an incident", () => {
  const label = { fa: "x", zh: "x", en: "x" };
  const codes = new Codes({
    ...{ scales: [], flags: [], transitions: [], unit_kinds: [] },
    statuses: [
      { code: "sent", token: "status-responding", on_assign: true, busy: true, order: 2, label },
      { code: "rolling", token: "status-responding", busy: true, order: 3, label },
      { code: "there", token: "status-on-scene", busy: true, order: 4, label },
    ],
    incident_statuses: [
      { code: "open", initial: true, label },
      { code: "going", label },
    ],
    incident_types: [
      { code: "fire", label, standard: { seconds: 240, measure: "travel", share: 0.9 } },
      { code: "gas", label, standard: { seconds: 300, measure: "turnout_and_travel", share: 0.9 } },
      { code: "alarm", label, standard: { seconds: 90, measure: "turnout", share: 0.9 } },
      { code: "flood", label, standard: { seconds: 600, measure: "response", share: 0.9 } },
      { code: "cat", label },
    ],
  } as unknown as Preset);
  const incident = (type: string) => feature("incident", "I", { type, opened_at: iso(-600), status: "open" });
  const work = (props: object) => feature("assignment", "A", { incident: "I", assigned_at: iso(-500), ...props });
  const of = (type: string, ...some: Feature[]) => standardOf(incident(type), some, codes, noon);

  test.each<[string, string, object[], number | null, boolean]>([
    ["none is set", "cat", [{}], null, false],
    ["travel has not begun", "fire", [{}], null, false],
    ["travel runs from the first that left", "fire", [{ rolling_at: iso(-400) }, { rolling_at: iso(-300) }], 400, false],
    ["travel ends with the first that arrives", "fire", [{ rolling_at: iso(-400) }, { rolling_at: iso(-390), there_at: iso(-100) }], 300, true],
    ["turnout and travel from the assignment", "gas", [{ rolling_at: iso(-400) }], 500, false],
    ["turnout ends when somebody leaves", "alarm", [{ rolling_at: iso(-420) }], 80, true],
    ["response from the call", "flood", [], 600, false],
  ])("%s", (_, type, stamps, elapsedS, met) => {
    const standard = of(type, ...stamps.map(work));
    if (elapsedS === null) expect(standard).toBeNull();
    else expect(standard).toMatchObject({ elapsedS, met });
  });

  test("assignments are told apart by their incident", () => {
    const by = assignmentsBy([feature("assignment", "a", { incident: "I" }), feature("assignment", "b", { incident: "J" }), feature("assignment", "c", { incident: "I" })]);
    expect(by.get("I")?.map((a) => a.key)).toEqual(["a", "c"]);
  });

  test("an incident is new until somebody acts on it", () => {
    const seen = (props: object) => isUnacknowledged(feature("incident", "I", { status: "open", ...props }), codes);
    expect([seen({}), seen({ assigned: ["E7"] }), seen({ status: "going" }), seen({ acked_at: iso(0) })]).toEqual([true, false, false, false]);
  });
});

describe("what people report", () => {
  const preset = {
    figures: [
      { code: "dead", label: { en: "Dead" }, unit: { en: "people" }, definition: { en: "Certified." } },
      { code: "missing", label: { en: "Missing" }, unit: { en: "people" }, definition: { en: "Asked for." } },
    ],
  } as unknown as Preset;
  test("figures come in the order of the preset, with its words, each with time and source; one without is none", () => {
    const figures = figuresOf(
      [
        feature("figure", "figure-boats", { name: "boats", label: "Boats", value: 4, as_of: iso(-60), source: "125", confirmed: "estimated" }),
        feature("figure", "figure-missing", { name: "missing", value: 7, as_of: iso(-120), source: "112", confirmed: "reported" }),
        feature("figure", "figure-dead", { name: "dead", value: 2, as_of: iso(-180), source: "115", confirmed: "confirmed" }),
        feature("figure", "figure-odd", { name: "odd", value: 2, source: "x" }),
      ],
      preset,
      "en",
    );
    expect(figures.map(({ label, value, unit, source, confirmed }) => [label, value, unit, source, confirmed])).toEqual([
      ["Dead", 2, "people", "115", "confirmed"],
      ["Missing", 7, "people", "112", "reported"],
      ["Boats", 4, "", "125", "estimated"],
    ]);
  });
  test("open decisions, the first due on top", () => {
    const decisions = [
      feature("decision", "d1", { text: "a", status: "open" }),
      feature("decision", "d2", { text: "b", status: "open", due: iso(900) }),
      feature("decision", "d3", { text: "c", status: "done", due: iso(1) }),
      feature("decision", "d4", { text: "d", status: "open", due: iso(60) }),
    ];
    expect(decisionsOf(decisions).map(({ feature: f }) => f.key)).toEqual(["d4", "d2", "d1"]);
  });
});

describe("time on a screen", () => {
  test("a bar has round ticks of the city's clock, no more than there is room for", () => {
    const tehran = 3.5 * 3600_000;
    const found = ticks(noon, noon + 3 * 3600_000, 7, tehran);
    expect(found.length).toBeGreaterThan(2);
    expect(found.length).toBeLessThanOrEqual(7);
    for (const at of found) expect((at + tehran) % (30 * minute)).toBe(0);
    expect(ticks(noon, noon, 5)).toEqual([noon]);
  });
  test("a jump goes to the next act, not to the one that is shown", () => {
    const jumps = [0, 60, 120].map((s) => ({ at: noon + s * 1000, label: String(s) }));
    expect(jumpFrom(jumps, noon + 60_000, true)?.label).toBe("120");
    expect(jumpFrom(jumps, noon + 60_000, false)?.label).toBe("0");
    expect(jumpFrom(jumps, noon + 120_000, true)).toBeUndefined();
    expect([share(5, 0, 10), share(-1, 0, 10), share(1, 5, 5)]).toEqual([0.5, 0, 0]);
  });
  test("what is counted begins at zero and ends now", () => {
    const drawn = spark([[noon - 10 * minute, 2], [noon - 5 * minute, 8]], { now: noon, overMs: 20 * minute, width: 100, height: 20, leastSpan: 4, fromZero: true, whole: true })!;
    expect(drawn.line).toMatch(/^M50\.00 [\d.]+H75\.00V1\.00H100$/);
    expect([drawn.low, drawn.high, drawn.last, drawn.from]).toEqual([2, 8, 8, noon - 20 * minute]);
    expect(drawn.end[1]).toBeCloseTo(0.05, 5);
  });
});
