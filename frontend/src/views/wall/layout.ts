import type { Language } from "../../preset";
import { flag, list, number, text, type Feature, type LngLat } from "../../world/feature";
import type { Bounds, LayerSwitches } from "../../map/map";

/** The panels that this version can draw; a layout may name others, of later versions. */
export const panels = ["situation", "response", "counters", "worst", "figures", "decisions", "coverage", "voids", "trends", "shelters", "hazards", "alarms", "ticker", "cameras", "legend"] as const;
export type PanelName = (typeof panels)[number];

/** Those of them that are lists beside the map, in the order in which they stand there: on a wall that asks for them. */
export const lists = ["alarms", "voids", "hazards", "shelters"] as const;
export type ListName = (typeof lists)[number];

/** What a wall shows, as a console gave it. */
export type WallLayout = Readonly<{
  /** Name of the layout; "" when none applies to this display. */
  name: string;
  /** Null: the open incidents, as they are. */
  area: Readonly<{ bounds: Bounds }> | Readonly<{ center: LngLat; zoom: number }> | null;
  panels: ReadonlySet<string>;
  layers: Partial<LayerSwitches>;
  /** Whether the gaps of the coverage lie on the map. */
  coverage: boolean;
  textScale: number;
  language: Language | null;
  theme: "night" | "day" | "auto" | null;
  /** Seconds at each place; 0: no tour. */
  tourS: number;
  /** This display is a part of a wall of several, counted from 0. */
  part: Readonly<{ col: number; row: number; cols: number; rows: number }>;
  /** Sensitive things are not shown. */
  visitor: boolean;
  /** Keys of sites whose cameras are shown. */
  cameras: readonly string[];
  /** Minutes of the city's day between which the display is darker, and by how much. */
  dim: Readonly<{ from: number; to: number; level: number }> | null;
}>;

/** What a display shows for which nobody made a layout. */
export const usual: WallLayout = {
  ...{ name: "", area: null, panels: new Set<string>(panels.filter((name) => !(lists as readonly string[]).includes(name))), layers: { sites: true }, coverage: true, textScale: 1, language: null, theme: null },
  ...{ tourS: 0, part: { col: 0, row: 0, cols: 1, rows: 1 }, visitor: false, cameras: [], dim: null },
};

type Loose = Readonly<Record<string, unknown>>;
const loose = (value: unknown): Loose => (typeof value === "object" && value !== null ? (value as Loose) : {});
const numbers = (value: unknown): readonly number[] => (Array.isArray(value) ? value.filter((v) => typeof v === "number") : []);
const amount = (value: unknown, usually: number): number => (typeof value === "number" && Number.isFinite(value) ? value : usually);

/** The layout of a display: the one that names it; null when none does. */
export function layoutOf(layouts: readonly Feature[], device: string): Feature | null {
  return (device && layouts.find((layout) => list(layout, "devices").includes(device))) || null;
}

/** Reads a layout. What is missing or makes no sense is as usual: a wall shows something in any case. */
export function readLayout(feature: Feature | null): WallLayout {
  if (!feature) return usual;
  const area = loose(feature.props["area"]);
  const [west, south, east, north] = numbers(area["bbox"]);
  const [lng, lat] = numbers(area["center"]);
  const layers = list(feature, "layers");
  const tour = loose(feature.props["tour"]);
  const part = loose(feature.props["part"]);
  const dim = loose(feature.props["dim"]);
  const cols = Math.max(1, amount(part["cols"], 1));
  const rows = Math.max(1, amount(part["rows"], 1));
  const [from, to] = [minuteOf(dim["from"]), minuteOf(dim["to"])];
  const named = list(feature, "panels");
  const theme = text(feature, "theme");
  const language = text(feature, "language");
  return {
    name: text(feature, "name"),
    area:
      west !== undefined && south !== undefined && east !== undefined && north !== undefined
        ? { bounds: [west, south, east, north] }
        : lng !== undefined && lat !== undefined
          ? { center: [lng, lat], zoom: amount(area["zoom"], 12) }
          : null,
    // No panels is a map alone; the state of the picture is no panel and stands on every screen.
    panels: new Set(named),
    layers: Object.fromEntries((["units", "incidents", "hazards", "shelters", "sites", "assignments", "labels"] as const).map((name) => [name, layers.includes(name)])),
    coverage: layers.includes("coverage"),
    textScale: Math.min(4, Math.max(0.5, amount(number(feature, "text_scale"), 1))),
    language: language === "fa" || language === "zh" || language === "en" ? language : null,
    theme: theme === "night" || theme === "day" || theme === "auto" ? theme : null,
    tourS: tour["on"] === true ? Math.max(5, amount(tour["dwell_s"], 20)) : 0,
    part: { cols, rows, col: Math.min(cols - 1, Math.max(0, amount(part["col"], 0))), row: Math.min(rows - 1, Math.max(0, amount(part["row"], 0))) },
    visitor: flag(feature, "visitor"),
    cameras: list(feature, "cameras"),
    dim: from !== null && to !== null ? { from, to, level: Math.min(1, Math.max(0.1, amount(dim["level"], 0.6))) } : null,
  };
}

/** "23:30" as minutes of the day; null for anything else. */
export function minuteOf(value: unknown): number | null {
  const [, hours, minutes] = (typeof value === "string" && /^([01]\d|2[0-3]):([0-5]\d)$/.exec(value)) || [];
  return hours === undefined ? null : Number(hours) * 60 + Number(minutes);
}

/** Whether a minute of the day lies between two others; over midnight when the first is the later one. */
export function between(minute: number, from: number, to: number): boolean {
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}
