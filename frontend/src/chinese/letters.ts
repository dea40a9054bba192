/**
 * Noto Sans SC comes in a hundred files by characters: each is fetched when one of its characters is drawn. What the screens
 * themselves are written with comes in small files of its own.
 */
import slices from "virtual:chinese-slices";
import type { MapFontFaces } from "../fonts";

const files = import.meta.glob<string>("../../../node_modules/@fontsource-variable/noto-sans-sc/files/*-wght-normal.woff2", {
  query: "?url",
  import: "default",
  eager: true,
});

/** Declares the font for panels (family "Rasad") and returns what the map's style has to declare. */
export function loadChinese(): MapFontFaces {
  const urls = new Map(Object.entries(files).map(([path, url]) => [path.slice(path.lastIndexOf("/") + 1), url]));
  const faces: { url: string; "unicode-range": string[] }[] = [];
  const declare = (url: string | undefined, range: string) => {
    if (!url || !range) return;
    document.fonts.add(new FontFace("Rasad", `url(${url})`, { weight: "100 900", unicodeRange: range, display: "swap" }));
    faces.push({ url, "unicode-range": range.split(",") });
  };
  for (const { file, range, own } of slices) {
    declare(urls.get(file), range);
    for (const small of own) declare(small.url, small.range);
  }
  return { "Rasad SC": faces };
}
