/** Am I inside, how far is the edge, where is room: answered on the phone, about all that is public, whatever the page shows. */
import { bearing, meets, metresBetween, nearness, type Nearness } from "./geometry";
import { severities, type Box, type Place, type PublicFeature } from "./public";

/** A visitor's place. */
export type Here = Readonly<{ at: Place; /** Metres that it may be wrong by; 0: pointed at on the map. */ accuracyM: number }>;

/** A hazard, and how somebody lies to it. */
export type Danger = Readonly<{
  feature: PublicFeature;
  /** Metres to the edge. */
  metres: number;
  /** Towards the edge, degrees clockwise from north; NaN on it. */
  towards: number;
}>;

/** A shelter, and how to get there. */
export type Refuge = Readonly<{ feature: PublicFeature; metres: number; towards: number }>;

/** What a visitor is told. */
export type Answer = Readonly<{
  /**
   * `maybe`: the edge is nearer than the position is known, or the place of the danger is told only roughly; `elsewhere`: the
   * map does not cover the place, so that nothing follows from nothing being there.
   */
  verdict: "inside" | "maybe" | "outside" | "none" | "elsewhere";
  /** The dangers of the verdict: those that one is or may be in, the worst first; outside, the one with the nearest edge. */
  dangers: readonly Danger[];
  /** The nearest shelter that is open and has room, outside every danger area; null: none is known. */
  shelter: Refuge | null;
}>;

/** A hazard or shelter is what it says until its time is over. */
export function isOn(feature: PublicFeature, now: number): boolean {
  const { status, valid_until } = feature.properties;
  const until = Date.parse(valid_until ?? "");
  return status !== "over" && !(until <= now);
}

const rank = ({ feature }: Danger): number => {
  const i = severities.indexOf(feature.properties.severity ?? "unknown");
  return i < 0 ? severities.length : i;
};

/** Answers for a place. `bounds` is what the map covers, `now` the server's time, Unix ms. */
export function answer(features: Iterable<PublicFeature>, here: Here, bounds: Box | null, now: number): Answer {
  const all = [...features].filter((f) => isOn(f, now));
  const areas = all.flatMap((feature) => {
    const near = feature.properties.kind === "hazard" ? nearTo(here.at, feature) : null;
    return near ? [{ feature, near, danger: { feature, metres: near.metres, towards: near.metres < 1 ? NaN : bearing(here.at, near.edge) } }] : [];
  });
  // What is told by a cell can be anywhere in it.
  const rough = (f: PublicFeature) => f.geometry?.type === "Point";
  const inside = areas.filter(({ feature, near }) => near.inside && !rough(feature) && near.metres >= here.accuracyM);
  const maybe = areas.filter((a) => !inside.includes(a) && (a.near.inside || a.near.metres < here.accuracyM));
  const worst = (list: typeof areas) => list.map((a) => a.danger).sort((a, b) => rank(a) - rank(b) || a.metres - b.metres);
  const outside = areas.map((a) => a.danger).sort((a, b) => a.metres - b.metres);
  const covered = !bounds || meets(bounds, [...here.at, ...here.at]);

  const shelter = all
    .flatMap((feature): Refuge[] => {
      const { kind, room } = feature.properties;
      if (kind !== "shelter" || room?.state !== "open" || feature.geometry?.type !== "Point") return [];
      const at = feature.geometry.coordinates;
      if (areas.some((a) => nearTo(at, a.feature)?.inside)) return [];
      return [{ feature, metres: metresBetween(here.at, at), towards: bearing(here.at, at) }];
    })
    .reduce<Refuge | null>((best, one) => (best && best.metres <= one.metres ? best : one), null);

  if (inside.length > 0) return { verdict: "inside", dangers: [...worst(inside), ...worst(maybe)], shelter };
  if (maybe.length > 0) return { verdict: "maybe", dangers: worst(maybe), shelter };
  if (!covered) return { verdict: "elsewhere", dangers: outside.slice(0, 1), shelter };
  return { verdict: outside.length > 0 ? "outside" : "none", dangers: outside.slice(0, 1), shelter };
}

/** How a place lies to a feature; null when its place is not told. */
export function nearTo(at: Place, { geometry, properties }: PublicFeature): Nearness | null {
  return geometry && nearness(at, geometry, properties.radius_m);
}

/** The eight directions by which the way is told, clockwise from north. */
export const directions = ["n", "ne", "e", "se", "s", "sw", "w", "nw"] as const;
/** The direction of a bearing. */
export function directionOf(degrees: number): (typeof directions)[number] {
  return directions[Math.round(degrees / 45) % 8]!;
}
