import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { wallScale } from "../src/ui/choices";
import { contrast, deltaE, difference, type Lab, type Vision } from "./colour";

/** The real tokens, as the screens load them. */
const css = readFileSync(new URL("../src/tokens.css", import.meta.url), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");

/** What the rules with a selector set, by name without dashes. */
function rules(fits: (selector: string) => boolean): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, selector = "", body = ""] of css.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
    if (!selector.split(",").some((s) => fits(s.trim()))) continue;
    for (const [, token = "", value = ""] of body.matchAll(/--([\w-]+):\s*([^;]+);/g)) found.set(token, value.trim());
  }
  return found;
}

const themes = { night: rules((s) => s === ':root[data-theme="night"]'), day: rules((s) => s === ':root[data-theme="day"]') } as const;
const visions: readonly Vision[] = ["normal", "deutan", "protan", "tritan"];
const of = (theme: keyof typeof themes, token: string): string => {
  const value = themes[theme].get(token);
  if (!value) throw new Error(`no token ${token} by ${theme}`);
  return value;
};

test("the measure is CIEDE2000: pairs of Sharma, Wu and Dalal (2005)", () => {
  const pairs: readonly (readonly [Lab, Lab, number])[] = [
    [[50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425],
    [[50, -1.3802, -84.2814], [50, 0, -82.7485], 1.0],
    [[50, 2.5, 0], [61, -5, 29], 22.8977],
    [[50, 2.5, 0], [56, -27, -3], 31.903],
    [[60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644],
    [[22.7233, 20.0904, -46.694], [23.0331, 14.973, -42.5619], 2.0373],
    [[90.8027, -2.0831, 1.441], [91.1528, -1.6435, 0.0447], 1.4441],
    [[2.0776, 0.0795, -1.135], [0.9033, -0.0636, -0.5514], 0.9082],
  ];
  for (const [a, b, want] of pairs) expect(deltaE(a, b)).toBeCloseTo(want, 3);
  expect(contrast("#ffffff", "#000000")).toBeCloseTo(21, 5);
  expect(difference("#ff0000", "#00a000", "deutan")).toBeLessThan(difference("#ff0000", "#00a000", "normal") / 2);
});

test("both themes have the same tokens", () => {
  const all = rules((s) => s === ":root");
  for (const token of themes.night.keys()) expect(themes.day.has(token) || !/^#/.test(all.get(token) ?? ""), token).toBe(true);
  for (const token of themes.day.keys()) expect(themes.night.has(token), token).toBe(true);
});

describe.each(["night", "day"] as const)("by %s", (theme) => {
  const on = (token: string, ground: string) => contrast(of(theme, token), of(theme, ground));

  test("body text stands at 14.7:1 on the ground and on panels", () => {
    for (const ground of ["ground", "surface"]) expect(on("text", ground), ground).toBeGreaterThanOrEqual(14.7);
    for (const ground of ["surface-raised", "surface-sunken"]) expect(on("text", ground), ground).toBeGreaterThanOrEqual(12);
  });

  test("text that stands back and text of a state is readable on every panel (WCAG AA, 4.5:1)", () => {
    const words = ["text-muted", "accent", "act-now", "attention", "state-live", "state-partial", "state-delayed", "state-not-live", "state-replay", "state-simulated", "state-exercise"];
    for (const token of words) for (const ground of ["surface", "surface-raised"]) expect(on(token, ground), `${token} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    expect(on("text-faint", "surface")).toBeGreaterThanOrEqual(4.5);
    // A state that stands as a block.
    for (const token of words.filter((w) => w.startsWith("state-"))) expect(on(token, "text-inverse"), token).toBeGreaterThanOrEqual(4.5);
    expect(on("accent-ink", "accent")).toBeGreaterThanOrEqual(4.5);
  });

  test("symbols are seen on the map and on panels (WCAG 1.4.11, 3:1)", () => {
    const marks = [...themes[theme].keys()].filter((t) => /^(status|shelter)-/.test(t)).concat("hazard", "route", "assignment", "selection", "label");
    for (const token of marks) for (const ground of ["map-ground", "surface"]) expect(on(token, ground), `${token} on ${ground}`).toBeGreaterThanOrEqual(3);
    expect(on("focus", "surface")).toBeGreaterThanOrEqual(3);
  });

  const statuses = [...themes[theme].keys()].filter((t) => t.startsWith("status-") && t !== "status-unknown");
  // Shapes tell statuses apart as well; colours alone should too, to everybody.
  const least = { night: { normal: 18, deutan: 12, protan: 12, tritan: 12 }, day: { normal: 18, deutan: 10, protan: 12, tritan: 11 } }[theme];
  test.each(visions)("no two statuses look alike to a reader whose sight is %s", (vision) => {
    expect(statuses.length).toBe(8);
    statuses.forEach((a, i) => {
      for (const b of statuses.slice(i + 1)) {
        expect(difference(of(theme, a), of(theme, b), vision), `${a} and ${b}`).toBeGreaterThanOrEqual(least[vision]);
      }
    });
  });

  test("red for \"act now\" is nothing else", () => {
    for (const vision of visions.slice(0, 1)) {
      for (const other of ["attention", "accent", "state-live", "state-partial", "state-replay", "state-simulated", "status-on-scene", "status-responding"]) {
        expect(difference(of(theme, "act-now"), of(theme, other), vision), other).toBeGreaterThanOrEqual(20);
      }
    }
  });

  test("the ground is quiet, and water is told from land", () => {
    expect(on("map-water", "map-ground")).toBeGreaterThanOrEqual(1.4);
    expect(on("map-sea", "map-ground")).toBeGreaterThanOrEqual(1.4);
    // No road is as loud as the dimmest status.
    const loudest = Math.max(...["motorway", "trunk", "primary", "street"].map((road) => on(`map-${road}`, "map-ground")));
    expect(loudest).toBeLessThan(Math.min(...statuses.map((s) => on(s, "map-ground"))));
  });
});

describe("text", () => {
  const root = rules((s) => s === ":root");
  const wall = rules((s) => s === ':root[data-view="wall"]');
  /** The size of a text token in px at scale 1, for Latin. */
  const px = (token: string, over: ReadonlyMap<string, string> = new Map()): number => {
    const value = over.get(token) ?? root.get(token) ?? "";
    const alias = /^var\(--([\w-]+)\)$/.exec(value)?.[1];
    if (alias) return px(alias, over);
    const rem = /^calc\(([\d.]+)rem \* var\(--k\) \* var\(--type\)\)$/.exec(value)?.[1];
    if (!rem) throw new Error(`cannot read --${token}: ${value}`);
    return Number(rem) * 16;
  };
  /** Minutes of arc that a capital letter of Inter fills. */
  const minutes = (sizePx: number, widthPx: number, widthMm: number, distanceM: number) =>
    (Math.atan((sizePx * 0.727 * widthMm) / widthPx / (distanceM * 1000)) * 180 * 60) / Math.PI;

  test.each([
    ["a 4K wall, 5.2 m, read from 8 m", 3840, 2160, 5200, 8],
    ["a wall of 32:9, 7.2 m, read from 10 m", 3840, 1080, 7200, 10],
    ["a television, 1.4 m, read from 3 m", 1920, 1080, 1400, 3],
  ])("on %s the smallest text has 16 minutes of arc, the primary figures 22", (_, width, height, widthMm, distanceM) => {
    const k = wallScale(width, height, { widthMm, distanceM });
    const sizes = ["text-small", "text-body", "text-large", "text-title", "text-figure", "text-state"].map((t) => px(t, wall));
    for (const size of sizes) expect(minutes(size * k, width, widthMm, distanceM)).toBeGreaterThanOrEqual(15.99);
    for (const token of ["text-figure", "text-state", "text-title"]) {
      expect(minutes(px(token, wall) * k, width, widthMm, distanceM), token).toBeGreaterThanOrEqual(token === "text-title" ? 22 : 30);
    }
  });

  test("the state of the picture is the largest text, and sizes are a scale", () => {
    const sizes = ["text-small", "text-body", "text-large", "text-title", "text-figure", "text-state"].map((t) => px(t));
    expect([...sizes].sort((a, b) => a - b)).toEqual(sizes);
    expect(new Set(sizes).size).toBe(sizes.length);
  });

  test("Persian is 10 to 15 percent larger", () => {
    const type = Number(rules((s) => s === ':root[lang="fa"]').get("type"));
    expect(type).toBeGreaterThanOrEqual(1.1);
    expect(type).toBeLessThanOrEqual(1.15);
  });

  test("who wants no motion has none", () => {
    const still = /@media \(prefers-reduced-motion: reduce\) \{\s*:root \{([^}]*)\}/.exec(css)?.[1] ?? "";
    expect(still).toMatch(/--motion: 0ms/);
    expect(still).toMatch(/--attend: 0s/);
  });
});
