import { text, time, type Feature } from "../../world/feature";

/** Something that happened and that somebody may want to see happen. */
export type Mark = Readonly<{
  /** Unix ms. */
  at: number;
  what: "opened" | "closed" | "arrived" | "distress" | "priority" | "level";
  /** Key of the incident; of the unit, for a call for help. */
  subject: string;
  /** The unit that arrived; the code of the level. */
  code: string;
  /** Ranks over what is less urgent to see; 0 the least. */
  weight: number;
}>;

/** What marks are read from. */
export type Stories = Readonly<{
  incidents: readonly Feature[];
  assignments: readonly Feature[];
  alarms: readonly Feature[];
  response: Feature | null;
}>;

/** A level that somebody saw or found to be another one. */
export type Raised = Readonly<{ at: number; what: "priority" | "level"; subject: string; code: string }>;

const weights: Readonly<Record<Mark["what"], number>> = { closed: 0, arrived: 1, opened: 2, priority: 3, level: 4, distress: 5 };

/**
 * Reads what happened from the stamps of what there is, of several worlds: that of now tells everything that was not
 * taken away, that of the past what was. The oldest first, each once. Of the units of an incident the first one that
 * arrived makes a mark: that is the moment that counts.
 */
export function marksOf(worlds: readonly Stories[], raised: readonly Raised[]): readonly Mark[] {
  const found = new Map<string, Mark>();
  const add = (at: number, what: Mark["what"], subject: string, code = "") => {
    if (Number.isFinite(at)) found.set(`${what} ${subject} ${code} ${at}`, { at, what, subject, code, weight: weights[what] });
  };
  for (const { incidents, assignments, alarms, response } of worlds) {
    for (const incident of incidents) {
      add(time(incident, "opened_at"), "opened", incident.key);
      add(time(incident, "closed_at"), "closed", incident.key);
    }
    const arrivals = new Map<string, readonly [at: number, unit: string]>();
    for (const assignment of assignments) {
      const at = time(assignment, "on_scene_at");
      const incident = text(assignment, "incident");
      const before = arrivals.get(incident);
      if (!Number.isNaN(at) && (!before || at < before[0])) arrivals.set(incident, [at, text(assignment, "unit")]);
    }
    for (const [incident, [at, unit]] of arrivals) add(at, "arrived", incident, unit);
    for (const alarm of alarms) {
      if (text(alarm, "type") === "distress") add(time(alarm, "raised_at"), "distress", subjectOf(alarm));
    }
    if (response) add(time(response, "since"), "level", "", text(response, "level"));
  }
  // What a screen saw, what it found in the record and the stamp of a response level may be the same: the first is the exact one.
  const same = (mark: Mark, of: Raised) => mark.what === of.what && mark.subject === of.subject && mark.code === of.code && Math.abs(mark.at - of.at) < sameMs;
  for (const one of [...raised].sort((a, b) => a.at - b.at)) {
    if (![...found.values()].some((mark) => same(mark, one))) add(one.at, one.what, one.subject, one.code);
  }
  return [...found.values()].sort((a, b) => a.at - b.at || b.weight - a.weight);
}

function subjectOf(alarm: Feature): string {
  const subjects: unknown = alarm.props["subjects"];
  const [first]: unknown[] = Array.isArray(subjects) ? subjects : [];
  return typeof first === "string" ? first : alarm.key;
}

/** The levels of a city at a moment: priorities of incidents by key, and the response level. */
export type LevelsThen = Readonly<{ at: number; priorities: ReadonlyMap<string, string>; response: string }>;

/** Reads the levels of a world. */
export function levelsThen(incidents: readonly Feature[], response: Feature | undefined, at: number): LevelsThen {
  return {
    at,
    priorities: new Map(incidents.map((incident) => [incident.key, `${text(incident, "priority")}/${text(incident, "alarm_level")}`])),
    response: response ? text(response, "level") : "",
  };
}

/** A level that was found so near to its stamp is the same. */
const sameMs = 60_000;
/** A level is found to within this, ms: the moment of a mark is the later end, so that it shows what was raised. */
const withinMs = 30_000;
/** Moments of the record that are looked at for one bar. */
const looksMost = 18;

/** How bad a level is on its scale; higher is worse. */
export type Rank = (code: string, scale: "priority" | "alarm_level" | "response_level") => number;

/**
 * Finds when levels of incidents and of the response were raised between two moments, by looking at moments of the record
 * and halving the widest part: a level has no stamp. What went up and came back between two looks is not found, and what
 * could not be found to half a minute is not told: a mark at the wrong moment is worse than none.
 *
 * @param look the levels at a moment, null where the record does not say.
 */
export async function findRaised(look: (at: number) => Promise<LevelsThen | null>, from: number, to: number, rank: Rank): Promise<readonly Raised[]> {
  const first = await look(from);
  const last = await look(to);
  const raised: Raised[] = [];
  const parts = first && last ? [[first, last] as const] : [];
  for (let looks = looksMost - 2; parts.length > 0; ) {
    parts.sort(([a, b], [c, d]) => b.at - a.at - (d.at - c.at));
    const [low, high] = parts.pop()!;
    const found = differences(low, high, rank);
    if (found.length === 0) continue;
    if (high.at - low.at <= withinMs) {
      raised.push(...found);
      continue;
    }
    if (looks-- <= 0) continue;
    const middle = await look((low.at + high.at) / 2);
    if (!middle) continue;
    // The record answers with its last frame at or before a moment: where there is none between, the change is that of the later end.
    if (middle.at > low.at && middle.at < high.at) parts.push([low, middle], [middle, high]);
    else raised.push(...found);
  }
  return raised.sort((a, b) => a.at - b.at);
}

function differences(low: LevelsThen, high: LevelsThen, rank: Rank): readonly Raised[] {
  const found: Raised[] = [];
  for (const [key, after] of high.priorities) {
    const before = low.priorities.get(key);
    if (before === undefined || before === after) continue;
    const [priority = "", alarm = ""] = after.split("/");
    const [priorityWas = "", alarmWas = ""] = before.split("/");
    const worse = rank(priority, "priority") > rank(priorityWas, "priority") || rank(alarm, "alarm_level") > rank(alarmWas, "alarm_level");
    if (worse) found.push({ at: high.at, what: "priority", subject: key, code: priority });
  }
  if (low.response !== high.response && rank(high.response, "response_level") > rank(low.response, "response_level")) {
    found.push({ at: high.at, what: "level", subject: "", code: high.response });
  }
  return found;
}
