/** What an embed shows, as its address says: what the builder writes, what the server has read, what the script goes by. */
import type { Language } from "../../preset";
import { kinds, type Box, type PublicKind } from "./public";

/** The groups of layers that an address can name. */
export const layers = ["incidents", "hazards", "shelters", "sites"] as const;
export type Layer = (typeof layers)[number];
/** How tall the map is. */
export const sizes = ["compact", "normal", "tall"] as const;
export type Size = (typeof sizes)[number];
export const themes = ["auto", "day", "night"] as const;
export type EmbedTheme = (typeof themes)[number];
/** The longest map approval number (审图号). */
export const approvalMost = 40;
export const textMost = 1.6;

/** The kinds of the layers. */
export const kindsOf = (named: readonly Layer[]): ReadonlySet<PublicKind> => new Set(kinds.filter((kind) => named.includes(`${kind}s`)));

/** What an address can say. Null, empty or all: what the installation has. */
export type Options = Readonly<{
  lang: Language | null;
  area: Box | null;
  layers: readonly Layer[];
  theme: EmbedTheme;
  size: Size;
  /** A factor of the text's size, 1 to 1.6. */
  text: number;
  list: boolean;
  approval: string;
  world: string;
}>;

/** An embed that says nothing. */
export const plain: Options = { lang: null, area: null, layers, theme: "auto", size: "normal", text: 1, list: true, approval: "", world: "" };

/** The address of an embed: only what differs from the plain one. */
export function addressOf(o: Options): string {
  const q = new URLSearchParams();
  if (o.lang) q.set("lang", o.lang);
  if (o.area) q.set("area", o.area.map((n) => n.toFixed(4).replace(/\.?0+$/, "")).join());
  if (o.layers.length < layers.length) q.set("layers", o.layers.join());
  if (o.theme !== "auto") q.set("theme", o.theme);
  if (o.size !== "normal") q.set("size", o.size);
  if (o.text !== 1) q.set("text", String(o.text));
  if (!o.list) q.set("list", "0");
  if (o.approval) q.set("approval", o.approval.slice(0, approvalMost));
  if (o.world) q.set("world", o.world);
  const query = q.toString().replaceAll("%2C", ",");
  return `/embed${query && "?"}${query}`;
}

/** Reads an address. What it does not know, or is out of bounds, is as if it did not stand there. */
export function readOptions(search: string): Options {
  const q = new URLSearchParams(search);
  const one = <T extends string>(name: string, of: readonly T[]): T | undefined => of.find((value) => value === q.get(name));
  const named = (q.get("layers") ?? "").split(",");
  const known = layers.filter((layer) => named.includes(layer));
  const text = Number(q.get("text") ?? 1);
  const approval = q.get("approval") ?? "";
  return {
    lang: one<Language>("lang", ["fa", "zh", "en"]) ?? null,
    area: areaIn(q.get("area") ?? ""),
    layers: known.length > 0 ? known : layers,
    theme: one("theme", themes) ?? "auto",
    size: one("size", sizes) ?? "normal",
    text: text >= 1 && text <= textMost ? text : 1,
    list: q.get("list") !== "0",
    approval: Array.from(approval).length <= approvalMost ? approval : "",
    world: q.get("world") ?? "",
  };
}

/** An area by two of its corners, in steps of 1e-4 degree, as the server reads it: both must find the same things in it. */
function areaIn(text: string): Box | null {
  const parts = text.split(",");
  const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = parts.map((part) => (part.trim() ? Math.round(Number(part) * 1e4) / 1e4 : NaN));
  const box: Box = [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
  const sides = [box[2] - box[0], box[3] - box[1]];
  const fits = box[0] >= -180 && box[2] <= 180 && box[1] >= -85 && box[3] <= 85 && sides.every((side) => side > 0.00095 && side < 10.00005);
  return parts.length === 4 && fits ? box : null;
}

/** What the server has written into the opening tag of the page. */
export type Page = Readonly<{
  language: Language;
  /** IANA name of the city's time zone. */
  zone: string;
  /** The city in the language of the page; "" without one. */
  city: string;
  /** What the page shows at first; null: not known. */
  box: Box | null;
  /** What the city's map covers; null: not known. */
  cover: Box | null;
  credit: string;
  approval: string;
  /** There are tiles of the ground. */
  ground: boolean;
  /** Not the usual world of the installation; "" otherwise. */
  world: string;
}>;

/** Reads the opening tag. */
export function readPage(html: Readonly<{ lang: string; dataset: Readonly<Record<string, string | undefined>> }>): Page {
  const d = html.dataset;
  const box = (name: string): Box | null => {
    const [west = NaN, south = NaN, east = NaN, north = NaN] = (d[name] ?? "").split(",").map(Number);
    return west < east && south < north ? [west, south, east, north] : null;
  };
  return {
    language: html.lang === "fa" || html.lang === "zh" ? html.lang : "en",
    zone: d["zone"] || "UTC",
    city: d["city"] ?? "",
    box: box("bbox"),
    cover: box("cover"),
    credit: d["credit"] || "© OpenStreetMap contributors",
    approval: d["approval"] ?? "",
    ground: box("cover") !== null || d["credit"] !== undefined,
    world: d["world"] ?? "",
  };
}
