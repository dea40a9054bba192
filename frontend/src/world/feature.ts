import type { Put, WireShape } from "../stream/wire";

/** The dense number of a feature on the wire. Given once in the history of a world, never reused. */
export type FeatureId = number & { readonly brand: "FeatureId" };

/** Degrees, longitude first, as GeoJSON and MapLibre have it. */
export type LngLat = readonly [lng: number, lat: number];

/** What a feature is. The registry is open: a kind that this version does not know is kept. */
export type Kind = string;

/** The properties of a feature. Unknown members are kept. */
export type Props = Readonly<Record<string, unknown>>;

/** Where a feature is, since when, and how well that is known. */
export type Fix = Readonly<{
  at: LngLat;
  /** Unix milliseconds. */
  time: number;
  /** Degrees clockwise from north; null unknown. */
  headingDeg: number | null;
  /** Metres a second; null unknown. */
  speedMps: number | null;
  /** Radius in metres; null unknown. */
  accuracyM: number | null;
  flags: number;
}>;

/** Bits of `Fix.flags`. */
export const fixClock = 1;
export const fixJump = 2;
export const fixManual = 4;

const noProps: Props = Object.freeze({});

/**
 * One thing in the world, as it was last put. Immutable: a change is another Feature. Its place is not here but in the
 * columns of the world, because it changes without the feature changing.
 */
export class Feature {
  readonly id: FeatureId;
  /** The caller's own key: `E7`. One namespace for all kinds. */
  readonly key: string;
  readonly kind: Kind;
  /** Sequence of the last put; the ETag of the feature at the door. */
  readonly rev: number;
  /** When a rule will look at it again, Unix ms; 0 never. */
  readonly due: number;
  readonly shape: WireShape | null;
  /** Names of the properties that are sealed: read by an audited call only. */
  readonly sealed: readonly string[];
  /** The row of its place in `World.rows`. */
  readonly row: number;
  readonly #text: string;
  #props: Props | undefined;

  constructor(put: Put, row: number) {
    this.id = put.id as FeatureId;
    this.key = put.key;
    this.kind = put.kind;
    this.rev = put.rev;
    this.due = put.due;
    this.shape = put.shape;
    this.sealed = put.sealed;
    this.row = row;
    this.#text = put.props;
  }

  /** The properties, parsed when first asked for. Text that is no JSON object counts as none. */
  get props(): Props {
    return (this.#props ??= parse(this.#text));
  }
}

function parse(text: string): Props {
  if (text === "") return noProps;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Props) : noProps;
  } catch {
    return noProps;
  }
}

/** The property as a text; "" when it is absent or something else. */
export function text(feature: Feature, name: string): string {
  const value = feature.props[name];
  return typeof value === "string" ? value : "";
}

/** The property as a number; NaN when it is absent or something else. */
export function number(feature: Feature, name: string): number {
  const value = feature.props[name];
  return typeof value === "number" ? value : NaN;
}

/** The texts in a property that is a list; others are left out. */
export function list(feature: Feature, name: string): readonly string[] {
  const value = feature.props[name];
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === "string") : [];
}

/** Whether the property is true. */
export function flag(feature: Feature, name: string): boolean {
  return feature.props[name] === true;
}

/** A time in a property (RFC 3339), as Unix milliseconds; NaN when it is absent or no time. */
export function time(feature: Feature, name: string): number {
  return Date.parse(text(feature, name));
}

/** The shape of a feature as a GeoJSON geometry, in degrees; null when it is a point or nothing. */
export function geometry(feature: Feature): GeoJSON.Geometry | null {
  const s = feature.shape;
  if (!s) return null;
  const at = (i: number): [number, number] => [s.lng[i]! / 1e7, s.lat[i]! / 1e7];
  const run = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, i) => at(from + i));
  const runs = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => run(s.ends[from + i - 1] ?? 0, s.ends[from + i]!));
  switch (s.type) {
    case "MultiPoint":
      return { type: s.type, coordinates: run(0, s.lng.length) };
    case "LineString":
      return { type: s.type, coordinates: run(0, s.lng.length) };
    case "MultiLineString":
      return { type: s.type, coordinates: runs(0, s.ends.length) };
    case "Polygon":
      return { type: s.type, coordinates: runs(0, s.ends.length) };
    case "MultiPolygon":
      return {
        type: s.type,
        coordinates: Array.from(s.parts, (end, i) => runs(s.parts[i - 1] ?? 0, end)),
      };
    default:
      return s.type satisfies never;
  }
}
