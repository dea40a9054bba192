import type { components } from "../api/types";
import { send, type Call, type Outcome } from "./http";

type Schemas = components["schemas"];

/** A feature as the door writes it. */
export type Incident = Schemas["Incident"];
export type Unit = Schemas["Unit"];
export type AlarmFeature = Schemas["Feature"];
/** Who called: opened by an audited call, never to be stored. */
export type Caller = Schemas["Caller"];
/** Name, place and time of the city. */
export type City = Schemas["City"];

type Properties = Schemas["IncidentPropertiesInput"];

/** What a dispatcher writes down of a new incident. */
export type NewIncident = Readonly<{
  at: readonly [lng: number, lat: number] | null;
  type: string;
  priority: string;
  name: string;
  description: string;
  caller: Readonly<{ name: string; phone: string }>;
}>;

/** Options of a write. */
export type Options = Pick<Call, "signal" | "onRetry">;

const incidentPath = (key: string, call = "") => `/api/v1/incidents/${encodeURIComponent(key)}${call}`;
const unitPath = (key: string, call = "") => `/api/v1/units/${encodeURIComponent(key)}${call}`;
const write = <T>(path: string, body: unknown, options?: Options) =>
  send<T>({ method: "POST", path, body, ...options });

/** Opens an incident. The server makes its key. The caller's name and phone are sealed before they are recorded. */
export function createIncident(incident: NewIncident, options?: Options): Promise<Outcome<Incident>> {
  const { at, type, priority, name, description, caller } = incident;
  const properties: Properties = { type, priority };
  if (name) properties.name = name;
  if (description) properties.description = description;
  if (caller.name || caller.phone) {
    properties.caller = {};
    if (caller.name) properties.caller.name = caller.name;
    if (caller.phone) properties.caller.phone = caller.phone;
  }
  const geometry = at ? { type: "Point" as const, coordinates: [...at] } : null;
  return write("/api/v1/incidents", { type: "Feature", geometry, properties }, options);
}

/** Changes what is written of an incident, if it still is at `rev`; refused with the present one otherwise. */
export function patchIncident(
  key: string,
  rev: number,
  properties: Readonly<Record<string, unknown>>,
  options?: Options,
): Promise<Outcome<Incident>> {
  return send({ method: "PATCH", path: incidentPath(key), body: { properties }, ifMatch: rev, ...options });
}

/** Sends units. A unit that works elsewhere is refused unless it is taken, with a reason. */
export function assign(
  incident: string,
  units: readonly string[],
  take: Readonly<{ reason: string }> | null = null,
  options?: Options,
): Promise<Outcome<Incident>> {
  const body = take ? { units, take: true, reason: take.reason } : { units };
  return write(incidentPath(incident, "/assign"), body, options);
}

/** Releases units; each takes its next status. */
export function release(
  incident: string,
  next: Readonly<Record<string, string>>,
  options?: Options & Readonly<{ reason?: string }>,
): Promise<Outcome<Incident>> {
  const { reason, ...rest } = options ?? {};
  return write(incidentPath(incident, "/release"), { units: Object.keys(next), next, ...(reason ? { reason } : {}) }, rest);
}

/** Closes an incident. Each unit that is still assigned needs a next status. */
export function closeIncident(
  incident: string,
  next: Readonly<Record<string, string>>,
  reason: string,
  options?: Options,
): Promise<Outcome<Incident>> {
  const body = { ...(Object.keys(next).length > 0 ? { next } : {}), ...(reason ? { reason } : {}) };
  return write(incidentPath(incident, "/close"), body, options);
}

/** Changes the status of a unit as its agency's status machine allows. */
export function setUnitStatus(unit: string, status: string, options?: Options): Promise<Outcome<Unit>> {
  return write(unitPath(unit, "/status"), { status }, options);
}

/** Sets or clears distress, a flag over any status. */
export function setDistress(unit: string, distress: boolean, options?: Options): Promise<Outcome<Unit>> {
  return write(unitPath(unit, "/status"), { distress }, options);
}

/** Acknowledges an alarm. */
export function acknowledge(alarm: string, options?: Options): Promise<Outcome<AlarmFeature>> {
  return write(`/api/v1/alarms/${encodeURIComponent(alarm)}/ack`, {}, options);
}

/** Opens the sealed caller. Who opened it, when and why is recorded before the answer. */
export function openCaller(incident: string, reason: string, signal?: AbortSignal): Promise<Outcome<Caller>> {
  const query = reason ? `?reason=${encodeURIComponent(reason)}` : "";
  return send({ method: "GET", path: incidentPath(incident, "/caller") + query, ...(signal ? { signal } : {}) });
}

/** Name, place and time zone of the city. */
export function getCity(signal?: AbortSignal): Promise<Outcome<City>> {
  return send({ method: "GET", path: "/api/v1/city", ...(signal ? { signal } : {}) });
}

/** Every code, label, colour and shape of the country or city; typed by `ui/codes.ts`. */
export function getPreset<P>(signal?: AbortSignal): Promise<Outcome<P>> {
  return send({ method: "GET", path: "/api/v1/preset", ...(signal ? { signal } : {}) });
}
