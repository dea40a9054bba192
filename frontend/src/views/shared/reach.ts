import type { NearUnit, Route, WhatIf } from "../../commands/reach";
import { closureOf } from "../../map/operations";
import type { HazardType, Language } from "../../preset";
import { spark, type Spark } from "../../ui/spark";
import { time, type Feature } from "../../world/feature";
import type { Change, World } from "../../world/world";

/** The holes are drawn anew at most this often: a layer that flickers is not read. */
export const tilesEveryMs = 2000;

/** What of a frame can change an answer about roads, units and coverage. */
export type Stir = Readonly<{
  /** A hazard came, changed or went: roads may be closed that were open. */
  roads: boolean;
  /** A unit came, changed or went: it may be free now, or not any more. */
  fleet: boolean;
  /** One of the watched units moved. */
  moved: boolean;
  /** The record has another figure of the coverage, or a zone became or ceased to be void. */
  cover: boolean;
}>;

/** Says what of a frame matters. `watched` are keys of units whose moves count. */
export function stirOf(change: Change, world: World, watched: ReadonlySet<string>): Stir {
  if (change.keyframe) return { roads: true, fleet: true, moved: true, cover: true };
  let roads = false;
  let fleet = false;
  let cover = false;
  for (const features of [change.put, change.drop]) {
    for (const { kind } of features) {
      roads ||= kind === "hazard";
      fleet ||= kind === "unit";
      cover ||= kind === "coverage" || kind === "void";
    }
  }
  let moved = false;
  for (let i = 0; i < change.movedCount && watched.size > 0 && !moved; i++) {
    const feature = world.byId(world.rows.id[change.moved[i]!]!);
    moved = feature !== undefined && watched.has(feature.key);
  }
  return { roads, fleet, moved, cover };
}

/** How a row was ranked: over the road, in a straight line, or by air or water, which have no roads. */
export function basisOf({ by, reasons }: Pick<NearUnit, "by" | "reasons">): "road" | "line" | "air" | "water" {
  if (by === "road") return "road";
  return reasons.includes("air") ? "air" : reasons.includes("water") ? "water" : "line";
}

/** What sending a unit costs the city in one capability. */
export type Cost = Readonly<{ capability: string; seconds: number; /** Percentage points, positive. */ points: number; /** The share that is left. */ after: number }>;

/** Less than this many points is the noise of units that move. */
const leastPoints = 0.05;

/** What sending costs, the worst first; empty when the city loses nothing that could be said. */
export function costsOf(answer: Pick<WhatIf, "by_capability">): readonly Cost[] {
  return answer.by_capability
    .map(({ capability, seconds, before, after }) => {
      const points = 100 * (before.covered_share - after.covered_share);
      return { capability, seconds, points, after: after.covered_share };
    })
    .filter(({ points }) => points >= leastPoints)
    .sort((a, b) => b.points - a.points);
}

/** The first named streets of a way, each once: what a crew is told over the radio. */
export function streetsOf(route: Pick<Route, "properties">, most: number): readonly string[] {
  const names: string[] = [];
  for (const { name } of route.properties.steps) {
    if (name && names.at(-1) !== name) names.push(name);
    if (names.length === most) break;
  }
  return names;
}

/** One standard in the record: what share was reached in time. */
export type Held = Readonly<{ capability: string; seconds: number; share: number; basis: "people" | "area"; voids: readonly string[] }>;

/** What the record says of the coverage. */
export type CoverRecord = Readonly<{
  standards: readonly Held[];
  /** Unix ms and share of the first standard, the oldest first. */
  trend: readonly (readonly [at: number, share: number])[];
}>;

const rows = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const texts = (value: unknown): readonly string[] => rows(value).filter((v) => typeof v === "string");

/** Reads the feature `coverage`; null when there is none. What is written wrongly in it is left out. */
export function coverRecord(feature: Feature | undefined): CoverRecord | null {
  if (!feature) return null;
  const { props } = feature;
  const standards = rows(props["standards"]).flatMap((row): Held[] => {
    const { capability, seconds, share, basis, void_zones } = (row ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof capability !== "string" || typeof seconds !== "number" || typeof share !== "number") return [];
    return [{ capability, seconds, share, basis: basis === "people" ? "people" : "area", voids: texts(void_zones) }];
  });
  const trend = rows(props["trend"]).flatMap((row): (readonly [number, number])[] => {
    const [at, share] = rows(row);
    return typeof at === "number" && typeof share === "number" ? [[at * 1000, share]] : [];
  });
  return { standards, trend };
}

/** A name by language, the reader's first. */
export function nameBy(names: unknown, language: Language): string {
  if (typeof names !== "object" || names === null) return "";
  const by = names as Readonly<Record<string, unknown>>;
  for (const key of [language, "local", "", "en", ...Object.keys(by)]) {
    const name = by[key];
    if (typeof name === "string" && name !== "") return name;
  }
  return "";
}

/** Hazards that close or slow roads now, those that end first on top, those that stay until withdrawn last. */
export function closuresOf(hazards: readonly Feature[]): readonly Feature[] {
  const end = (f: Feature) => time(f, "valid_to") || Infinity;
  return hazards.filter((f) => f.props["active"] !== false && closureOf(f) !== "").sort((a, b) => end(a) - end(b) || a.id - b.id);
}

/** Kinds of hazards that a dispatcher closes a street with: those of traffic first, then whatever else stops or slows. */
export function closureTypes(types: readonly HazardType[]): readonly HazardType[] {
  const ofTraffic = (type: HazardType) => type.category === "Transport";
  const fits = types.filter((type) => ofTraffic(type) || type.impassable || type.speed_factor !== undefined);
  return [...fits.filter(ofTraffic), ...fits.filter((type) => !ofTraffic(type))];
}

const trendMs = 24 * 3600_000;
/** A line never spans less than this share: a tenth of a point must not look like a collapse. */
export const coverSpan = 0.1;

/** Shares of the last day, drawn; null while there are fewer than two moments of it. */
export function trendLine(trend: CoverRecord["trend"], now: number, width: number, height: number): Spark | null {
  return spark(trend, { now, overMs: trendMs, width, height, leastSpan: coverSpan });
}
