import { send, type Outcome } from "../../commands/http";
import type { Confirmed } from "./city";

/** What is written of a fact: the members that are given. Moments are RFC 3339. */
type Body = Readonly<Record<string, unknown>>;

const part = encodeURIComponent;
const given = (body: Body): Body => Object.fromEntries(Object.entries(body).filter(([, value]) => value !== "" && value !== undefined));
/** Writes a fact whole, if it still is at the revision that was seen; 0 when there was none. */
const put = (path: string, body: Body, rev: number): Promise<Outcome<unknown>> =>
  send({ method: "PUT", path: `/api/v1/${path}`, body: given(body), ...(rev > 0 ? { ifMatch: rev } : {}) });

/** The line that is read first. */
export type SituationInput = Readonly<{ text: string; lang: string; author: string; until: string; next_briefing: string; commander: string; commander_phone: string }>;
/** Writes the situation line. */
export const putSituation = (input: SituationInput, rev: number) => put("situation", input, rev);
/** Sets the response level, with the reason for it. */
export const putResponse = (input: Readonly<{ level: string; reason: string }>, rev: number) => put("response", input, rev);

/** A number, with what makes it one. */
export type FigureInput = Readonly<{ label: string; value: number; unit: string; as_of: string; source: string; confirmed: Confirmed; definition: string }>;
/** Writes a figure. */
export const putFigure = (name: string, input: FigureInput, rev: number) => put(`figures/${part(name)}`, input, rev);

/** Something to decide. */
export type DecisionInput = Readonly<{ text: string; due: string; owner: string; status: "open" | "done" | "dropped" }>;
/** Writes a decision down, or settles it: `done` is yes, `dropped` is no. */
export const putDecision = (name: string, input: DecisionInput, rev: number) => put(`decisions/${part(name)}`, input, rev);
