/** Noto Sans SC comes in a hundred files by characters: each is fetched when one of its characters is drawn. */
import ranges from "@fontsource-variable/noto-sans-sc/unicode.json";
import type { MapFontFaces } from "./fonts";

const files = import.meta.glob<string>("../../node_modules/@fontsource-variable/noto-sans-sc/files/*-wght-normal.woff2", {
  query: "?url",
  import: "default",
  eager: true,
});

/** Declares the font for panels (family "Rasad") and returns what the map's style has to declare. */
export function loadChinese(): MapFontFaces {
  const faces: { url: string; "unicode-range": string[] }[] = [];
  for (const [name, range] of Object.entries(ranges as Record<string, string>)) {
    const slice = /^\[(\d+)\]$/.exec(name)?.[1];
    if (!slice) continue; // Latin and the like come from Inter
    const url = Object.entries(files).find(([file]) => file.endsWith(`-sc-${slice}-wght-normal.woff2`))?.[1];
    if (!url) continue;
    document.fonts.add(new FontFace("Rasad", `url(${url})`, { weight: "100 900", unicodeRange: range, display: "swap" }));
    faces.push({ url: new URL(url, location.href).href, "unicode-range": range.split(",") });
  }
  return { "Rasad SC": faces };
}
