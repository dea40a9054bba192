import type { components } from "../api/types";
import { send, type Call, type Outcome } from "./http";
import { inWorld } from "./world";

type Schemas = components["schemas"];

/** Who is nearest, and how many could not be ranked. */
export type NearestUnits = Schemas["NearestUnits"];
/** One unit of that answer. */
export type NearUnit = NearestUnits["units"][number];
/** How a time was found: over the roads, or by the straight line where there is no road, or no need of one. */
export type By = NearUnit["by"];
/** The way of one unit. */
export type Route = Schemas["Route"];
/** What a share is a share of. */
export type Basis = Schemas["CoverageBasis"];
/** The share that can be reached in time. */
export type Coverage = Schemas["Coverage"];
/** What the city loses and wins when units go and come. */
export type WhatIf = Schemas["WhatIf"];
/** Moves, the best first, and the most that any choice of as many moves could win. */
export type MoveUps = Schemas["MoveUps"];
/** A hazard as the door writes it. */
export type Hazard = Schemas["Hazard"];

/** A standard: reached in so many seconds by units of a capability; "" is any. */
export type Standard = Readonly<{ capability: string; seconds: number }>;

/** A closure as a dispatcher draws it. */
export type NewClosure = Readonly<{
  geometry: GeoJSON.LineString | GeoJSON.Polygon;
  type: string;
  name: string;
  reason: string;
  /** 0: nobody drives through; else the share of the speed that is left. */
  factor: number;
  /** Unix ms; null: until it is withdrawn. */
  until: number | null;
}>;

type Options = Pick<Call, "signal" | "onRetry">;

const read = <T>(path: string, query: URLSearchParams, signal?: AbortSignal) =>
  send<T>({ method: "GET", path: `${path}?${query}`, ...(signal ? { signal } : {}) });

/** Asks who is nearest of those who may be sent: by road where the server has roads. */
export function nearest(at: readonly [lng: number, lat: number], capability: string, k: number, signal?: AbortSignal): Promise<Outcome<NearestUnits>> {
  const query = new URLSearchParams({ lon: String(at[0]), lat: String(at[1]), k: String(k), dispatchable: "true" });
  if (capability) query.set("capability", capability);
  return read("/api/v1/units/nearest", query, signal);
}

/** Asks for the way of a unit to an incident, with names of streets in a language. */
export function route(unit: string, incident: string, language: string, signal?: AbortSignal): Promise<Outcome<Route>> {
  return read("/api/v1/route", new URLSearchParams({ unit, incident, lang: language }), signal);
}

/** Asks what share can be reached in time now. */
export function coverage({ capability, seconds }: Standard, signal?: AbortSignal): Promise<Outcome<Coverage>> {
  const query = new URLSearchParams({ seconds: String(seconds) });
  if (capability) query.set("capability", capability);
  return read("/api/v1/coverage", query, signal);
}

/** Asks what the city loses when units go, by each of their capabilities in its own standard. Changes nothing. */
export function whatIf(remove: readonly string[], signal?: AbortSignal): Promise<Outcome<WhatIf>> {
  const body: Schemas["WhatIfInput"] = { remove: [...remove] };
  return send({ method: "POST", path: "/api/v1/coverage/whatif", body, question: true, ...(signal ? { signal } : {}) });
}

/** Asks which units would close gaps if they stood elsewhere. */
export function moveUps({ capability, seconds }: Standard, max: number, signal?: AbortSignal): Promise<Outcome<MoveUps>> {
  const query = new URLSearchParams({ seconds: String(seconds), max: String(max) });
  if (capability) query.set("capability", capability);
  return read("/api/v1/coverage/moveups", query, signal);
}

/** Address of the tiles that show what cannot be reached in time; another `seq` makes it another address. */
export function coverageTiles({ capability, seconds }: Standard, seq: number): string {
  const query = new URLSearchParams({ seconds: String(seconds), ...(capability ? { capability } : {}), seq: String(seq) });
  return inWorld(`${location.origin}/api/v1/coverage/{z}/{x}/{y}.png?${query}`);
}

/** Closes or slows streets. The server makes the key. */
export function closeRoads(closure: NewClosure, options?: Options): Promise<Outcome<Hazard>> {
  const { geometry, type, name, reason, factor, until } = closure;
  const properties: Record<string, unknown> = { type, impassable: factor === 0 };
  if (factor > 0) properties["speed_factor"] = factor;
  if (name) properties["name"] = name;
  if (reason) properties["reason"] = reason;
  if (until !== null) properties["valid_to"] = new Date(until).toISOString();
  return send({ method: "POST", path: "/api/v1/hazards", body: { type: "Feature", geometry, properties }, ...options });
}

/** Takes a closure away. */
export function withdraw(key: string, options?: Options): Promise<Outcome<unknown>> {
  return send({ method: "DELETE", path: `/api/v1/hazards/${encodeURIComponent(key)}`, ...options });
}

/** Puts a closure back as it was. */
export function restore(key: string, geometry: GeoJSON.Geometry, properties: Readonly<Record<string, unknown>>, options?: Options): Promise<Outcome<Hazard>> {
  return send({ method: "PUT", path: `/api/v1/hazards/${encodeURIComponent(key)}`, body: { type: "Feature", geometry, properties }, ...options });
}
