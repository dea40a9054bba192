import type { Preset } from "../../preset";
import type { Codes } from "../../ui/codes";
import { flag, number, text, time, type Feature } from "../../world/feature";

/** What the units of a city are doing, counted once each. */
export type Fleet = Readonly<{
  all: number;
  /** Assigned to an incident, or in a status of work. */
  committed: number;
  /** May be sent at once. */
  free: number;
  /** Neither: on the way back, out of service, without a crew. */
  away: number;
  /** Keys of units that call for help. */
  distress: readonly string[];
}>;

/** Counts units by what can be asked of them. */
export function fleetOf(units: readonly Feature[], codes: Codes): Fleet {
  let committed = 0;
  let free = 0;
  const distress: string[] = [];
  for (const unit of units) {
    if (flag(unit, "distress")) distress.push(unit.key);
    if (text(unit, "assigned") !== "" || codes.status(text(unit, "status"))?.busy === true) committed++;
    else if (flag(unit, "dispatchable")) free++;
  }
  return { all: units.length, committed, free, away: units.length - committed - free, distress };
}

/** What is known of the room in shelters. */
export type Room = Readonly<{
  /** Shelters that take people now. */
  open: number;
  /** Places and people in those of them that are counted. */
  places: number;
  taken: number;
  /** Open ones that nobody has counted. */
  uncounted: number;
  /** When the count that is oldest and the one that is newest were made, Unix ms; NaN when there is none. */
  oldest: number;
  newest: number;
}>;

/** Adds up the open shelters. One without a capacity or a count adds nothing but to `uncounted`: unknown is not empty. */
export function roomOf(shelters: readonly Feature[], codes: Codes): Room {
  let [open, places, taken, uncounted, oldest, newest] = [0, 0, 0, 0, Infinity, -Infinity];
  for (const shelter of shelters) {
    if (codes.shelterStatus(text(shelter, "status"))?.admits !== true) continue;
    open++;
    const capacity = number(shelter, "capacity");
    const people = number(shelter, "occupancy");
    const counted = time(shelter, "counted_at");
    if (Number.isNaN(capacity) || Number.isNaN(people)) {
      uncounted++;
      continue;
    }
    places += capacity;
    taken += people;
    if (!Number.isNaN(counted)) [oldest, newest] = [Math.min(oldest, counted), Math.max(newest, counted)];
  }
  const known = Number.isFinite(oldest);
  return { open, places, taken, uncounted, oldest: known ? oldest : NaN, newest: known ? newest : NaN };
}

/** How well a number is known. */
export type Confirmed = "confirmed" | "reported" | "estimated";

/** A number with all that makes it one: source, moment, how well it is known, what it counts. */
export type Figure = Readonly<{
  key: string;
  /** A code of the preset, or a name of its own. */
  name: string;
  /** Of one that the preset has no words for; "" otherwise. */
  label: string;
  value: number;
  unit: string;
  definition: string;
  /** Unix ms. */
  asOf: number;
  source: string;
  /** Who wrote it down, and when. */
  by: string;
  at: number;
  confirmed: Confirmed;
  /** The number before this one. */
  before: Readonly<{ value: number; asOf: number }> | null;
  rev: number;
}>;

const confirmations: readonly Confirmed[] = ["confirmed", "reported", "estimated"];

/** Reads the figures, in the order of the preset and then by their names. One without a number is left out. */
export function figuresOf(features: readonly Feature[], preset: Pick<Preset, "figures">): readonly Figure[] {
  const order = new Map((preset.figures ?? []).map((kind, i) => [kind.code, i]));
  const place = (figure: Figure) => order.get(figure.name) ?? order.size;
  return features
    .flatMap((feature): Figure[] => {
      const value = number(feature, "value");
      if (Number.isNaN(value)) return [];
      const before = feature.props["before"] as Readonly<{ value?: unknown; as_of?: unknown }> | null | undefined;
      return [
        {
          key: feature.key,
          name: text(feature, "name"),
          label: text(feature, "label"),
          value,
          unit: text(feature, "unit"),
          definition: text(feature, "definition"),
          asOf: time(feature, "as_of"),
          source: text(feature, "source"),
          by: text(feature, "by"),
          at: time(feature, "at"),
          confirmed: confirmations.find((c) => c === text(feature, "confirmed")) ?? "reported",
          before: typeof before?.value === "number" ? { value: before.value, asOf: Date.parse(String(before.as_of)) } : null,
          rev: feature.rev,
        },
      ];
    })
    .sort((a, b) => place(a) - place(b) || (a.key < b.key ? -1 : 1));
}

/** Something that somebody has to decide. */
export type Decision = Readonly<{
  key: string;
  name: string;
  text: string;
  /** Unix ms; NaN when no time is set. */
  due: number;
  owner: string;
  status: string;
  by: string;
  at: number;
  settledAt: number;
  rev: number;
}>;

/** Reads decisions: the open ones by when they are due, then those that were settled last. */
export function decisionsOf(features: readonly Feature[]): Readonly<{ open: readonly Decision[]; settled: readonly Decision[] }> {
  const all = features.map((f): Decision => {
    const [due, at, settledAt] = [time(f, "due"), time(f, "at"), time(f, "settled_at")];
    return { key: f.key, name: text(f, "name"), text: text(f, "text"), due, owner: text(f, "owner"), status: text(f, "status"), by: text(f, "by"), at, settledAt, rev: f.rev };
  });
  const last = (n: number, otherwise: number) => (Number.isNaN(n) ? otherwise : n);
  return {
    open: all.filter((d) => d.status === "open").sort((a, b) => last(a.due, Infinity) - last(b.due, Infinity) || a.at - b.at || (a.key < b.key ? -1 : 1)),
    settled: all.filter((d) => d.status !== "open").sort((a, b) => last(b.settledAt, 0) - last(a.settledAt, 0)),
  };
}

/** What people wrote about the city as a whole. */
export type Situation = Readonly<{
  text: string;
  lang: string;
  author: string;
  at: number;
  /** Until when it holds, and when the next one comes, Unix ms; NaN not said. */
  until: number;
  nextBriefing: number;
  commander: string;
  commanderPhone: string;
  rev: number;
}>;

/** Reads the situation line; null when nobody has written one. */
export function situationOf(feature: Feature | undefined): Situation | null {
  if (!feature || text(feature, "text") === "") return null;
  return {
    text: text(feature, "text"),
    lang: text(feature, "lang"),
    author: text(feature, "author") || text(feature, "by"),
    at: time(feature, "at"),
    until: time(feature, "until"),
    nextBriefing: time(feature, "next_briefing"),
    commander: text(feature, "commander"),
    commanderPhone: text(feature, "commander_phone"),
    rev: feature.rev,
  };
}

/** How many open incidents have each priority, the worst first; only those that occur. */
export function byPriority(incidents: readonly Feature[], codes: Codes): readonly Readonly<{ code: string; count: number }>[] {
  const counts = new Map<string, number>();
  for (const incident of incidents) counts.set(text(incident, "priority"), (counts.get(text(incident, "priority")) ?? 0) + 1);
  return [...counts].map(([code, count]) => ({ code, count })).sort((a, b) => codes.priorityRank(b.code) - codes.priorityRank(a.code));
}

/** The number in an address of a phone: digits and a leading plus, "" when there is nothing to dial. */
export function dial(written: string): string {
  const latin = written
    .replace(/[۰-۹]/g, (d) => String(d.charCodeAt(0) - 0x06f0))
    .replace(/[٠-٩]/g, (d) => String(d.charCodeAt(0) - 0x0660));
  const digits = latin.replace(/[^\d*#]/g, "");
  return digits === "" ? "" : `tel:${/^\s*\+/.test(latin) ? "+" : ""}${digits}`;
}

