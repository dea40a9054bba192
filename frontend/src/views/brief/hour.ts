import type { Codes } from "../../ui/codes";
import { text, type Feature } from "../../world/feature";
import type { World } from "../../world/world";
import { openIncidents } from "../shared/incidents";
import { coverRecord } from "../shared/reach";
import { fleetOf, roomOf } from "./city";

/** One incident, as it stood at a moment. */
export type Stood = Readonly<{ name: string; type: string; priority: string; open: boolean }>;

/** What a city was at a moment of the record: no more than a comparison needs, so that it can be kept. */
export type Summary = Readonly<{
  /** Unix ms. */
  at: number;
  incidents: Readonly<Record<string, Stood>>;
  open: number;
  committed: number;
  free: number;
  /** People in the shelters that are counted. */
  sheltered: number;
  /** Of the first standard; null when the record has none. */
  covered: number | null;
  hazards: Readonly<Record<string, Readonly<{ type: string; name: string }>>>;
  /** The code of the response level; "" none. */
  level: string;
  figures: Readonly<Record<string, number>>;
}>;

/** Sums a world up. */
export function summaryOf(world: Pick<World, "features" | "get">, at: number, codes: Codes): Summary {
  const incidents = world.features("incident");
  const fleet = fleetOf(world.features("unit"), codes);
  const active = world.features("hazard").filter((f) => f.props["active"] !== false);
  const stood = (f: Feature): Stood => ({ name: text(f, "name"), type: text(f, "type"), priority: text(f, "priority"), open: !codes.isFinal(text(f, "status")) });
  const figures = world.features("figure").flatMap((f) => (typeof f.props["value"] === "number" ? [[f.key, f.props["value"]] as const] : []));
  const level = world.features("response")[0];
  return {
    at,
    incidents: Object.fromEntries(incidents.map((f) => [f.key, stood(f)])),
    open: openIncidents(incidents, codes).length,
    committed: fleet.committed,
    free: fleet.free,
    sheltered: roomOf(world.features("shelter"), codes).taken,
    covered: coverRecord(world.features("coverage")[0])?.standards[0]?.share ?? null,
    hazards: Object.fromEntries(active.map((f) => [f.key, { type: text(f, "type"), name: text(f, "name") }])),
    level: level ? text(level, "level") : "",
    figures: Object.fromEntries(figures),
  };
}

/** An incident whose level changed. */
export type Turned = Readonly<{ key: string; before: string; after: string; worse: boolean }>;

/** What differs between two moments. */
export type Changes = Readonly<{
  from: number;
  to: number;
  /** Keys of incidents that were opened between, and are open now or not. */
  opened: readonly string[];
  /** Keys of incidents that were open and are over. */
  closed: readonly string[];
  turned: readonly Turned[];
  hazardsNew: readonly string[];
  hazardsOver: readonly string[];
  level: Readonly<{ before: string; after: string }> | null;
  figures: readonly Readonly<{ key: string; before: number | null; after: number }>[];
  /** Differences of numbers; null where one of the two moments has none. */
  open: number;
  committed: number;
  free: number;
  sheltered: number;
  covered: number | null;
}>;

/** Compares two moments. */
export function changesOf(then: Summary, now: Summary, codes: Codes): Changes {
  const rank = (code: string) => codes.priorityRank(code);
  const opened: string[] = [];
  const closed: string[] = [];
  const turned: Turned[] = [];
  for (const [key, incident] of Object.entries(now.incidents)) {
    const before = then.incidents[key];
    if (!before) opened.push(key);
    else if (before.open && !incident.open) closed.push(key);
    else if (incident.open && before.priority !== incident.priority) {
      turned.push({ key, before: before.priority, after: incident.priority, worse: rank(incident.priority) > rank(before.priority) });
    }
  }
  // One that was open and is not in the world any more was taken away: it is over as well.
  for (const [key, before] of Object.entries(then.incidents)) if (before.open && !(key in now.incidents)) closed.push(key);
  return {
    from: then.at,
    to: now.at,
    opened: opened.sort((a, b) => rank(now.incidents[b]!.priority) - rank(now.incidents[a]!.priority)),
    closed,
    turned: turned.sort((a, b) => Number(b.worse) - Number(a.worse)),
    hazardsNew: Object.keys(now.hazards).filter((key) => !(key in then.hazards)),
    hazardsOver: Object.keys(then.hazards).filter((key) => !(key in now.hazards)),
    level: then.level === now.level ? null : { before: then.level, after: now.level },
    figures: Object.entries(now.figures).flatMap(([key, after]) => {
      const before = then.figures[key] ?? null;
      return before === after ? [] : [{ key, before, after }];
    }),
    open: now.open - then.open,
    committed: now.committed - then.committed,
    free: now.free - then.free,
    sheltered: now.sheltered - then.sheltered,
    covered: now.covered === null || then.covered === null ? null : now.covered - then.covered,
  };
}

/** Whether nothing happened that a person would want to be told. */
export function isQuiet(c: Changes): boolean {
  const lists = [c.opened, c.closed, c.turned, c.hazardsNew, c.hazardsOver, c.figures];
  return c.level === null && lists.every((list) => list.length === 0);
}
