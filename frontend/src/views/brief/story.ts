import type { Codes } from "../../ui/codes";
import { text, time, type Feature } from "../../world/feature";
import type { World } from "../../world/world";

/** One thing that happened to an incident. */
export type Happening =
  | Readonly<{ at: number; what: "opened" | "closed" }>
  /** The incident as a whole took a status. */
  | Readonly<{ at: number; what: "status"; code: string }>
  | Readonly<{ at: number; what: "assigned" | "released"; unit: string }>
  /** A unit took a status on its way: `en_route`, `on_scene`. */
  | Readonly<{ at: number; what: "unit"; unit: string; code: string }>
  /** A level changed some time between `from` and `at`. */
  | Readonly<{ at: number; from: number; what: "level"; scale: Scale; before: string; after: string }>;

/** Scales that an incident is measured on. */
export type Scale = "priority" | "alarm_level" | "grade";
const scales: readonly Scale[] = ["priority", "alarm_level", "grade"];

/** The levels of an incident at a moment. */
export type Levels = Readonly<Record<Scale, string>>;

/** Reads the levels of an incident. */
export function levelsOf(incident: Feature): Levels {
  return { priority: text(incident, "priority"), alarm_level: text(incident, "alarm_level"), grade: text(incident, "grade") };
}

const same = (a: Levels, b: Levels) => scales.every((scale) => a[scale] === b[scale]);

/** What the stamps of an incident and of its assignments say, the oldest first. */
export function stampsOf(incident: Feature, assignments: readonly Feature[], codes: Codes): readonly Happening[] {
  const events: Happening[] = [];
  const add = (at: number, event: (at: number) => Happening) => {
    if (!Number.isNaN(at)) events.push(event(at));
  };
  add(time(incident, "opened_at"), (at) => ({ at, what: "opened" }));
  for (const status of codes.preset.incident_statuses) {
    if (status.initial || status.final) continue;
    add(time(incident, `${status.code}_at`), (at) => ({ at, what: "status", code: status.code }));
  }
  add(time(incident, "closed_at"), (at) => ({ at, what: "closed" }));
  for (const assignment of assignments) {
    if (text(assignment, "incident") !== incident.key) continue;
    const unit = text(assignment, "unit");
    add(time(assignment, "assigned_at"), (at) => ({ at, what: "assigned", unit }));
    for (const status of codes.statuses) {
      if (status.busy && !status.on_assign) add(time(assignment, `${status.code}_at`), (at) => ({ at, what: "unit", unit, code: status.code }));
    }
    add(time(assignment, "cleared_at"), (at) => ({ at, what: "released", unit }));
  }
  return inOrder(events);
}

const rank: Readonly<Record<Happening["what"], number>> = { opened: 0, assigned: 1, level: 2, unit: 3, status: 4, released: 5, closed: 6 };

/** By time; what happened at one moment in the order in which it happens. */
export function inOrder(events: readonly Happening[]): readonly Happening[] {
  return [...events].sort((a, b) => a.at - b.at || rank[a.what] - rank[b.what]);
}

/** A change of level is found to within this, ms. */
export const levelWithinMs = 60_000;
/** No more moments of the record than these are asked for one story. */
export const levelLooks = 12;

/**
 * Finds when the levels of an incident changed, by looking at moments of the record and halving: a level is no stamp. A
 * level that went up and came back between two looks is not found, so a story says that it was looked for and how.
 *
 * @param look the levels at a moment, or null where the record does not say.
 */
export async function findLevels(look: (at: number) => Promise<Levels | null>, from: number, to: number): Promise<readonly Happening[]> {
  let looks = levelLooks;
  const ask = async (at: number) => (looks-- > 0 ? look(at) : null);
  const events: Happening[] = [];
  const between = async (low: number, before: Levels, high: number, after: Levels): Promise<void> => {
    if (same(before, after)) return;
    if (high - low > levelWithinMs) {
      const middle = (low + high) / 2;
      const found = await ask(middle);
      if (found) {
        await between(low, before, middle, found);
        await between(middle, found, high, after);
        return;
      }
    }
    for (const scale of scales) {
      if (before[scale] !== after[scale]) events.push({ at: high, from: low, what: "level", scale, before: before[scale], after: after[scale] });
    }
  };
  const first = await ask(from);
  const last = await ask(to);
  if (first && last) await between(from, first, to, last);
  return events;
}

/** The levels of an incident as the record has them at a moment. */
export function levelsIn(world: World | null, key: string): Levels | null {
  const incident = world?.get(key);
  return incident ? levelsOf(incident) : null;
}
