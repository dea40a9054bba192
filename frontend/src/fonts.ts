import interLatin from "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2?url";
import interLatinExt from "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2?url";
import vazirmatn from "@fontsource-variable/vazirmatn/files/vazirmatn-arabic-wght-normal.woff2?url";
import type { Language } from "./preset";

/** A font file of the map's style that covers some characters. See `font-faces` of the MapLibre style specification. */
export type MapFontFaces = Readonly<Record<string, readonly Readonly<{ url: string; "unicode-range": string[] }>[]>>;

const latin = "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+2000-200B,U+2010-206F,U+20AC,U+2122,U+2190-2193,U+2212,U+2215,U+FEFF,U+FFFD";
const latinExt = "U+0100-0130,U+0132-0151,U+0154-02BA,U+02BD-02C5,U+02C7-02CC,U+02CE-02D7,U+02DD-02FF,U+1E00-1EFF,U+20A0-20AB,U+20AD-20C0";
const arabic = "U+0600-06FF,U+0750-077F,U+0870-088E,U+0890-08E1,U+08E3-08FF,U+200C-200E,U+FB50-FDFF,U+FE70-FEFC";

/**
 * The families: "Rasad" is for text of panels; the map picks the weight from the name of a family. Zero width joiners
 * belong to Vazirmatn, or Persian words fall apart.
 */
const families = ["Rasad", "Rasad Medium", "Rasad Bold"];

/** Names for `text-font` of the map's layers. */
export const mapFont = { medium: ["Rasad Medium", "Rasad Ext", "Rasad SC"], bold: ["Rasad Bold", "Rasad Ext", "Rasad SC"] } as const;

/** What the map's style declares in every language: letters with marks, which are fetched when a name has one. */
export const baseFaces: MapFontFaces = {
  "Rasad Ext": [{ url: interLatinExt, "unicode-range": latinExt.split(",") }],
};

let latinLoaded: Promise<unknown> | undefined;
let chineseLoaded: Promise<MapFontFaces> | undefined;

/**
 * Loads the fonts of a language and resolves when the map may be made: glyphs are drawn once, from whatever font is
 * there at that moment. A font that cannot be loaded leaves the system's in its place. Persian is always loaded, since
 * names in it stand on every map. Returns the font files that the map's style has to declare.
 */
export async function loadFonts(language: Language): Promise<MapFontFaces> {
  if (!latinLoaded) {
    declare("Rasad", interLatinExt, latinExt);
    const faces = families.flatMap((family) => [declare(family, interLatin, latin), declare(family, vazirmatn, arabic)]);
    latinLoaded = Promise.allSettled(faces.map((face) => face.load()));
  }
  await latinLoaded;
  if (language !== "zh") return baseFaces;
  chineseLoaded ??= import("./chinese/letters").then((zh) => ({ ...baseFaces, ...zh.loadChinese() }));
  return chineseLoaded;
}

function declare(family: string, url: string, unicodeRange: string): FontFace {
  const face = new FontFace(family, `url(${url})`, { weight: "100 900", unicodeRange, display: "swap" });
  document.fonts.add(face);
  return face;
}
