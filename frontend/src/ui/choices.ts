import type { Language, Theme } from "../preset";
import { languages } from "./format";

/** The language to begin with: of the address, remembered, or the first of the browser's that we speak. */
export function chooseLanguage(
  asked: string | null,
  remembered: string | null,
  browser: readonly string[],
): Readonly<{ language: Language; /** Nobody asked for it. */ guess: boolean }> {
  for (const wish of [asked, remembered, ...browser]) {
    const language = languages.find((l) => wish?.toLowerCase().split("-")[0] === l);
    if (language) return { language, guess: false };
  }
  return { language: "en", guess: true };
}

/** The theme to begin with: of the address, remembered, or what the view has by itself. */
export function chooseTheme(asked: string | null, remembered: string | null, usual: Theme): Theme {
  for (const wish of [asked, remembered]) if (wish === "night" || wish === "day") return wish;
  return usual;
}

/** Cap height of Inter over its font size. */
const capHeight = 0.727;
/** `--text-body` at scale 1, the smallest text on a wall, in px. */
const bodyPx = 15;
/** Cap height that a reader at the farthest seat needs (NUREG-0700). */
const arcMinutes = 16;
/** A 5 m wall read from 8 m: what a wall is when nobody said otherwise. */
const usualDistanceOverWidth = 8 / 5;
/** The panels need this much of a wall, in px at scale 1. */
const leastHeightPx = 820;
const leastWidthPx = 640;

/** How large a wall is, and from where it is read. */
export type WallSize = Readonly<{ widthMm: number; distanceM: number }>;

/**
 * The one factor by which everything on a wall is larger than at arm's length: text at the farthest seat has a cap
 * height of at least 16 minutes of arc. Without a size the wall counts as 5 m wide, read from 8 m, as far as the panels
 * still fit. A size that was given is obeyed: legible text comes before everything fitting.
 */
export function wallScale(widthPx: number, heightPx: number, size: WallSize | null): number {
  const angle = Math.tan(((arcMinutes / 60) * Math.PI) / 180);
  const least = capHeight * bodyPx;
  if (size && size.widthMm > 0 && size.distanceM > 0) {
    const capMm = angle * size.distanceM * 1000;
    return clamp((capMm * widthPx) / size.widthMm / least, 0.6, 8);
  }
  const wanted = (angle * usualDistanceOverWidth * Math.max(widthPx, heightPx)) / least;
  return clamp(Math.min(wanted, heightPx / leastHeightPx, widthPx / leastWidthPx), 0.6, 8);
}

/** The size in an address such as `?width_mm=5200&distance_m=8`; null when it is not given or makes no sense. */
export function wallSize(query: URLSearchParams): WallSize | null {
  const widthMm = Number(query.get("width_mm"));
  const distanceM = Number(query.get("distance_m"));
  const sane = widthMm >= 100 && widthMm <= 100_000 && distanceM >= 0.3 && distanceM <= 200;
  return sane ? { widthMm, distanceM } : null;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
