import type { Feature as GeoFeature, FeatureCollection, Geometry, Position } from "geojson";
import { byCode, scaleValue, type Language, type Preset } from "../preset";
import { flag, geometry, list, number, text, type Feature, type LngLat } from "../world/feature";
import type { World } from "../world/world";
import type { Line } from "./assignments";
import { numbers } from "./crowd";
import { incidentSize } from "./images";
import { mercatorX, mercatorY } from "./units";

/** GeoJSON of the slow layers: a few hundred features, made anew when one of them changed. */
export type Slow = Readonly<{
  world: World;
  preset: Preset;
  language: Language;
  /** Key of what is selected; "" nothing. */
  selected: string;
  /** Sensitive incidents are shown, dimmed, or not at all. */
  sensitive: "shown" | "dimmed" | "hidden";
  /** How many incidents each that is drawn stands for, by its id; null: all are drawn. */
  folded?: ReadonlyMap<number, number> | null;
}>;

const collection = (features: GeoFeature[]): FeatureCollection => ({ type: "FeatureCollection", features });

const point = (at: LngLat | readonly number[], properties: Record<string, unknown>, id: number): GeoFeature => ({
  type: "Feature",
  id,
  geometry: { type: "Point", coordinates: [...at] as Position },
  properties,
});

/** Whether an incident is over. */
export function isOver(preset: Preset, incident: Feature): boolean {
  return byCode(preset.incident_statuses, text(incident, "status"))?.final ?? false;
}

/** The open incidents, those that are worse on top. */
export function openIncidents({ world, preset, sensitive }: Pick<Slow, "world" | "preset" | "sensitive">): Feature[] {
  return world.features("incident").filter((f) => {
    if (isOver(preset, f)) return false;
    return sensitive !== "hidden" || !isSensitive(preset, f);
  });
}

/** Whether an incident is of a kind that not everybody in a room should read of, or was marked as such. */
function isSensitive(preset: Preset, incident: Feature): boolean {
  return flag(incident, "sensitive") || byCode(preset.incident_types, text(incident, "type"))?.sensitive === true;
}

/** What stands under an incident: its name, else its type. */
export function incidentLabel(preset: Preset, language: Language, incident: Feature): string {
  return text(incident, "name") || (byCode(preset.incident_types, text(incident, "type"))?.label[language] ?? incident.key);
}

export function incidents(slow: Slow): FeatureCollection {
  const { world, preset, language } = slow;
  return collection(
    openIncidents(slow).flatMap((f) => {
      const at = world.fix(f)?.at;
      if (!at || (slow.folded && !slow.folded.has(f.id))) return [];
      const more = slow.folded?.get(f.id) ?? 0;
      const priority = text(f, "priority");
      const type = text(f, "type");
      const rank = scaleValue(preset, "priority", priority)?.rank ?? 0;
      const size = incidentSize(preset, priority);
      const dim = slow.sensitive === "dimmed" && isSensitive(preset, f);
      const properties = {
        // A sign of a sensitive incident says how bad it is, and not what it is.
        icon: `incident|${dim ? "" : type}|${priority}`,
        text: dim ? "" : incidentLabel(preset, language, f),
        more: more > 0 ? `+${numbers(language).format(more)}` : "",
        half: size / 2,
        rank,
        order: rank,
        // In ems of the label, which is larger where the incident is worse.
        offset: (size / 2 + 8) / (rank >= 3 ? 16.5 : 15),
        dim,
      };
      return [point(at, properties, f.id)];
    }),
  );
}

/** Rings around the incidents of these keys: what nobody has acknowledged. */
export function fresh(slow: Slow, keys: ReadonlySet<string>): FeatureCollection {
  return collection(
    openIncidents(slow).flatMap((f) => {
      const at = keys.has(f.key) ? slow.world.fix(f)?.at : undefined;
      return at ? [point(at, { radius: incidentSize(slow.preset, text(f, "priority")) / 2 + 9 }, f.id)] : [];
    }),
  );
}

/** Areas and lines of hazards. */
export function hazards({ world, selected }: Slow): FeatureCollection {
  return collection(
    activeHazards(world).flatMap((f) => {
      const shape = geometry(f);
      if (!shape) return [];
      const closure = closureOf(f);
      const properties = { pattern: closure === "closed" ? "hard" : "soft", closure, selected: f.key === selected };
      return [{ type: "Feature" as const, id: f.id, geometry: shape, properties }];
    }),
  );
}

/** What a hazard does to those who would drive through: nothing (""), it slows them, or it stops them. */
export function closureOf(hazard: Feature): "" | "slow" | "closed" {
  if (flag(hazard, "impassable")) return "closed";
  const factor = number(hazard, "speed_factor");
  return factor > 0 && factor < 1 ? "slow" : "";
}

/** Signs and names of hazards. */
export function hazardLabels({ world, preset, language }: Slow): FeatureCollection {
  return collection(
    activeHazards(world).flatMap((f) => {
      const at = world.fix(f)?.at;
      if (!at) return [];
      const type = text(f, "type");
      const name = text(f, "name") || (byCode(preset.hazard_types, type)?.label[language] ?? f.key);
      return [point(at, { icon: `hazard|${type}`, text: name }, f.id)];
    }),
  );
}

/** A hazard that says nothing of `active` is active: forgetting one is worse than showing an old one. */
function activeHazards(world: World): readonly Feature[] {
  return world.features("hazard").filter((f) => f.props["active"] !== false);
}

export function shelters({ world, preset, language }: Slow): FeatureCollection {
  return collection(
    world.features("shelter").flatMap((f) => {
      const at = world.fix(f)?.at;
      if (!at) return [];
      const status = text(f, "status");
      const admits = byCode(preset.shelter_statuses, status)?.admits ?? false;
      const unconfirmed = flag(f, "derived") || status === "unconfirmed" || status === "";
      const properties = {
        icon: `shelter|${text(f, "type")}|${status}`,
        name: nameIn(f, language),
        order: admits ? 0 : 1,
        // Nobody vouches for a door that was only guessed from a school: it is not shown from afar.
        from: unconfirmed ? 15 : 11.5,
      };
      return [point(at, properties, f.id)];
    }),
  );
}

/** Stations and hospitals are seen from afar, hydrants from near. */
const siteZoom: Readonly<Record<string, number>> = {
  hospital: 11,
  fire_station: 12,
  police: 12.5,
  ambulance_station: 12.5,
  helipad: 14,
  airport: 13.5,
  power_plant: 13.5,
  hydrant: 16.5,
  fuel: 15.5,
  kindergarten: 15,
  school: 14.5,
};
const siteZoomOther = 14.5;

export function sites({ world, language }: Slow): FeatureCollection {
  return collection(
    world.features("site").flatMap((f) => {
      const at = world.fix(f)?.at;
      if (!at) return [];
      const type = text(f, "type");
      const from = siteZoom[type] ?? siteZoomOther;
      return [point(at, { icon: `site|${type}`, name: nameIn(f, language), order: from, from }, f.id)];
    }),
  );
}

function nameIn(f: Feature, language: Language): string {
  return text(f, `name_${language}`) || text(f, "name");
}

/** An assignment that is being chosen. */
export type Preview = Readonly<{ incident: string; units: readonly string[] }>;

/** Which unit is assigned where. */
export function assignments({ world, preset, sensitive }: Pick<Slow, "world" | "preset" | "sensitive">, preview: Preview | null): Line[] {
  const lines: Line[] = [];
  const draw = (incident: Feature | undefined, units: readonly string[], ghost: boolean) => {
    const at = incident && world.fix(incident)?.at;
    if (!at) return;
    for (const key of units) {
      const unit = world.get(key);
      if (unit) lines.push({ unit: unit.id, x: mercatorX(at[0] * 1e7), y: mercatorY(at[1] * 1e7), preview: ghost });
    }
  };
  // A line to an incident that is not shown would show where it is.
  for (const incident of openIncidents({ world, preset, sensitive })) draw(incident, list(incident, "assigned"), false);
  if (preview) draw(world.get(preview.incident), preview.units, true);
  return lines;
}

/** The way of a unit, and what to write on it. */
export type RouteLine = Readonly<{
  /** Key of the unit. */
  unit: string;
  line: readonly (readonly number[])[];
  text: string;
  /** The one that is looked at; the others stand back. */
  lead: boolean;
}>;

export function routes(lines: readonly RouteLine[]): FeatureCollection {
  return collection(
    lines.flatMap(({ line, text: words, lead }): GeoFeature[] => {
      if (line.length < 2) return [];
      const coordinates = line.map(([lng = 0, lat = 0]): Position => [lng, lat]);
      const role = lead ? "lead" : "other";
      const way: GeoFeature = { type: "Feature", geometry: { type: "LineString", coordinates }, properties: { role } };
      // Where half of the way is driven: its ends have symbols of their own.
      return lead ? [way, { type: "Feature", geometry: { type: "Point", coordinates: halfway(coordinates) }, properties: { role, text: words } }] : [way];
    }),
  );
}

function halfway(line: readonly Position[]): Position {
  const across = Math.cos(((line[0]![1] ?? 0) * Math.PI) / 180);
  const steps = line.slice(1).map(([lng = 0, lat = 0], i) => Math.hypot((lng - line[i]![0]!) * across, lat - line[i]![1]!));
  let left = steps.reduce((sum, step) => sum + step, 0) / 2;
  const i = steps.findIndex((step) => (left -= step) <= 0);
  if (i < 0) return line[0]!;
  const [a, b, step] = [line[i]!, line[i + 1]!, steps[i]!];
  const t = step > 0 ? 1 + left / step : 0;
  return [a[0]! + t * (b[0]! - a[0]!), a[1]! + t * (b[1]! - a[1]!)];
}

/** What is being drawn on the map. */
export type DraftShape = Readonly<{
  area: boolean;
  points: readonly LngLat[];
  /** Where the next point would be; null while nobody points. */
  cursor: LngLat | null;
  /** It was sent, and is not yet known to be recorded. */
  ghost: boolean;
}>;

export function draft(shape: DraftShape | null): FeatureCollection {
  if (!shape) return collection([]);
  const { area, points, cursor, ghost } = shape;
  const run: Position[] = [...points, ...(cursor && !ghost ? [cursor] : [])].map(([lng, lat]) => [lng, lat]);
  const features: GeoFeature[] = [];
  if (area && run.length >= 3) {
    features.push({ type: "Feature", geometry: { type: "Polygon", coordinates: [[...run, run[0]!]] }, properties: { ghost } });
  } else if (run.length >= 2) {
    features.push({ type: "Feature", geometry: { type: "LineString", coordinates: run }, properties: { ghost } });
  }
  if (!ghost) points.forEach((at, i) => features.push(point(at, { last: i === points.length - 1, ghost }, i + 1)));
  return collection(features);
}

const earthRadiusM = 6_371_008.8;

/** A circle on the ground as a polygon. */
export function circle([lng, lat]: LngLat, radiusM: number): Geometry {
  const ring: Position[] = [];
  const across = Math.cos((lat * Math.PI) / 180);
  for (let i = 0; i <= 64; i++) {
    const a = (i / 32) * Math.PI;
    const degrees = (radiusM / earthRadiusM) * (180 / Math.PI);
    ring.push([lng + (degrees * Math.cos(a)) / Math.max(0.01, across), lat + degrees * Math.sin(a)]);
  }
  return { type: "Polygon", coordinates: [ring] };
}

/** What marks the selected feature: the accuracy of a unit, a ring around anything else with a place. */
export function selection({ world, preset, selected }: Slow, place: (unit: Feature) => LngLat | null): FeatureCollection {
  const f = selected ? world.get(selected) : undefined;
  const fix = f && world.fix(f);
  if (!f || !fix) return collection([]);
  if (f.kind === "unit") {
    const at = place(f);
    if (!at || !fix.accuracyM) return collection([]);
    return collection([{ type: "Feature", geometry: circle(at, fix.accuracyM), properties: {} }]);
  }
  const radius = f.kind === "incident" ? incidentSize(preset, text(f, "priority")) / 2 + 7 : 19;
  return collection([point(fix.at, { radius }, f.id)]);
}
