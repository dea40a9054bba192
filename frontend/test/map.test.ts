import { readFileSync } from "node:fs";
import { validateStyleMin, type StyleSpecification } from "@maplibre/maplibre-gl-style-spec";
import { describe, expect, test } from "vitest";
import { iconPath } from "../src/icons";
import { foldSigns, layOutCrowd, type CrowdOptions, type Sign } from "../src/map/crowd";
import { mapLayers, source, type Look } from "../src/map/layers";
import * as operations from "../src/map/operations";
import { grey, parseColor, type Palette } from "../src/map/palette";
import { distances } from "../src/map/sdf";
import { mercatorNear, mercatorX, mercatorY, tier, UnitLayer } from "../src/map/units";
import type { Language, Preset } from "../src/preset";
import { shapes } from "../src/shapes";
import { decode } from "../src/stream/wire";
import { World } from "../src/world/world";
import { encode, nowhere, random, teller, type TestFeature } from "./server";

const tokens = readFileSync(new URL("../src/tokens.css", import.meta.url), "utf8");

/** The tokens of a theme, as tokens.css has them. */
function theme(name: "night" | "day"): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, selector = "", body = ""] of tokens.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
    if (!selector.includes(`data-theme="${name}"`)) continue;
    for (const [, token = "", value = ""] of body.matchAll(/--([\w-]+):\s*([^;]+);/g)) found.set(token, value);
  }
  return found;
}

const night = theme("night");
const day = theme("day");
const palette: Palette = {
  color: (token) => night.get(token) ?? fail(`no token ${token}`),
  rgb: (token) => parseColor(night.get(token) ?? fail(`no token ${token}`)),
};

function fail(why: string): never {
  throw new Error(why);
}

const label = { fa: "x", zh: "x", en: "x" };
const status = (code: string, token: string, shape: string, busy: boolean, dispatchable: boolean) => ({
  ...{ code, label, token, shape, order: 1, busy, dispatchable },
});
const preset = {
  stale_after_s: 120,
  scales: [
    {
      code: "priority",
      label,
      version: "1",
      values: ["4", "3", "2", "1"].map((code, i) => ({
        ...{ code, rank: i + 1, label, color: { night: "#ffffff", day: "#000000" }, shape: "circle" },
      })),
    },
  ],
  statuses: [
    status("available", "status-available", "circle", false, true),
    status("on_scene", "status-on-scene", "square", true, false),
    status("out_of_service", "status-out-of-service", "cross", false, false),
  ],
  flags: [{ code: "distress", label, token: "status-distress", shape: "octagon" }],
  unit_kinds: [],
  incident_types: [
    { code: "fire", label: { fa: "آتش", zh: "火", en: "Fire" }, icon: "fire-station", sensitive: false },
    { code: "assault", label, icon: "police", sensitive: true },
  ],
  incident_statuses: [
    { code: "open", label, order: 1, initial: true, final: false },
    { code: "closed", label, order: 2, initial: false, final: true },
  ],
  hazard_types: [],
  shelter_kinds: [],
  shelter_statuses: [],
  site_kinds: [],
} as unknown as Preset;

const look: Look = {
  palette,
  language: "en",
  scale: 1,
  live: true,
  basemap: true,
  mask: true,
  layers: { units: true, incidents: true, hazards: true, shelters: true, sites: true, labels: true },
};

test("the short way to a mercator place is off by less than a millimetre in a city, and by nothing elsewhere", () => {
  const r = random(5);
  const roundMm = 40_075_016_686;
  for (let i = 0; i < 20_000; i++) {
    const middle = Math.round((r() - 0.5) * 2 * 60e7);
    const near = mercatorNear(middle);
    const lat = middle + Math.round((r() - 0.5) * 2 * 2_499_999);
    expect(Math.abs(near(lat) - mercatorY(lat)) * roundMm).toBeLessThan(1);
    const far = Math.round((r() - 0.5) * 2 * 90e7);
    if (Math.abs(far - middle) >= 2_500_000) expect(near(far)).toBe(mercatorY(far));
  }
});

describe("the look", () => {
  const looks: Record<string, Partial<Look>> = {
    "of the night": {},
    "in Persian at four times the size": { language: "fa", scale: 4 },
    "in Chinese, not live": { language: "zh", live: false },
    "without a city": { basemap: false, mask: false },
    "with everything off": {
      layers: { units: false, incidents: false, hazards: false, shelters: false, sites: false, labels: false },
    },
  };
  for (const [name, change] of Object.entries(looks)) {
    test(`${name} is a style`, () => {
      const sources: StyleSpecification["sources"] = {};
      for (const id of Object.values(source)) {
        sources[id] =
          id === source.basemap
            ? { type: "vector", url: "pmtiles://x" }
            : { type: "geojson", data: { type: "FeatureCollection", features: [] } };
      }
      // Without `glyphs` on purpose: text is drawn from fonts of the page.
      const errors = validateStyleMin({ version: 8, sources, layers: mapLayers({ ...look, ...change }) }).filter(
        (error) => !error.message.includes("glyphs"),
      );
      expect(errors.map((error) => error.message)).toEqual([]);
    });
  }

  test("has the same layers in the same order, whatever changes, so that a change is only properties", () => {
    const ids = (change: Partial<Look>) => mapLayers({ ...look, ...change }).map((layer) => layer.id);
    for (const change of Object.values(looks)) {
      if (change.basemap === undefined) expect(ids(change)).toEqual(ids({}));
    }
  });

  test("grows as a whole with the scale", () => {
    const sizes = (scale: number) =>
      mapLayers({ ...look, scale }).flatMap((layer) => {
        const layout = ("layout" in layer && layer.layout) || {};
        const size = "text-size" in layout ? layout["text-size"] : undefined;
        return typeof size === "number" ? [size] : [];
      });
    expect(sizes(2)).toEqual(sizes(1).map((size) => size * 2));
    expect(sizes(1).length).toBeGreaterThan(3);
  });

  test("that is not live keeps the colours of operations and loses those of the ground", () => {
    const dead = JSON.stringify(mapLayers({ ...look, live: false }));
    expect(dead).not.toContain(night.get("map-water"));
    expect(dead).toContain(night.get("hazard"));
  });
});

describe("the tokens", () => {
  test("of both themes have the same names", () => {
    expect([...day.keys()].sort()).toEqual([...night.keys()].sort());
  });

  const luminance = (color: string) => {
    const [r, g, b] = parseColor(color).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [
      number,
      number,
      number,
    ];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
    return (high + 0.05) / (low + 0.05);
  };

  for (const [name, colors] of [
    ["night", night],
    ["day", day],
  ] as const) {
    test(`of the ${name} can be told from the ground`, () => {
      const ground = colors.get("map-ground")!;
      expect(contrast(colors.get("map-water")!, ground), "water").toBeGreaterThanOrEqual(1.4);
      for (const token of ["text", "label", "map-place"]) {
        expect(contrast(colors.get(token)!, ground), token).toBeGreaterThanOrEqual(7);
      }
      for (const [token, color] of colors) {
        if (/^(status|state|shelter)-/.test(token)) {
          expect(contrast(color, ground), token).toBeGreaterThanOrEqual(token.startsWith("state") ? 4.5 : 3);
        }
      }
      for (const token of ["text", "text-muted"]) {
        expect(contrast(colors.get(token)!, colors.get("surface")!), token).toBeGreaterThanOrEqual(4.5);
      }
    });
  }

  test("keep their contrast in grey", () => {
    for (const token of ["map-water", "map-motorway", "map-place"]) {
      const before = contrast(night.get(token)!, night.get("map-ground")!);
      const after = contrast(grey(night.get(token)!), grey(night.get("map-ground")!));
      expect(Math.abs(after / before - 1), token).toBeLessThan(0.06);
    }
  });
});

test("every shape and icon that a preset may name can be drawn", () => {
  const check = readFileSync(new URL("../../fixtures/check.go", import.meta.url), "utf8");
  const named = /var Shapes = \[\]string\{([^}]*)\}/.exec(check)?.[1]?.match(/"(\w+)"/g) ?? [];
  expect(named.length).toBeGreaterThan(20);
  for (const name of named) expect(Object.keys(shapes), name).toContain(name.slice(1, -1));
  const icons = readFileSync(new URL("../../fixtures/presets/icons.txt", import.meta.url), "utf8").split(/\s+/);
  for (const name of icons.filter(Boolean)) {
    expect(iconPath(name), name).toMatch(/^[Mm][\d\s.,a-zA-Z-]+$/);
    if (name !== "marker") expect(iconPath(name), name).not.toBe(iconPath("marker"));
  }
});

test("distances equal those of looking at every pixel", () => {
  const r = random(3);
  const n = 16;
  const coverage = Float64Array.from({ length: n * n }, () => (r() < 0.3 ? 1 : 0));
  const got = distances(coverage, n, true);
  for (let i = 0; i < n * n; i++) {
    let least = Infinity;
    for (let j = 0; j < n * n; j++) {
      if (coverage[j] === 1) least = Math.min(least, Math.hypot((i % n) - (j % n), Math.floor(i / n) - Math.floor(j / n)));
    }
    expect(got[i]).toBeCloseTo(least, 6);
  }
});

/** A world of units at places in degrees, with a layer on it. */
function crowd(units: { lng: number; lat: number; status?: string; distress?: boolean; speed?: number }[]) {
  const world = new World();
  const time = 1_000_000;
  const put = units.map(
    (u, i): TestFeature => ({
      ...{ id: i + 1, key: `U${i + 1}`, kind: "unit", rev: 1 },
      props: JSON.stringify({ status: u.status ?? "available", distress: u.distress ?? false }),
      fix: { ...nowhere, lng: Math.round(u.lng * 1e7), lat: Math.round(u.lat * 1e7), time, speed: (u.speed ?? 0) * 10 },
    }),
  );
  world.apply(decode(encode(teller()({ base: 0, seq: 1, world: "live", epoch: "e", time, put }))));
  const layer = new UnitLayer(world, preset, palette, () => time);
  layer.settle();
  return { world, layer };
}

const zoom = 13;
const options: CrowdOptions = {
  view: { west: mercatorX(-76e7), east: mercatorX(-75e7), north: mercatorY(40e7), south: mercatorY(39e7) },
  pixelsPerUnit: 512 * 2 ** zoom,
  scale: 1,
  separateMax: 300,
  language: "en",
  selected: 0,
  incidents: [],
};

/** Where each unit is drawn, in pixels. */
function drawn(layer: UnitLayer): Map<number, readonly [number, number]> {
  const out = new Map<number, readonly [number, number]>();
  for (let i = 0; i < layer.count; i++) {
    if (layer.hidden[i]) continue;
    const [x, y] = layer.fixed(i);
    out.set(layer.ids[i]!, [
      x * options.pixelsPerUnit + layer.offsets[i * 2]!,
      y * options.pixelsPerUnit + layer.offsets[i * 2 + 1]!,
    ]);
  }
  return out;
}

function leastGap(places: Iterable<readonly [number, number]>): number {
  const list = [...places];
  let least = Infinity;
  for (let i = 0; i < list.length; i++) {
    for (let j = 0; j < i; j++) least = Math.min(least, Math.hypot(list[i]![0] - list[j]![0], list[i]![1] - list[j]![1]));
  }
  return least;
}

describe("units", () => {
  test("are drawn with the worst on top", () => {
    const at = { lng: -75.5, lat: 39.7 };
    const { layer } = crowd([
      { ...at, distress: true },
      { ...at, status: "on_scene" },
      { ...at, status: "available" },
      { ...at, status: "out_of_service" },
    ]);
    expect([...layer.ids]).toEqual([4, 3, 2, 1]);
    expect([...layer.tier]).toEqual([tier.quiet, tier.available, tier.busy, tier.distress]);
    layer.select(4);
    layer.settle();
    expect(layer.ids.at(-1)).toBe(4);
  });

  test("twelve on one spot can be told apart", () => {
    const { layer } = crowd(Array.from({ length: 12 }, () => ({ lng: -75.5, lat: 39.7, status: "on_scene" })));
    expect(layOutCrowd(layer, options)).toEqual([]);
    const places = drawn(layer);
    expect(places.size).toBe(12);
    expect(leastGap(places.values())).toBeGreaterThan(10);
  });

  test("at an incident stand around its symbol, not under it", () => {
    const { layer } = crowd(Array.from({ length: 12 }, () => ({ lng: -75.5, lat: 39.7, status: "on_scene" })));
    const incident = { x: mercatorX(-75.5e7), y: mercatorY(39.7e7), size: 44 };
    layOutCrowd(layer, { ...options, incidents: [incident] });
    const places = drawn(layer);
    expect(leastGap(places.values())).toBeGreaterThan(10);
    const [cx, cy] = [incident.x * options.pixelsPerUnit, incident.y * options.pixelsPerUnit];
    for (const [x, y] of places.values()) expect(Math.hypot(x - cx, y - cy)).toBeGreaterThan(22 + 6);
  });

  test("that drive past each other are left where they are", () => {
    const { layer } = crowd([
      { lng: -75.5, lat: 39.7, speed: 12 },
      { lng: -75.5, lat: 39.7, speed: 14 },
    ]);
    layOutCrowd(layer, options);
    expect([...layer.offsets]).toEqual([0, 0, 0, 0]);
  });

  test("are counted beyond three hundred, and nobody is lost or hidden in distress", () => {
    for (let seed = 1; seed <= 6; seed++) {
      const r = random(seed);
      const { layer } = crowd(
        Array.from({ length: 1500 }, (_, i) => ({
          lng: -75.6 + r() * 0.1,
          lat: 39.7 + r() * 0.1,
          status: r() < (seed % 2 ? 0.1 : 0.6) ? "on_scene" : "available",
          distress: i % 500 === 0,
          speed: r() < 0.5 ? 10 : 0,
        })),
      );
      const clusters = layOutCrowd(layer, options);
      const counted = clusters.reduce((sum, c) => sum + Number(c.text.replace(/\D/g, "")), 0);
      const shown = drawn(layer).size;
      expect(counted + shown, `seed ${seed}`).toBe(1500);
      expect(shown).toBeLessThan(700);
      for (let i = 0; i < layer.count; i++) if (layer.tier[i] === tier.distress) expect(layer.hidden[i]).toBe(0);
    }
  });

  test("in a heap too large to lay out are counted, and those in distress stand beside the number", () => {
    const { layer } = crowd(
      Array.from({ length: 50 }, (_, i) => ({ lng: -75.5, lat: 39.7, status: "on_scene", distress: i < 3 })),
    );
    const clusters = layOutCrowd(layer, options);
    expect(clusters.map((c) => c.text)).toEqual(["47"]);
    const places = drawn(layer);
    expect([...places.keys()].sort()).toEqual([1, 2, 3]);
    expect(leastGap(places.values())).toBeGreaterThan(14);
  });

  test("that stand on the number of a cluster step out of its ring", () => {
    const near = 8 / options.pixelsPerUnit; // pixels of the page from the middle of the heap
    const { layer } = crowd([
      ...Array.from({ length: 40 }, () => ({ lng: -75.5, lat: 39.7 })),
      { lng: -75.5 + (near + 5 / options.pixelsPerUnit) * 360, lat: 39.7 },
      { lng: -75.5 + near * 360, lat: 39.7, speed: 12 },
      { lng: -75.5 + 40 * (near / 8) * 360, lat: 39.7 },
    ]);
    const [cluster] = layOutCrowd(layer, options);
    const places = drawn(layer);
    expect([...places.keys()].sort()).toEqual([41, 42, 43]);
    const far = (id: number) => Math.hypot(places.get(id)![0] - cluster!.x * options.pixelsPerUnit, places.get(id)![1] - cluster!.y * options.pixelsPerUnit);
    expect(far(41)).toBeCloseTo(23, 1);
    expect(far(42)).toBeCloseTo(8, 1); // drives past
    expect(far(43)).toBeCloseTo(40, 1);
  });

  test("numbers of clusters are in the digits of the language", () => {
    const { layer } = crowd(Array.from({ length: 40 }, () => ({ lng: -75.5, lat: 39.7 })));
    const texts = (language: Language) => layOutCrowd(layer, { ...options, language }).map((c) => c.text);
    expect(texts("fa")).toEqual(["۴۰"]);
    expect(texts("zh")).toEqual(["40"]);
  });

  test("move to the new fix, and no further", () => {
    const { world, layer } = crowd([{ lng: -75.5, lat: 39.7 }]);
    const from = layer.fixed(0);
    const move = [{ ...nowhere, id: 1, lng: -754_990_000, lat: 397_000_000, time: 1_001_000 }];
    const moved = decode(encode({ base: 1, seq: 2, time: 1_001_000, move }));
    const began = performance.now();
    world.apply(moved);
    const to = [mercatorX(-754_990_000), mercatorY(397_000_000)];
    const along = (ms: number) => (layer.shown(0, began + ms)[0] - from[0]) / (to[0]! - from[0]);
    expect(along(0)).toBeLessThan(0.1);
    expect(along(500)).toBeGreaterThan(0.3);
    expect(along(500)).toBeLessThan(0.7);
    expect(along(3000)).toBe(1);
    expect(along(600_000)).toBe(1);
    expect([...layer.fixed(0)]).toEqual(to);
  });

  test("are set, not moved, when they come from far away", () => {
    const { world, layer } = crowd([{ lng: -75.5, lat: 39.7 }]);
    const move = [{ ...nowhere, id: 1, lng: -744_990_000, lat: 397_000_000, time: 1_001_000 }];
    world.apply(decode(encode({ base: 1, seq: 2, time: 1_001_000, move })));
    expect(layer.shown(0)[0]).toBe(mercatorX(-744_990_000));
  });
});

describe("slow layers", () => {
  const world = new World();
  const head = { world: "live", epoch: "e" };
  const at = (lng: number) => ({ ...nowhere, lng, lat: 397_000_000, time: 1 });
  const feature = (id: number, key: string, kind: string, props: object): TestFeature => ({
    ...{ id, key, kind, rev: 1, props: JSON.stringify(props), fix: at(-755_000_000 + id) },
  });
  world.apply(
    decode(
      encode(
        teller()({
          ...{ ...head, base: 0, seq: 1 },
          put: [
            feature(1, "I1", "incident", { type: "fire", priority: "1", status: "open", assigned: ["E7", "E8", "gone"] }),
            feature(2, "I2", "incident", { type: "fire", priority: "4", status: "closed", assigned: ["E7"] }),
            feature(3, "I3", "incident", { type: "assault", priority: "4", status: "open", name: "Here" }),
            feature(4, "E7", "unit", { status: "on_scene" }),
            feature(5, "E8", "unit", { status: "on_scene" }),
            feature(6, "H1", "hazard", { active: false }),
            feature(7, "H2", "hazard", { name: "Smoke" }),
          ],
        }),
      ),
    ),
  );
  const slow = { world, preset, language: "zh" as const, selected: "", sensitive: "shown" as const };
  const texts = (c: GeoJSON.FeatureCollection) => c.features.map((f) => f.properties?.["text"] as string);

  test("name incidents, else their type, and leave out those that are over", () => {
    expect(texts(operations.incidents(slow))).toEqual(["火", "Here"]);
  });

  test("hide or dim what is sensitive, and never say its name then", () => {
    expect(texts(operations.incidents({ ...slow, sensitive: "hidden" }))).toEqual(["火"]);
    expect(texts(operations.incidents({ ...slow, sensitive: "dimmed" }))).toEqual(["火", ""]);
  });

  test("leave out hazards that are over", () => {
    expect(texts(operations.hazardLabels(slow))).toEqual(["Smoke"]);
  });

  test("draw a line for each assignment, and ghosts for those being chosen", () => {
    const lines = operations.assignments(slow, { incident: "I3", units: ["E8"] });
    expect(lines.map((l) => [l.unit, l.preview])).toEqual([
      [4, false],
      [5, false],
      [5, true],
    ]);
  });

  test("draw a circle of the right size", () => {
    const shape = operations.circle([-75.5, 39.7], 100) as GeoJSON.Polygon;
    for (const [lng = 0, lat = 0] of shape.coordinates[0]!) {
      const dy = (lat - 39.7) * 111_195;
      const dx = (lng + 75.5) * 111_195 * Math.cos((39.7 * Math.PI) / 180);
      expect(Math.hypot(dx, dy)).toBeCloseTo(100, 0);
    }
  });
});

describe("three hundred incidents", () => {
  const pixel = 1 / 1000; // mercator
  const sign = (id: number, x: number, more: Partial<Sign> = {}): Sign => ({ id, x: x * pixel, y: 0, size: 40, rank: 1, keep: false, ...more });

  test("the worst of a place stands for the others, with their number", () => {
    const folded = foldSigns([sign(1, 0), sign(2, 10, { rank: 4 }), sign(3, 20), sign(4, 200)], 1000, 1);
    expect([...folded].sort()).toEqual([[2, 2], [4, 0]]);
  });
  test("what is selected or new is drawn, wherever it is", () => {
    const folded = foldSigns([sign(1, 0, { rank: 4 }), sign(2, 1, { keep: true }), sign(3, 2, { keep: true })], 1000, 1);
    expect(folded.has(2) && folded.has(3)).toBe(true);
  });
  test("nobody is lost, at any zoom and scale, and signs that are drawn can be told apart", () => {
    const r = random(5);
    const signs = Array.from({ length: 300 }, (_, i) => sign(i + 1, r() * 600, { y: r() * 400 * pixel, rank: 1 + Math.floor(r() * 4), size: 26 + Math.floor(r() * 18) }));
    for (const pixels of [200, 1000, 20_000]) {
      for (const scale of [1, 2.6]) {
        const folded = foldSigns(signs, pixels, scale);
        expect(folded.size + [...folded.values()].reduce((n, more) => n + more, 0)).toBe(300);
        const drawn = signs.filter((s) => folded.has(s.id));
        for (const a of drawn) {
          for (const b of drawn) {
            if (a.id < b.id) expect((Math.hypot(a.x - b.x, a.y - b.y) * pixels) / scale).toBeGreaterThanOrEqual((a.size + b.size) / 2 - 1e-6);
          }
        }
      }
    }
    expect(foldSigns(signs, 20_000_000, 1).size).toBe(300);
  });
});
