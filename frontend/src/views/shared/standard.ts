import type { Codes } from "../../ui/codes";
import type { Standard } from "../../ui/elapsed";
import { text, time, type Feature } from "../../world/feature";
import { openedAt } from "./incidents";

/** The earliest moment in any of the properties of any of the assignments, Unix ms; NaN when there is none. */
function earliest(assignments: readonly Feature[], names: readonly string[]): number {
  let first = Infinity;
  for (const assignment of assignments) {
    for (const name of names) {
      const at = time(assignment, name);
      if (at < first) first = at;
    }
  }
  return first === Infinity ? NaN : first;
}

/**
 * How an incident stands against the standard of its type: what is timed is what the preset says, from the stamps of its
 * assignments, never simply the time since the call. Null where no standard is set or its clock has not begun.
 */
export function standardOf(incident: Feature, assignments: readonly Feature[], codes: Codes, now: number): Standard | null {
  const standard = codes.incidentType(text(incident, "type"))?.standard;
  if (!standard) return null;
  // What a status means to a screen is its token: "on the way" and "on scene" bear other codes in each city.
  const stamps = (token: string) => codes.statuses.filter((s) => s.token === token && !s.on_assign).map((s) => `${s.code}_at`);
  const assigned = earliest(assignments, ["assigned_at"]);
  const left = earliest(assignments, stamps("status-responding"));
  const arrived = earliest(assignments, stamps("status-on-scene"));
  const [from, to] = ((): readonly [number, number] => {
    switch (standard.measure) {
      case "response":
        return [openedAt(incident) || NaN, arrived];
      case "turnout":
        return [assigned, Number.isNaN(left) ? arrived : left];
      case "travel":
        return [left, arrived];
      case "turnout_and_travel":
        return [assigned, arrived];
      default:
        return [NaN, NaN]; // answering and processing a call are over when an incident is on a wall
    }
  })();
  if (Number.isNaN(from)) return null;
  const met = !Number.isNaN(to);
  return { seconds: standard.seconds, elapsedS: Math.max(0, ((met ? to : now) - from) / 1000), met, measure: standard.measure };
}

/** The assignments of each incident by its key, those that are over left out. */
export function assignmentsBy(assignments: readonly Feature[]): ReadonlyMap<string, readonly Feature[]> {
  const by = new Map<string, Feature[]>();
  for (const assignment of assignments) {
    const key = text(assignment, "incident");
    const some = by.get(key);
    if (some) some.push(assignment);
    else by.set(key, [assignment]);
  }
  return by;
}
