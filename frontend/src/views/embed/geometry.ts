/** Distances on the ground. All of it happens here, on the phone: a visitor's place is in no request. */
import type { Box, Place, Shape } from "./public";

/** Mean radius of the earth, metres. */
export const earthRadiusM = 6_371_008.8;
const radian = Math.PI / 180;

/** Metres along the great circle. */
export function metresBetween([lng1, lat1]: Place, [lng2, lat2]: Place): number {
  const h = Math.sin(((lat2 - lat1) * radian) / 2) ** 2 + Math.cos(lat1 * radian) * Math.cos(lat2 * radian) * Math.sin(((lng2 - lng1) * radian) / 2) ** 2;
  return 2 * earthRadiusM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** Where to go first to get from one place to another, degrees clockwise from north. */
export function bearing([lng1, lat1]: Place, [lng2, lat2]: Place): number {
  const across = (lng2 - lng1) * radian;
  const y = Math.sin(across) * Math.cos(lat2 * radian);
  const x = Math.cos(lat1 * radian) * Math.sin(lat2 * radian) - Math.sin(lat1 * radian) * Math.cos(lat2 * radian) * Math.cos(across);
  return (Math.atan2(y, x) / radian + 360) % 360;
}

/** How a place lies to a shape. */
export type Nearness = Readonly<{
  inside: boolean;
  /** Metres to the edge, from inside as from outside. */
  metres: number;
  /** The nearest place of the edge. */
  edge: Place;
}>;

/**
 * How a place lies to a shape, or to the circle of `radiusM` around a point; null for a shape without places. A line has no
 * inside. The nearest place of an edge is searched on the plane that touches the earth at `from`, which is exact enough
 * for what is near: the error is under a thousandth within 100 km.
 */
export function nearness(from: Place, shape: Shape, radiusM = 0): Nearness | null {
  if (shape.type === "Point") {
    const metres = metresBetween(from, shape.coordinates);
    if (radiusM <= 0) return { inside: false, metres, edge: shape.coordinates };
    const towards = metres > 0 ? bearing(shape.coordinates, from) : 0;
    return { inside: metres <= radiusM, metres: Math.abs(metres - radiusM), edge: away(shape.coordinates, towards, radiusM) };
  }
  const across = Math.cos(from[1] * radian);
  let best = Infinity;
  let edge: Place | null = null;
  let inside = false;
  for (const polygon of partsOf(shape)) {
    let odd = false;
    for (const ring of polygon.rings) {
      for (let i = 1; i < ring.length; i++) {
        const [lng1, lat1] = ring[i - 1]!;
        const [lng2, lat2] = ring[i]!;
        const [x1, y1, x2, y2] = [(lng1 - from[0]) * across, lat1 - from[1], (lng2 - from[0]) * across, lat2 - from[1]];
        const [dx, dy] = [x2 - x1, y2 - y1];
        const length = dx * dx + dy * dy;
        const t = length > 0 ? Math.min(1, Math.max(0, -(x1 * dx + y1 * dy) / length)) : 0;
        const far = (x1 + t * dx) ** 2 + (y1 + t * dy) ** 2;
        if (far < best) [best, edge] = [far, [lng1 + t * (lng2 - lng1), lat1 + t * (lat2 - lat1)]];
        // A ray to the east crosses the edge.
        if (polygon.area && y1 > 0 !== y2 > 0 && x1 - (y1 * dx) / dy > 0) odd = !odd;
      }
    }
    inside ||= odd;
  }
  return edge && { inside, metres: metresBetween(from, edge), edge };
}

type Part = Readonly<{ area: boolean; rings: readonly (readonly Place[])[] }>;

function partsOf(shape: Exclude<Shape, { type: "Point" }>): readonly Part[] {
  switch (shape.type) {
    case "LineString":
      return [{ area: false, rings: [shape.coordinates] }];
    case "MultiLineString":
      return [{ area: false, rings: shape.coordinates }];
    case "Polygon":
      return [{ area: true, rings: shape.coordinates }];
    case "MultiPolygon":
      return shape.coordinates.map((rings) => ({ area: true, rings }));
    default:
      shape satisfies never;
      return []; // of a server that knows more shapes
  }
}

/** The place that lies `metres` from another in a direction, degrees clockwise from north. */
export function away([lng, lat]: Place, direction: number, metres: number): Place {
  const d = metres / earthRadiusM;
  const a = direction * radian;
  const lat2 = Math.asin(Math.sin(lat * radian) * Math.cos(d) + Math.cos(lat * radian) * Math.sin(d) * Math.cos(a));
  const across = Math.atan2(Math.sin(a) * Math.sin(d) * Math.cos(lat * radian), Math.cos(d) - Math.sin(lat * radian) * Math.sin(lat2));
  return [lng + across / radian, lat2 / radian];
}

/** The box around a shape, or around the circle of `radiusM`; null when it has no places. */
export function boxOf(shape: Shape, radiusM = 0): Box | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  const add = ([lng, lat]: Place) => ([west, south, east, north] = [Math.min(west, lng), Math.min(south, lat), Math.max(east, lng), Math.max(north, lat)]);
  if (shape.type === "Point") {
    const up = radiusM / earthRadiusM / radian;
    const [lng, lat] = shape.coordinates;
    const wide = up / Math.max(0.01, Math.cos(lat * radian));
    add([lng - wide, lat - up]);
    add([lng + wide, lat + up]);
  } else for (const { rings } of partsOf(shape)) for (const ring of rings) ring.forEach(add);
  return west <= east ? [west, south, east, north] : null;
}

/** Whether two boxes have a place in common. */
export function meets(a: Box, b: Box): boolean {
  return a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3];
}

/** The ring of a circle on the ground. */
export function circleRing(at: Place, radiusM: number): Place[] {
  return Array.from({ length: 65 }, (_, i) => away(at, (i % 64) * (360 / 64), radiusM));
}
