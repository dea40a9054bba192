import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Preset } from "../../preset";
import { Codes } from "../../ui/codes";
import { Feature, type LngLat } from "../../world/feature";
import type { Change } from "../../world/world";
import { ActLog } from "./acts";
import { distance, duplicates, isNew, newestFirst, openIncidents, openOverTime, parsePlace, waiting, worstFirst } from "./incidents";
import { Places } from "./places";
import { filterUnits, fold, unitOrder } from "./units";

const label = (en: string, fa = en, zh = en) => ({ en, fa, zh });
const status = (code: string, order: number, busy: boolean, more = {}) => ({
  code,
  label: label(code),
  token: `status-${code}`,
  shape: "circle",
  order,
  busy,
  dispatchable: !busy,
  ...more,
});

/** A small city: what the rules of the screens need, and no more. */
const preset = {
  languages: ["en"],
  stale_after_s: 120,
  scales: [
    {
      code: "priority",
      label: label("Priority"),
      version: "1",
      // Ranks run against the codes, as they do in some countries.
      values: [
        { code: "1", rank: 4, label: label("life"), shape: "octagon", color: {} },
        { code: "2", rank: 3, label: label("urgent"), shape: "triangle", color: {} },
        { code: "3", rank: 2, label: label("routine"), shape: "circle", color: {} },
      ],
    },
  ],
  agencies: [{ code: "fire", label: label("Fire department", "آتش‌نشانی"), short: label("Fire"), icon: "" }],
  unit_kinds: [{ code: "engine", label: label("Engine", "خودروی اطفا"), stale_after_s: 60 }],
  capabilities: [{ code: "als", label: label("Advanced life support") }],
  statuses: [
    status("available", 1, false, { initial: true }),
    status("dispatched", 2, true, { on_assign: true }),
    status("on_scene", 4, true),
    status("out", 8, false, { dispatchable: false }),
  ],
  transitions: [
    { from: "available", to: ["out", "dispatched"] },
    { from: "available", to: ["on_scene"], agencies: ["ems"] },
  ],
  flags: [],
  incident_types: [
    { code: "structure_fire", category: "Fire", label: label("Structure fire"), priority: "1" },
    { code: "smoke", category: "Fire", label: label("Smoke"), priority: "3" },
    { code: "medical", category: "Health", label: label("Medical"), priority: "2" },
  ],
  incident_statuses: [
    { code: "open", order: 1, initial: true, label: label("Open") },
    { code: "dispatched", order: 2, label: label("Dispatched") },
    { code: "closed", order: 5, final: true, label: label("Closed") },
  ],
  hazard_types: [],
  shelter_kinds: [],
  shelter_statuses: [],
  site_kinds: [],
} as unknown as Preset;
const codes = new Codes(preset);

const now = Date.parse("2026-11-22T12:00:00Z");
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString();
let ids = 0;
function feature(kind: string, key: string, props: object): Feature {
  const put = { id: ++ids, key, kind, rev: ids, due: 0, lng: 0, lat: 0, time: 0, heading: 0, speed: 0, accuracy: 0, flags: 0 };
  return new Feature({ ...put, props: JSON.stringify(props), shape: null, sealed: [] }, ids);
}
const incident = (key: string, props: object) => feature("incident", key, { status: "open", type: "structure_fire", ...props });
const unit = (key: string, props: object = {}) => feature("unit", key, { status: "available", type: "engine", agency: "fire", ...props });
const keys = (features: readonly Feature[]) => features.map((f) => f.key);

describe("the order of incidents", () => {
  const list = [
    incident("new-routine", { priority: "3", opened_at: ago(10) }),
    incident("old-urgent", { priority: "2", opened_at: ago(500) }),
    incident("new-life", { priority: "1", opened_at: ago(20) }),
    incident("old-life", { priority: "1", opened_at: ago(900) }),
    incident("nobody-knows", { opened_at: ago(5000) }),
  ];
  test("the worst by rank and not by code, then the one that has lasted longest", () => {
    expect(keys([...list].sort(worstFirst(codes)))).toEqual(["old-life", "new-life", "old-urgent", "new-routine", "nobody-knows"]);
  });
  test("the newest", () => expect(keys([...list].sort(newestFirst))[0]).toBe("new-routine"));
  test("what is closed is not open", () => {
    expect(keys(openIncidents([...list, incident("over", { status: "closed" })], codes))).toEqual(keys(list));
  });
  test("who waits longest stands first", () => {
    const sent = incident("sent", { assigned: ["E1"], opened_at: ago(9999) });
    expect(keys(waiting([sent, ...list]))[0]).toBe("nobody-knows");
  });
});

describe("an incident is new", () => {
  test.each<[string, object, boolean]>([
    ["just opened", { opened_at: ago(3) }, true],
    ["for a minute", { opened_at: ago(59) }, true],
    ["and no longer", { opened_at: ago(61) }, false],
    ["until someone is sent", { opened_at: ago(3), assigned: ["E1"] }, false],
    ["also when the clocks differ by a second", { opened_at: ago(-1) }, true],
  ])("%s", (_, props, want) => expect(isNew(incident("i", props), now)).toBe(want));
});

test("how many were open, over time", () => {
  const list = [
    incident("a", { opened_at: ago(100) }),
    incident("b", { opened_at: ago(70), status: "closed", closed_at: ago(30) }),
    incident("c", { opened_at: ago(10) }),
  ];
  const counted = openOverTime(list, codes, now, 5, 25_000);
  expect(counted.map(([, value]) => value)).toEqual([1, 1, 2, 1, 2]);
  expect(counted.map(([at]) => at)).toEqual([now - 100_000, now - 75_000, now - 50_000, now - 25_000, now]);
});

describe("a possible duplicate", () => {
  const here: LngLat = [-75.55, 39.745];
  const metresEast = (m: number): LngLat => [here[0] + m / (111_195 * Math.cos((39.745 * Math.PI) / 180)), here[1]];
  const find = (type: string, at: LngLat | null, it: Feature, place: LngLat | null) =>
    duplicates([it], () => place, codes, { at, type, now }).length;

  test.each<[string, object, LngLat | null, number]>([
    ["near and recent", { opened_at: ago(60) }, metresEast(150), 1],
    ["of another type of the same group", { opened_at: ago(60), type: "smoke" }, metresEast(10), 1],
    ["of another group", { opened_at: ago(60), type: "medical" }, metresEast(10), 0],
    ["just inside 200 m", { opened_at: ago(60) }, metresEast(199), 1],
    ["just outside 200 m", { opened_at: ago(60) }, metresEast(202), 0],
    ["half an hour ago", { opened_at: ago(1799) }, metresEast(10), 1],
    ["longer ago", { opened_at: ago(1801) }, metresEast(10), 0],
    ["closed", { opened_at: ago(60), status: "closed" }, metresEast(10), 0],
    ["nobody knows where", { opened_at: ago(60) }, null, 0],
  ])("%s", (_, props, place, want) => expect(find("structure_fire", here, incident("i", props), place)).toBe(want));

  test("nearest first", () => {
    const places = new Map([
      ["far", metresEast(180)],
      ["near", metresEast(20)],
    ]);
    const list = [incident("far", { opened_at: ago(9) }), incident("near", { opened_at: ago(9) })];
    const found = duplicates(list, (i) => places.get(i.key) ?? null, codes, { at: here, type: "smoke", now });
    expect(found.map((f) => f.incident.key)).toEqual(["near", "far"]);
    expect(found[0]!.distanceM).toBeCloseTo(20, 0);
  });
  test("a degree of latitude", () => expect(distance([0, 0], [0, 1])).toBeCloseTo(111_195, -1));
});

describe("a place that a person wrote", () => {
  test.each<[string, LngLat | null]>([
    ["39.7447, -75.5466", [-75.5466, 39.7447]],
    ["39.7447 -75.5466", [-75.5466, 39.7447]],
    ["۳۵٫۶۸۹۲، ۵۱٫۳۸۹۰", [51.389, 35.6892]],
    ["\u200e35.6892°, 51.3890°", [51.389, 35.6892]],
    ["39,74", [74, 39]],
    ["91, 0", null],
    ["0, 181", null],
    ["North Market Street", null],
    ["39.7447", null],
    ["", null],
  ])("%s", (written, want) => expect(parsePlace(written)).toEqual(want));
});

describe("the list of units", () => {
  const all = [
    unit("E10", { name: "Engine 10" }),
    unit("E2", { name: "Engine 2" }),
    unit("M1", { name: "Medic 1", type: "ambulance", status: "on_scene", capabilities: ["als"] }),
    unit("E3", { name: "Engine 3", status: "out" }),
    unit("P1", { name: "Patrol 1", distress: true, status: "out" }),
  ];
  test("distress, then at work, then free by the numbers of their names, then out", () => {
    expect(keys([...all].sort(unitOrder(codes)))).toEqual(["P1", "M1", "E2", "E10", "E3"]);
  });
  test.each<[string, string, string[], string[]]>([
    ["by name", "engine 1", [], ["E10", "P1"]],
    ["by what it can do", "advanced", [], ["M1", "P1"]],
    ["by status", "", ["out"], ["E3", "P1"]],
    ["by agency, in another language", "آتش نشانی", [], ["E10", "E2", "M1", "E3", "P1"]],
    ["nothing", "", [], keys(all)],
  ])("filtered %s: who calls for help never disappears", (_, words, statuses, want) => {
    const language = /[آ-ی]/.test(words) ? "fa" : "en";
    expect(keys(filterUnits(all, { words, statuses: new Set(statuses) }, codes, language))).toEqual(want);
  });
  test("Arabic letters, half spaces and digits fold", () => expect(fold("كلينيك ۱۲ آتش‌نشانی")).toBe(fold("کلینیک 12 آتش نشانی")));
});

describe("codes", () => {
  test("the agency's own row replaces the general one", () => {
    expect(codes.next("fire", "available").map((s) => s.code)).toEqual(["dispatched", "out"]);
    expect(codes.next("ems", "available").map((s) => s.code)).toEqual(["on_scene"]);
    expect(codes.next("fire", "nowhere")).toEqual([]);
  });
  test("resting, initial, stale", () => {
    expect(codes.restingStatuses.map((s) => s.code)).toEqual(["available", "out"]);
    expect(codes.initialStatus).toBe("available");
    expect(codes.staleAfterS("engine")).toBe(60);
    expect(codes.staleAfterS("boat")).toBe(120);
  });
});

describe("the log", () => {
  const change = (put: readonly Feature[], drop: readonly Feature[] = [], keyframe = false, at = now): Change => ({
    keyframe,
    put,
    drop,
    moved: new Int32Array(),
    movedCount: 0,
    frame: { time: at } as Change["frame"],
  });
  const said = (log: ActLog) => log.acts.map((a) => `${a.what} ${a.subject} ${a.code}`.trim());

  test("a screen that was just opened tells what the features record", () => {
    const log = new ActLog(codes);
    log.take(
      change(
        [
          incident("i", { opened_at: ago(100) }),
          feature("assignment", "a", { unit: "E1", incident: "i", assigned_at: ago(90), on_scene_at: ago(30) }),
          unit("E1", { assigned: "i" }),
        ],
        [],
        true,
      ),
    );
    expect(said(log)).toEqual(["unit_status E1 on_scene", "assigned E1", "incident_opened i structure_fire"]);
  });

  test("then what each frame changed, once", () => {
    const log = new ActLog(codes);
    log.take(change([unit("E1")], [], true));
    expect(log.take(change([incident("i", { opened_at: ago(1) })]))).toBe(true);
    log.take(change([unit("E1", { status: "dispatched", assigned: "i" }), incident("i", { status: "dispatched", assigned: ["E1"] })]));
    log.take(change([unit("E1", { status: "on_scene", assigned: "i", distress: true })]));
    log.take(change([unit("E1"), incident("i", { status: "closed" })]));
    expect(said(log)).toEqual([
      "released E1 available",
      "distress_over E1 available",
      "incident_closed i closed",
      "distress E1 on_scene",
      "unit_status E1 on_scene",
      "assigned E1 dispatched",
      "incident_opened i structure_fire",
    ].sort((a, b) => said(log).indexOf(a) - said(log).indexOf(b)));
    expect(log.acts.length).toBe(7);
    expect(log.take(change([unit("E1"), incident("i", { status: "closed" })]))).toBe(false);
  });

  test("a keyframe after a lost link tells what happened meanwhile, and nothing twice", () => {
    const log = new ActLog(codes);
    const before = [unit("E1"), incident("i", { opened_at: ago(100) })];
    log.take(change(before, [], true));
    const known = log.acts.length;
    log.take(change([unit("E1", { status: "dispatched", assigned: "i" }), incident("i", { assigned: ["E1"] })], [], true));
    expect(said(log).slice(0, log.acts.length - known)).toEqual(["assigned E1 dispatched"]);
  });

  test("it does not grow for ever", () => {
    const log = new ActLog(codes, 10);
    log.take(change([], [], true));
    for (let i = 0; i < 50; i++) log.take(change([incident(`i${i}`, {})]));
    expect(log.acts.length).toBe(10);
    expect(log.acts[0]!.subject).toBe("i49");
  });
});

describe("names of the city", () => {
  const places = new Places([
    { kind: "city", name: "Wilmington", name_fa: "ویلمینگتون", lon: -75.5466, lat: 39.7459 },
    { kind: "street", name: "North Market Street", lon: -75.548, lat: 39.744, alt: ["Market"] },
    { kind: "street", name: "Maple Avenue", lon: -75.51, lat: 39.75 },
    { kind: "street", name: "Maple Avenue", lon: -75.6, lat: 39.7 },
  ]);
  test("near a place", () => {
    expect(places.near([-75.549, 39.744], "en")).toEqual({ street: "North Market Street", quarter: "Wilmington" });
    expect(places.near([-75.549, 39.744], "fa").quarter).toBe("ویلمینگتون");
    expect(places.near([0, 0], "en")).toEqual({ street: "", quarter: "" });
  });
  test("found by words, the nearest of a name first", () => {
    expect(places.find("maple", [-75.6, 39.7], 5).map((p) => p.lon)).toEqual([-75.6, -75.51]);
    expect(places.find("market", null, 5).map((p) => p.name)).toEqual(["North Market Street"]);
    expect(places.find("  ", null, 5)).toEqual([]);
  });
});

test("the log's file has no words of its own", () => {
  // Guards the rule for the one file that makes sentences out of codes.
  expect(readFileSync(new URL("./acts.ts", import.meta.url), "utf8")).not.toMatch(/[\u0600-\u06ff\u4e00-\u9fff]/);
});
