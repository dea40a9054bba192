import type { LngLat } from "../../world/feature";
import { distance } from "../shared/incidents";

/** A closure while it is drawn: a line along or across streets, or an area. Every change is another draft. */
export type Draft = Readonly<{ area: boolean; points: readonly LngLat[] }>;

/** Two presses on one spot are one point. */
const sameM = 0.5;

/** The draft with one point more; the same one when the point is where the last is. */
export function withPoint(draft: Draft, at: LngLat): Draft {
  const last = draft.points.at(-1);
  if (last && distance(last, at) < sameM) return draft;
  return { ...draft, points: [...draft.points, at] };
}

/** The draft without its last point. */
export function withoutLast(draft: Draft): Draft {
  return { ...draft, points: draft.points.slice(0, -1) };
}

/** Whether it has enough points to be sent. */
export function isWhole({ area, points }: Draft): boolean {
  return points.length >= (area ? 3 : 2);
}

const degrees = (v: number) => Math.round(v * 1e7) / 1e7;

/** What is sent; null while points are missing. A ring is closed and runs against the clock, as RFC 7946 wants it. */
export function geometryOf(draft: Draft): GeoJSON.LineString | GeoJSON.Polygon | null {
  if (!isWhole(draft)) return null;
  const run = draft.points.map(([lng, lat]): [number, number] => [degrees(lng), degrees(lat)]);
  if (!draft.area) return { type: "LineString", coordinates: run };
  const twice = run.reduce((sum, [x, y], i) => {
    const [nx, ny] = run[(i + 1) % run.length]!;
    return sum + x * ny - nx * y;
  }, 0);
  if (twice < 0) run.reverse();
  return { type: "Polygon", coordinates: [[...run, run[0]!]] };
}

/** Metres along the line, or around the area. */
export function lengthM({ area, points }: Draft): number {
  const run = area && points.length > 2 ? [...points, points[0]!] : points;
  return run.slice(1).reduce((sum, at, i) => sum + distance(run[i]!, at), 0);
}

/** The middle of what is drawn: where its name is looked for. Null while nothing is. */
export function middleOf({ area, points }: Draft): LngLat | null {
  if (points.length === 0) return null;
  if (area || points.length === 1) {
    const sum = points.reduce(([x, y], [lng, lat]) => [x + lng, y + lat] as const, [0, 0] as LngLat);
    return [sum[0] / points.length, sum[1] / points.length];
  }
  const half = lengthM({ area, points }) / 2;
  let gone = 0;
  for (let i = 1; i < points.length; i++) {
    const [a, b] = [points[i - 1]!, points[i]!];
    const step = distance(a, b);
    if (gone + step >= half && step > 0) {
      const t = (half - gone) / step;
      return [a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])];
    }
    gone += step;
  }
  return points[0]!;
}

/** What a key means while a closure is drawn; null: nothing. */
export type DrawKey = "point" | "finish" | "back" | "cancel" | "area" | "in" | "out" | Readonly<{ x: number; y: number }>;

/** Pixels that an arrow moves the cross; with Shift, and with Alt for the last metre. */
const step = 16;
const stepFar = 80;
const stepNear = 2;

/** Reads a key, the same on every layout. */
export function drawKey(event: Pick<KeyboardEvent, "key" | "code" | "shiftKey" | "altKey" | "ctrlKey" | "metaKey">): DrawKey | null {
  if (event.ctrlKey || event.metaKey) return null;
  const by = event.altKey ? stepNear : event.shiftKey ? stepFar : step;
  switch (event.code) {
    case "Space":
      return "point";
    case "Enter":
    case "NumpadEnter":
      return "finish";
    case "Backspace":
      return "back";
    case "Escape":
      return "cancel";
    case "KeyP":
      return "area";
    case "ArrowLeft":
      return { x: -by, y: 0 };
    case "ArrowRight":
      return { x: by, y: 0 };
    case "ArrowUp":
      return { x: 0, y: -by };
    case "ArrowDown":
      return { x: 0, y: by };
    case "Equal":
    case "NumpadAdd":
      return "in";
    case "Minus":
    case "NumpadSubtract":
      return "out";
    default:
      return null;
  }
}
