import type { components } from "../api/types";
import { send, type Outcome } from "./http";

type Schemas = components["schemas"];
/** What a layout says, without its name. */
export type LayoutInput = Schemas["LayoutInput"];
type Feature = Schemas["Feature"];

const part = encodeURIComponent;

/** Writes a layout whole. With `rev`, only if it is still as it was seen: problem `stale` otherwise. */
export const putLayout = (name: string, body: LayoutInput, rev: number | null): Promise<Outcome<Feature>> =>
  send({ method: "PUT", path: `/api/v1/layouts/${part(name)}`, body, ...(rev === null ? {} : { ifMatch: rev }) });

/** Removes a layout; its displays show what is usual. */
export const deleteLayout = (name: string): Promise<Outcome<null>> => send({ method: "DELETE", path: `/api/v1/layouts/${part(name)}` });
