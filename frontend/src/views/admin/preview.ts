import type { FeaturePage } from "../../commands/access";
import { headingUnknown, speedUnknown, type Frame, type Moves, type Put, type WireShape } from "../../stream/wire";
import { World } from "../../world/world";

type GeoFeature = FeaturePage["features"][number];

const noMoves: Moves = {
  id: new Uint32Array(0),
  lng: new Int32Array(0),
  lat: new Int32Array(0),
  time: new Float64Array(0),
  heading: new Uint16Array(0),
  speed: new Uint16Array(0),
  accuracy: new Uint16Array(0),
  flags: new Uint16Array(0),
};

/** A world that the map can draw, made of what a list says: as an audience sees it. */
export class PreviewWorld {
  readonly world = new World();
  readonly #ids = new Map<string, number>();
  #seq = 0;

  /** Shows a list instead of the one before. */
  show(features: readonly GeoFeature[], at: number): void {
    const frame: Frame = {
      world: "preview",
      epoch: "preview",
      base: 0,
      seq: ++this.#seq,
      live: 0,
      time: at,
      // A list has no hash; whoever draws does not ask.
      state: { hi: 0, lo: 0 },
      drop: new Uint32Array(0),
      put: features.map((feature) => putOf(feature, this.#id(feature.id), at)),
      moves: noMoves,
      status: null,
    };
    this.world.apply(frame);
  }

  #id(key: string): number {
    let id = this.#ids.get(key);
    if (id === undefined) this.#ids.set(key, (id = this.#ids.size + 1));
    return id;
  }
}

function putOf(feature: GeoFeature, id: number, at: number): Put {
  const { kind, rev, fix, ...rest } = feature.properties as Readonly<Record<string, unknown>> & Readonly<{ kind: string; rev: number }>;
  const heard = (fix ?? {}) as Readonly<Record<string, unknown>>;
  const number = (name: string) => (typeof heard[name] === "number" ? heard[name] : NaN);
  const geometry = feature.geometry as Readonly<{ type: string; coordinates: unknown }> | null;
  const point = geometry && firstPoint(geometry.coordinates);
  const time = typeof heard["time"] === "string" ? Date.parse(heard["time"]) : at;
  const sealed = Object.entries(rest).filter(([, value]) => isSealed(value));
  const heading = number("heading_deg");
  const speed = number("speed_mps");
  return {
    id,
    key: feature.id,
    kind,
    rev,
    due: 0,
    lng: point ? Math.round(point[0] * 1e7) : 0,
    lat: point ? Math.round(point[1] * 1e7) : 0,
    time: point ? time : 0,
    heading: Number.isFinite(heading) ? Math.round(heading) % 360 : headingUnknown,
    speed: Number.isFinite(speed) ? Math.round(speed * 10) : speedUnknown,
    accuracy: Number.isFinite(number("accuracy_m")) ? Math.round(number("accuracy_m")) : 0,
    flags: 0,
    props: JSON.stringify(Object.fromEntries(Object.entries(rest).filter(([, value]) => !isSealed(value)))),
    shape: geometry ? shapeOf(geometry) : null,
    sealed: sealed.map(([name]) => name),
  };
}

/** Whether a value is a personal field: only that it is there is told. */
export function isSealed(value: unknown): boolean {
  return typeof value === "object" && value !== null && (value as { sealed?: unknown }).sealed === true;
}

function firstPoint(coordinates: unknown): readonly [number, number] | null {
  if (!Array.isArray(coordinates) || coordinates.length === 0) return null;
  const [lng, lat] = coordinates as unknown[];
  return typeof lng === "number" && typeof lat === "number" ? [lng, lat] : firstPoint(lng);
}

/** A geometry of more than a point, as frames carry it. */
function shapeOf({ type, coordinates }: Readonly<{ type: string; coordinates: unknown }>): WireShape | null {
  const lng: number[] = [];
  const lat: number[] = [];
  const ends: number[] = [];
  const parts: number[] = [];
  const run = (points: unknown) => {
    for (const [x, y] of points as readonly (readonly [number, number])[]) {
      lng.push(Math.round(x * 1e7));
      lat.push(Math.round(y * 1e7));
    }
    ends.push(lng.length);
  };
  const runs = (lines: unknown) => (lines as readonly unknown[]).forEach(run);
  switch (type) {
    case "MultiPoint":
    case "LineString":
      run(coordinates);
      break;
    case "MultiLineString":
    case "Polygon":
      runs(coordinates);
      break;
    case "MultiPolygon":
      for (const polygon of coordinates as readonly unknown[]) {
        runs(polygon);
        parts.push(ends.length);
      }
      break;
    default:
      return null;
  }
  return { type, lng: Int32Array.from(lng), lat: Int32Array.from(lat), ends: Uint32Array.from(ends), parts: Uint32Array.from(parts) };
}
