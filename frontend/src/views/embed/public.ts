/** The public world as `/public/v1` gives it: its features, and how a snapshot and what changed since become a world. */
import type { Language } from "../../preset";

/** Degrees, longitude first. */
export type Place = readonly [lng: number, lat: number];
/** West, south, east, north in degrees. */
export type Box = readonly [west: number, south: number, east: number, north: number];

type Ring = readonly Place[];

/** The shapes that the public world has. */
export type Shape =
  | Readonly<{ type: "Point"; coordinates: Place }>
  | Readonly<{ type: "LineString"; coordinates: Ring }>
  | Readonly<{ type: "MultiLineString"; coordinates: readonly Ring[] }>
  | Readonly<{ type: "Polygon"; coordinates: readonly Ring[] }>
  | Readonly<{ type: "MultiPolygon"; coordinates: readonly (readonly Ring[])[] }>;

/** The kinds that can be public, in the order in which a list has them. */
export const kinds = ["hazard", "incident", "shelter", "site"] as const;
export type PublicKind = (typeof kinds)[number];

/** How bad something is, as CAP 1.2 has it, the worst first. */
export const severities = ["extreme", "severe", "moderate", "minor", "unknown"] as const;
export type Severity = (typeof severities)[number];

/** A text by language; not every language need be there. */
export type Text = Readonly<Partial<Record<Language, string>>>;

/** What may be known of the room in a shelter. */
export type Room = Readonly<{ state: "open" | "full" | "closed"; from?: number; to?: number; counted_at?: string }>;

/** Something that the public may know about. */
export type PublicFeature = Readonly<{
  id: string;
  /** Null: that it is, not where. */
  geometry: Shape | null;
  properties: Readonly<{
    kind: PublicKind;
    type: string;
    title: Text;
    advice?: Text;
    severity?: Severity;
    status: "open" | "over";
    /** How far from the point it can be, metres; absent: it is there, or an area. */
    radius_m?: number;
    room?: Room;
    /** RFC 3339. */
    updated_at?: string;
    valid_until?: string;
  }>;
}>;

/** The public world at one of its numbers. */
export type PublicWorld = Readonly<{
  epoch: string;
  seq: number;
  exercise: boolean;
  simulated: boolean;
  /** Address of what changed since the boundary before `seq`. */
  next: string;
  features: ReadonlyMap<string, PublicFeature>;
}>;

type Answer = Readonly<{
  epoch?: unknown;
  seq?: unknown;
  base?: unknown;
  since?: unknown;
  next?: unknown;
  complete?: unknown;
  exercise?: unknown;
  simulated?: unknown;
  drop?: unknown;
  features?: unknown;
}>;

/**
 * What an answer makes of the world before it: another world, whether there is more to fetch to stand in the present, or
 * null when it does not fit and a snapshot is needed.
 */
export function step(world: PublicWorld | null, body: unknown): Readonly<{ world: PublicWorld; more: boolean }> | null {
  const a = (body ?? {}) as Answer;
  if (typeof a.epoch !== "string" || typeof a.seq !== "number" || !Array.isArray(a.features)) return null;
  const put = a.features.filter(isFeature);
  if (a.base === undefined) {
    if (typeof a.since !== "string") return null;
    const whole = { epoch: a.epoch, seq: a.seq, exercise: a.exercise === true, simulated: a.simulated === true, next: a.since, features: new Map(put.map((f) => [f.id, f])) };
    // A cache that is behind another one must not take the page back.
    return { world: world && world.epoch === whole.epoch && world.seq > whole.seq ? world : whole, more: false };
  }
  if (!world || world.epoch !== a.epoch || typeof a.base !== "number" || a.base > world.seq || typeof a.next !== "string") return null;
  if (a.seq < world.seq) return { world, more: false };
  const features = new Map(world.features);
  for (const id of Array.isArray(a.drop) ? (a.drop as unknown[]) : []) features.delete(String(id));
  for (const f of put) features.set(f.id, f);
  return { world: { ...world, seq: a.seq, next: a.next, features }, more: a.complete === true };
}

/** A feature of a version that says more, or of a kind that this one does not know, is left out and breaks nothing. */
function isFeature(value: unknown): value is PublicFeature {
  const f = value as PublicFeature | null;
  const p = f?.properties as Partial<PublicFeature["properties"]> | undefined;
  return typeof f?.id === "string" && typeof p?.title === "object" && p.title !== null && (kinds as readonly unknown[]).includes(p.kind);
}

/** A text in a language, else in another that is there. */
export function say(text: Text | undefined, language: Language): string {
  return text?.[language] || text?.en || text?.fa || text?.zh || "";
}
