import type { Codes } from "../../ui/codes";
import type { Sample } from "../../ui/spark";
import { flag, list, text, time, type Feature, type LngLat } from "../../world/feature";

/** Incidents that are not over. */
export function openIncidents(incidents: readonly Feature[], codes: Codes): readonly Feature[] {
  return incidents.filter((incident) => !codes.isFinal(text(incident, "status")));
}

/** When an incident was opened, Unix ms; incidents that do not say count as opened before all others. */
export function openedAt(incident: Feature): number {
  const at = time(incident, "opened_at");
  return Number.isNaN(at) ? 0 : at;
}

/** The worst first: by rank of priority, then the one that has lasted longest, then by key so that nothing swaps places. */
export function worstFirst(codes: Codes): (a: Feature, b: Feature) => number {
  return (a, b) =>
    codes.priorityRank(text(b, "priority")) - codes.priorityRank(text(a, "priority")) ||
    openedAt(a) - openedAt(b) ||
    (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

/** The newest first. */
export function newestFirst(a: Feature, b: Feature): number {
  return openedAt(b) - openedAt(a) || (a.key < b.key ? -1 : 1);
}

/** Incidents that nobody was sent to yet, the one that waits longest first. */
export function waiting(incidents: readonly Feature[]): readonly Feature[] {
  return incidents.filter((i) => list(i, "assigned").length === 0).sort((a, b) => openedAt(a) - openedAt(b));
}

/** How long an incident stays "new" on a screen while nobody has done anything about it, ms. */
export const newForMs = 60_000;

/** Whether an incident is new: opened within the last minute, and nobody was sent to it. */
export function isNew(incident: Feature, now: number): boolean {
  const age = now - openedAt(incident);
  // A clock that differs by a second or two must not hide a call.
  return age < newForMs && age > -newForMs && list(incident, "assigned").length === 0;
}

/** Whether nobody has acted on an incident: it is as it was opened, nobody was sent, nobody took it over. */
export function isUnacknowledged(incident: Feature, codes: Codes): boolean {
  const status = codes.incidentStatus(text(incident, "status"));
  return status?.final !== true && (status === undefined || status.initial === true) && list(incident, "assigned").length === 0 && !text(incident, "acked_at");
}

/** Whether an incident is of a kind that visitors must not read of. */
export function isSensitive(incident: Feature, codes: Codes): boolean {
  return flag(incident, "sensitive") || codes.incidentType(text(incident, "type"))?.sensitive === true;
}

/** How many incidents were open at each of the last `steps` moments, `stepMs` apart, the present being the last. */
export function openOverTime(
  incidents: readonly Feature[],
  codes: Codes,
  now: number,
  steps: number,
  stepMs: number,
): readonly Sample[] {
  const spans = incidents.map((incident) => {
    const closed = time(incident, "closed_at");
    const over = codes.isFinal(text(incident, "status"));
    return [openedAt(incident), over ? (Number.isNaN(closed) ? 0 : closed) : Infinity] as const;
  });
  return Array.from({ length: steps }, (_, i) => {
    const at = now - (steps - 1 - i) * stepMs;
    return [at, spans.reduce((n, [from, to]) => (from > 0 && from <= at && at < to ? n + 1 : n), 0)] as const;
  });
}

const duplicateM = 200;
const duplicateMs = 30 * 60_000;

/** An open incident that a new call may be about. */
export type Likely = Readonly<{ incident: Feature; distanceM: number }>;

/**
 * Open incidents of the same group of types, opened within half an hour and 200 m of a place, nearest first. Types are
 * of a group when their category is the same: a caller's "smoke" is another's "fire".
 */
export function duplicates(
  incidents: readonly Feature[],
  placeOf: (incident: Feature) => LngLat | null,
  codes: Codes,
  call: Readonly<{ at: LngLat | null; type: string; now: number }>,
): readonly Likely[] {
  const { at, now } = call;
  if (!at) return [];
  const group = (type: string) => codes.incidentType(type)?.category ?? type;
  const wanted = group(call.type);
  return openIncidents(incidents, codes)
    .flatMap((incident) => {
      const place = placeOf(incident);
      if (!place || Math.abs(now - openedAt(incident)) > duplicateMs) return [];
      if (call.type !== "" && group(text(incident, "type")) !== wanted) return [];
      const distanceM = distance(at, place);
      return distanceM <= duplicateM ? [{ incident, distanceM }] : [];
    })
    .sort((a, b) => a.distanceM - b.distanceM);
}

/** Great-circle metres between two places. */
export function distance([lngA, latA]: LngLat, [lngB, latB]: LngLat): number {
  const rad = Math.PI / 180;
  const dLat = (latB - latA) * rad;
  const dLng = (lngB - lngA) * rad;
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(latA * rad) * Math.cos(latB * rad) * Math.sin(dLng / 2) ** 2;
  return 2 * 6_371_008.8 * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** Reads a place that a person wrote: "39.7447, -75.5466", also in Persian digits, latitude first; null when it is none. */
export function parsePlace(written: string): LngLat | null {
  const latin = written
    .replace(/[۰-۹]/g, (d) => String(d.charCodeAt(0) - 0x06f0))
    .replace(/[٠-٩]/g, (d) => String(d.charCodeAt(0) - 0x0660))
    .replace(/٫/g, ".")
    .replace(/[\u2212\u2013]/g, "-")
    .replace(/[\u200e\u200f\u2066-\u2069]/g, "");
  const match = /^\s*([+-]?\d{1,2}(?:\.\d+)?)\s*°?\s*[,،;\s]\s*([+-]?\d{1,3}(?:\.\d+)?)\s*°?\s*$/.exec(latin);
  if (!match) return null;
  const lat = Number(match[1]);
  const lng = Number(match[2]);
  return Math.abs(lat) <= 90 && Math.abs(lng) <= 180 ? [lng, lat] : null;
}
