import { describe, expect, test } from "vitest";
import { chooseLanguage, chooseTheme, wallScale, wallSize } from "./choices";

describe("the language to begin with", () => {
  test.each<[string, string | null, string | null, string[], string, boolean]>([
    ["the address wins", "zh", "fa", ["en-GB"], "zh", false],
    ["then what was remembered", null, "fa", ["en-GB"], "fa", false],
    ["then the browser's first that we speak", null, null, ["de-DE", "zh-Hans-CN", "en"], "zh", false],
    ["a language that we do not speak is passed over", "de", "xx", ["fa-IR"], "fa", false],
    ["nobody said anything", null, null, ["de"], "en", true],
    ["a longer tag in the address", "fa-IR", null, [], "fa", false],
  ])("%s", (_, asked, remembered, browser, language, guess) =>
    expect(chooseLanguage(asked, remembered, browser)).toEqual({ language, guess }),
  );
});

test("the theme to begin with", () => {
  expect(chooseTheme("day", "night", "night")).toBe("day");
  expect(chooseTheme(null, "day", "night")).toBe("day");
  expect(chooseTheme("dusk", null, "night")).toBe("night");
});

describe("the scale of a wall", () => {
  /** Minutes of arc of the cap height of the smallest text. */
  const arc = (k: number, widthPx: number, widthMm: number, distanceM: number) =>
    (Math.atan((k * 15 * 0.727 * widthMm) / widthPx / (distanceM * 1000)) * 180 * 60) / Math.PI;

  test.each([
    [3840, 2160, 5000, 8],
    [1920, 1080, 1400, 4],
    [7680, 2160, 12_000, 10],
    [3840, 1080, 6000, 6],
  ])("%d × %d px, %d mm wide, read from %d m: the smallest text has 16 minutes of arc", (w, h, widthMm, distanceM) => {
    expect(arc(wallScale(w, h, { widthMm, distanceM }), w, widthMm, distanceM)).toBeCloseTo(16, 1);
  });

  test("without a size, 4K is twice 1080p", () => {
    const k = wallScale(1920, 1080, null);
    expect(wallScale(3840, 2160, null)).toBeCloseTo(2 * k, 5);
    expect(k).toBeGreaterThan(1.2);
    expect(k).toBeLessThan(1.4);
  });

  test.each([
    ["ultra wide", 5120, 1440],
    ["portrait", 1080, 1920],
    ["a phone", 390, 844],
  ])("without a size the panels fit: %s", (_, w, h) => {
    const k = wallScale(w, h, null);
    expect(h / k).toBeGreaterThanOrEqual(800);
    expect(w / k).toBeGreaterThanOrEqual(390 / 0.6 - 1);
  });

  test("nonsense is no size", () => {
    expect(wallSize(new URLSearchParams("width_mm=5200&distance_m=8"))).toEqual({ widthMm: 5200, distanceM: 8 });
    for (const q of ["", "width_mm=5200", "width_mm=-1&distance_m=8", "width_mm=a&distance_m=8", "width_mm=5000&distance_m=1e9"])
      expect(wallSize(new URLSearchParams(q))).toBeNull();
  });
});
