import type { LngLat } from "../../world/feature";

/** A closed line of places. */
export type Ring = readonly (readonly number[])[];

/** How places become points of a picture. */
export type Frame = Readonly<{ at: (place: readonly number[]) => readonly [x: number, y: number]; /** The box of the city; "" where only a part is shown. */ outline: string }>;

const edge = 28;
/** A picture never shows less than this, degrees: a few kilometres, so that a street is not taken for a city. */
const leastSpan = 0.05;

/**
 * Fits places, or the box of a city where nothing happens, into a picture. What lies outside is drawn at the edge of the
 * picture rather than left out.
 */
export function frameOf(box: readonly LngLat[], places: readonly LngLat[], size: Readonly<{ width: number; height: number }>): Frame {
  const shown = places.length > 0 ? places : box;
  const y = (lat: number) => Math.log(Math.tan(Math.PI / 4 + (Math.max(-85, Math.min(85, lat)) * Math.PI) / 360));
  const x = (lng: number) => (lng * Math.PI) / 180;
  const xs = shown.map(([lng]) => x(lng));
  const ys = shown.map(([, lat]) => y(lat));
  const least = (leastSpan * Math.PI) / 180;
  const [left, right] = shown.length > 0 ? [Math.min(...xs), Math.max(...xs)] : [0, 0];
  const [bottom, top] = shown.length > 0 ? [Math.min(...ys), Math.max(...ys)] : [0, 0];
  const scale = Math.min((size.width - 2 * edge) / Math.max(right - left, least), (size.height - 2 * edge) / Math.max(top - bottom, least));
  const [centreX, centreY] = [(left + right) / 2, (bottom + top) / 2];
  const within = (v: number, most: number) => Math.min(most - edge / 2, Math.max(edge / 2, v));
  const at = ([lng = 0, lat = 0]: readonly number[]): readonly [number, number] => [
    within(size.width / 2 + (x(lng) - centreX) * scale, size.width),
    within(size.height / 2 - (y(lat) - centreY) * scale, size.height),
  ];
  const [a, b] = places.length > 0 ? [] : box; // of a part of the city its box says nothing
  return { at, outline: a && b ? pathOf([[a[0], a[1]], [b[0], a[1]], [b[0], b[1]], [a[0], b[1]]], at) : "" };
}

/** A closed path through places. */
export function pathOf(ring: Ring, at: Frame["at"]): string {
  return ring.length === 0 ? "" : `M${ring.map((place) => at(place).map((v) => v.toFixed(1)).join(" ")).join("L")}Z`;
}
