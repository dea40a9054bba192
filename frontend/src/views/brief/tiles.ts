import { m, message } from "../../messages";
import { settings } from "../../ui/settings.svelte";
import { number, text, time, type Feature } from "../../world/feature";
import { openedAt, waiting } from "../shared/incidents";
import { closuresOf, nameBy, trendLine } from "../shared/reach";
import { standardName, withinText } from "../shared/reachwords";
import { whoDid } from "../shared/who";
import { isolate, nameOfIncident } from "../shared/words";
import type { Brief } from "./brief.svelte";
import { byPriority, type Confirmed, type Figure } from "./city";

/** A number as everybody on this screen sees it: with its moment, its source, and what it counts. The picture and the paper are made of the same. */
export type Tile = Readonly<{
  id: string;
  label: string;
  value: string;
  /** Of what, or which: beside the number. */
  note: string;
  /** Something to look at, or to act on. Never red for what is only bad. */
  tone: "" | "attention" | "act-now";
  /** Unix ms. */
  asOf: number;
  source: string;
  definition: string;
  confirmed: Confirmed | "";
  /** How it changed in the last hour, in words; "" unknown or not at all. */
  change: string;
  /** What it is made of. */
  rows: readonly (readonly [label: string, value: string])[];
  /** Keys of incidents that it counts, for whom wants to see which. */
  incidents: readonly string[];
  /** Over the day, the oldest first. */
  trend: readonly (readonly [at: number, share: number])[];
}>;

const tile = (some: Pick<Tile, "id" | "label" | "value" | "asOf"> & Partial<Tile>): Tile => ({
  note: "", tone: "", source: m.brief_source_record(), definition: "", confirmed: "", change: "", rows: [], incidents: [], trend: [], ...some,
});

/** "+3", "−2": with its sign, and nothing for no change. */
export function signed(value: number, write = (n: number) => settings.format.number(n)): string {
  if (!Number.isFinite(value) || value === 0) return "";
  return isolate(`${value > 0 ? "+" : "−"}${write(Math.abs(value))}`);
}

/** "+3 since 13:32". */
function since(value: number, from: number, now: number, write?: (n: number) => string): string {
  const by = signed(value, write);
  return by ? m.brief_change_since({ by, time: settings.format.moment(from, now) }) : "";
}

/** Two moments that are closer are not compared by their numbers. */
const comparableMs = 10 * 60_000;

/** The numbers that the record itself gives. */
export function tilesOf(brief: Brief): readonly Tile[] {
  const { live, open, fleet, room, moment, coverageFeature } = brief;
  // A record that has just begun, or had no units then, says how the city was being put in, not how it changed.
  const changes = brief.changes && brief.changes.to - brief.changes.from >= comparableMs ? brief.changes : null;
  const fleetChanges = brief.then && brief.then.committed + brief.then.free > 0 ? changes : null;
  const { format } = settings;
  const { codes } = live;
  const from = changes?.from ?? NaN;
  const asOf = moment;
  const unsent = waiting(open);
  const longest = unsent[0] ? format.elapsed((moment - openedAt(unsent[0])) / 1000) : "";
  const priority = (code: string) => settings.label(codes.priority(code), code) || m.brief_no_priority();
  const levels = byPriority(open, codes).map(({ code, count }) => [priority(code), format.number(count)] as const);

  const tiles: Tile[] = [
    tile({
      id: "incidents",
      label: m.brief_incidents(),
      value: format.count(open.length),
      note: [...levels.slice(0, 2).map(([name, count]) => `${count} × ${isolate(name)}`), m.brief_not_sensitive()].join("\n"),
      asOf,
      definition: m.brief_incidents_means(),
      change: since(changes?.open ?? NaN, from, asOf),
      rows: levels,
      incidents: open.map(({ key }) => key),
    }),
    tile({
      id: "waiting",
      label: m.brief_waiting(),
      value: format.count(unsent.length),
      note: longest && m.brief_longest({ time: longest }),
      tone: unsent.length > 0 ? "attention" : "",
      asOf,
      definition: m.brief_waiting_means(),
      incidents: unsent.map(({ key }) => key),
    }),
    tile({
      id: "committed",
      label: m.brief_committed(),
      value: format.count(fleet.committed),
      note: m.brief_of_units({ all: format.count(fleet.all) }),
      asOf,
      definition: m.brief_committed_means(),
      change: since(fleetChanges?.committed ?? NaN, from, asOf),
      rows: statusRows(live.units, brief),
    }),
    tile({
      id: "free",
      label: m.brief_free(),
      value: format.count(fleet.free),
      note: fleet.away > 0 ? m.brief_away({ count: format.count(fleet.away) }) : "",
      tone: fleet.all > 0 && fleet.free === 0 ? "attention" : "",
      asOf,
      definition: m.brief_free_means(),
      change: since(fleetChanges?.free ?? NaN, from, asOf),
      rows: statusRows(live.units, brief),
    }),
  ];
  if (room.open > 0) {
    const counted = room.open - room.uncounted;
    tiles.push(
      tile({
        id: "shelters",
        label: m.brief_places(),
        value: counted > 0 ? format.count(Math.max(0, room.places - room.taken)) : "?",
        note: counted > 0 ? m.brief_taken({ taken: format.count(room.taken), places: format.count(room.places) }) : m.brief_uncounted({ count: format.number(room.uncounted) }),
        tone: counted > 0 && room.places - room.taken <= 0 ? "attention" : "",
        asOf: room.oldest,
        definition: m.brief_places_means(),
        source: m.brief_source_shelters(),
        change: since(changes?.sheltered ?? NaN, from, moment),
        rows: [
          [m.brief_shelters_open(), format.number(room.open)],
          ...(room.uncounted > 0 ? ([[m.brief_shelters_uncounted(), format.number(room.uncounted)]] as const) : []),
          ...(Number.isFinite(room.newest) ? ([[m.brief_shelters_newest(), format.moment(room.newest, moment)]] as const) : []),
          ...shelterRows(brief),
        ],
      }),
    );
  }
  const standard = live.cover?.standards[0];
  if (live.cover && standard) {
    const at = coverageFeature ? time(coverageFeature, "at") : NaN;
    const line = trendLine(live.cover.trend, moment, 100, 30);
    const points = (share: number) => `${format.number(share * 100, 1)}`;
    tiles.push(
      tile({
        id: "coverage",
        label: m.brief_coverage({ capability: standardName(standard, codes) }),
        value: format.share(standard.share),
        note: m.brief_within({ time: withinText(standard.seconds), of: message(`cover_of_${standard.basis}`) ?? "" }),
        tone: live.voids.length > 0 ? "attention" : "",
        asOf: Number.isFinite(at) ? at : asOf,
        source: m.brief_source_roads(),
        definition: m.brief_coverage_means(),
        change: changes?.covered ? m.brief_points_since({ by: signed(changes.covered, points), time: format.moment(from, moment) }) : "",
        rows: [
          ...live.cover.standards.slice(1).map((held) => [`${standardName(held, codes)} · ${withinText(held.seconds)}`, format.share(held.share)] as const),
          ...(line ? ([[m.brief_lowest_highest(), `${format.percent(line.low)} – ${format.percent(line.high)}`]] as const) : []),
          ...live.voids.map((v) => [m.brief_void(), nameBy(v.props["names"], settings.language) || text(v, "zone")] as const),
        ],
        trend: live.cover.trend,
      }),
    );
  }
  const active = live.hazards.filter((f) => f.props["active"] !== false);
  const closures = closuresOf(active);
  if (active.length > 0) {
    tiles.push(
      tile({
        id: "hazards",
        label: m.brief_hazards(),
        value: format.count(active.length),
        note: closures.length > 0 ? m.brief_closures({ count: format.number(closures.length) }) : "",
        asOf,
        definition: m.brief_hazards_means(),
        rows: active.map((f) => {
          const type = text(f, "type");
          const until = time(f, "valid_to");
          return [text(f, "name") || settings.label(codes.hazardType(type), type), Number.isNaN(until) ? m.brief_until_withdrawn() : m.brief_until({ time: format.moment(until, moment) })] as const;
        }),
      }),
    );
  }
  return tiles;
}

function statusRows(units: readonly Feature[], { live }: Brief): Tile["rows"] {
  const counts = new Map<string, number>();
  for (const unit of units) counts.set(text(unit, "status"), (counts.get(text(unit, "status")) ?? 0) + 1);
  return live.codes.statuses.map((status) => [settings.label(status, status.code), settings.format.number(counts.get(status.code) ?? 0)] as const);
}

/** Each open shelter with its own count, the fullest first: "120 of 300 · 14:10". */
function shelterRows({ live, moment }: Brief): Tile["rows"] {
  const { format } = settings;
  const share = (f: Feature) => number(f, "occupancy") / number(f, "capacity") || 0;
  return live.shelters
    .filter((f) => live.codes.shelterStatus(text(f, "status"))?.admits === true)
    .sort((a, b) => share(b) - share(a))
    .map((f) => {
      const [people, places, counted] = [number(f, "occupancy"), number(f, "capacity"), time(f, "counted_at")];
      const known = !Number.isNaN(people) && !Number.isNaN(places);
      const count = known ? m.brief_people_of({ people: format.number(people), places: format.number(places) }) : m.brief_not_counted();
      return [text(f, "name") || f.key, known && !Number.isNaN(counted) ? `${count} · ${format.moment(counted, moment)}` : count] as const;
    });
}

/** A figure that somebody gave, as a tile. */
export function figureTile(figure: Figure, brief: Brief): Tile {
  const { format } = settings;
  const kind = brief.live.codes.preset.figures?.find(({ code }) => code === figure.name);
  const unit = kind ? kind.unit[settings.language] : figure.unit;
  const whole = Number.isInteger(figure.value);
  const write = (n: number) => format.number(n, whole ? 0 : 2);
  return tile({
    id: figure.key,
    label: settings.label(kind, figure.label || figure.name),
    value: write(figure.value),
    note: unit,
    asOf: figure.asOf,
    source: figure.source,
    definition: kind ? kind.definition[settings.language] : figure.definition,
    confirmed: figure.confirmed,
    change: figure.before ? since(figure.value - figure.before.value, figure.before.asOf, brief.moment, write) : "",
    rows: [
      [m.brief_written_by(), whoDid(figure.by)],
      [m.brief_written_at(), format.moment(figure.at, brief.moment)],
      ...(figure.before ? ([[m.brief_before({ time: format.moment(figure.before.asOf, brief.moment) }), write(figure.before.value)]] as const) : []),
    ],
  });
}

/** The same for each way of being known: a word and a shape, never colour alone. */
export function confirmedWord(confirmed: Confirmed): Readonly<{ word: string; shape: string }> {
  const shapes: Readonly<Record<Confirmed, string>> = { confirmed: "circle", reported: "half_circle", estimated: "ring" };
  return { word: message(`brief_${confirmed}`) ?? confirmed, shape: shapes[confirmed] };
}

/** What changed in the last hour, a line each, what matters most first. */
export function changeLines(brief: Brief): readonly Readonly<{ id: string; text: string; incident: string; tone: Tile["tone"] }>[] {
  const { changes, live, then } = brief;
  if (!changes) return [];
  const { codes } = live;
  const { format } = settings;
  const name = (key: string) => {
    if (live.world.get(key)) return isolate(nameOfIncident(key, live));
    const before = then?.incidents[key];
    return isolate(before ? before.name || settings.label(codes.incidentType(before.type), before.type) : key);
  };
  const level = (code: string) => (code ? settings.label(codes.scale("response_level").find((v) => v.code === code), code) : m.brief_level_none());
  const priority = (code: string) => settings.label(codes.priority(code), code);
  const figure = (key: string) => brief.figures.find((f) => f.key === key);
  const hazard = (key: string) => {
    const h = live.world.get(key)?.props ?? then?.hazards[key] ?? {};
    const type = String(h["type" as keyof typeof h] ?? "");
    return isolate(String(h["name" as keyof typeof h] ?? "") || settings.label(codes.hazardType(type), type) || key);
  };
  const fresh = changes.figures.flatMap(({ key, before, after }) => {
    const f = before === null ? figure(key) : undefined;
    return f ? [isolate(`${figureTile(f, brief).label} ${format.number(after, 2)}`)] : [];
  });
  const line = (id: string, words: string, incident = "", tone: Tile["tone"] = "") => ({ id, text: words, incident, tone });
  const most = (keys: readonly string[], n: number) => keys.slice(0, n);
  return [
    ...(changes.level ? [line("level", m.brief_level_changed({ before: isolate(level(changes.level.before)), after: isolate(level(changes.level.after)) }), "", "attention")] : []),
    ...changes.figures.flatMap(({ key, before, after }) => {
      const f = figure(key);
      if (!f) return [];
      const label = isolate(figureTile(f, brief).label);
      return before === null ? [] : [line(key, m.brief_figure_changed({ figure: label, before: format.number(before, 2), after: format.number(after, 2) }))];
    }),
    ...(fresh.length > 0 ? [line("figures", m.brief_figures_new({ figures: format.list(fresh) }))] : []),
    ...changes.turned.map((t) => line(`turned ${t.key}`, (t.worse ? m.brief_worse : m.brief_better)({ incident: name(t.key), level: isolate(priority(t.after)) }), t.key, t.worse ? "attention" : "")),
    ...most(changes.opened, 5).map((key) => line(`opened ${key}`, m.brief_opened({ incident: name(key) }), key)),
    ...(changes.opened.length > 5 ? [line("opened more", m.brief_opened_more({ count: format.number(changes.opened.length - 5) }))] : []),
    ...(changes.closed.length > 3
      ? [line("closed", m.brief_closed_many({ count: format.number(changes.closed.length) }))]
      : changes.closed.map((key) => line(`closed ${key}`, m.brief_closed({ incident: name(key) }), live.world.get(key) ? key : ""))),
    ...changes.hazardsNew.map((key) => line(`hazard ${key}`, m.brief_hazard_new({ hazard: hazard(key) }))),
    ...changes.hazardsOver.map((key) => line(`over ${key}`, m.brief_hazard_over({ hazard: hazard(key) }))),
  ];
}
