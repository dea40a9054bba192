import type { components } from "../api/types";
import { send, type Outcome } from "./http";

/** From when to when the past can be played. */
export type Record = components["schemas"]["Record"];

/** Asks how far the record goes. Problems: `denied` for who may not replay, `no-history`. */
export function getRecord(signal?: AbortSignal): Promise<Outcome<Record>> {
  return send({ method: "GET", path: "/api/v1/record", ...(signal ? { signal } : {}) });
}
