import * as commands from "../../commands/commands";
import type { NewIncident, Options } from "../../commands/commands";
import type { Outcome, Problem } from "../../commands/http";
import * as reach from "../../commands/reach";
import type { NewClosure } from "../../commands/reach";
import { m, problemText } from "../../messages";
import { settings } from "../../ui/settings.svelte";
import type { RouteLine } from "../../map/map";
import { flag, geometry, list, text, type Feature, type LngLat } from "../../world/feature";
import type { Live } from "../shared/live.svelte";
import { hazardName, incidentName, isolate, nameOfIncident } from "../shared/words";
import { Cover } from "./cover.svelte";
import { withoutLast, withPoint, type Draft } from "./draft";

/** Something to tell the dispatcher, beside what he looks at. */
export type Notice = Readonly<{
  id: number;
  tone: "saving" | "done" | "problem";
  text: string;
  /** Takes the command back; offered until `undoUntil`, Unix ms of this machine. */
  undo?: () => void;
  undoUntil?: number;
  /** Does it again after it failed. */
  retry?: () => void;
}>;

/** An assignment that is asked for but not yet on the screen by the stream. */
export type Ghost = Readonly<{ unit: string; incident: string }>;

/** A question that stands over everything else. */
export type Question =
  | Readonly<{ what: "take"; unit: string; incident: string; from: string }>
  | Readonly<{ what: "close"; incident: string }>
  | Readonly<{ what: "conflict"; incident: string; yours: Readonly<Record<string, unknown>>; current: Current }>
  | Readonly<{ what: "bar" }>
  | Readonly<{ what: "help" }>;

/** A feature as the server has it now. */
export type Current = Readonly<{ rev: number; properties: Readonly<Record<string, unknown>> }>;

const undoMs = 10_000;
const doneMs = 5000;
/** Before it a command that goes through is not worth a word. */
const savingAfterMs = 350;

/** What one dispatcher looks at and is doing: the selection, the commands under way, what they came to. */
export class Desk {
  readonly live: Live;
  /** The incident that is worked on. It stays while units are looked at. */
  incident = $state<string | null>(null);
  /** The unit that is looked at, over the incident. */
  unit = $state<string | null>(null);
  /** A new incident is being written. */
  writing = $state(false);
  /** The present one is being edited. */
  editing = $state(false);
  /** Where the next incident will be; null: the centre of the map. */
  pin = $state.raw<LngLat | null>(null);
  question = $state.raw<Question | null>(null);
  /** The dispatcher looks at the past: nothing is ordered until he looks at the present again. */
  held = $state(false);
  notices = $state.raw<readonly Notice[]>([]);
  ghosts = $state.raw<readonly Ghost[]>([]);
  /** Units chosen among the nearest, to be assigned by Enter. */
  chosen = $state.raw<readonly string[]>([]);
  /** Ways of those that are thought of, for the map. */
  routes = $state.raw<readonly RouteLine[]>([]);
  /** What of the coverage is looked at. */
  readonly cover: Cover;
  /** The closure that is being drawn. */
  drawing = $state.raw<Draft | null>(null);
  /** Where its next point would be: under the pointer, or where the arrows moved it. */
  cursor = $state.raw<LngLat | null>(null);
  /** A closure that is sent and not yet on the screen by the stream. */
  sent = $state.raw<Draft | null>(null);
  /** The closure that is looked at. */
  hazard = $state<string | null>(null);
  #lastId = 0;
  #undo: (() => void) | null = null;
  #undoUntil = 0;

  constructor(live: Live) {
    this.live = live;
    this.cover = new Cover(live);
  }

  /** Nothing can be ordered from here: this is the past, or somebody looks at it. */
  get closed(): boolean {
    return this.live.replay || this.held;
  }

  /** Says why a command is not possible, once. */
  refuse(): void {
    const words = m.problem_replay();
    if (!this.notices.some((notice) => notice.text === words)) this.tell("problem", words);
  }

  /** Shows an incident. */
  openIncident(key: string | null): void {
    if (this.incident !== key) this.chosen = [];
    this.incident = key;
    this.unit = null;
    this.hazard = null;
    this.editing = false;
  }

  /** Shows a closure among the others, and what is known of the roads and the coverage. */
  openRoads(hazard: string | null = null): void {
    this.openIncident(null);
    this.writing = false;
    this.pin = null;
    this.hazard = hazard;
  }

  /** Shows a unit, and marks the incident that it works on. */
  openUnit(key: string): void {
    this.unit = key;
    this.editing = false;
    const feature = this.live.world.get(key);
    const assigned = feature ? text(feature, "assigned") : "";
    if (assigned && !this.incident) this.incident = assigned;
  }

  /** Steps back by one: what is open is closed in the order in which it was opened. */
  escape(): void {
    if (this.question) this.question = null;
    else if (this.drawing) this.drawing = this.cursor = null;
    else if (this.chosen.length > 0) this.chosen = [];
    else if (this.writing) this.writing = false;
    else if (this.editing) this.editing = false;
    else if (this.unit) this.unit = null;
    else if (this.pin) this.pin = null;
    else if (this.hazard) this.hazard = null;
    else this.incident = null;
  }

  /** Begins a new incident at a place, or at the centre of the map. */
  write(at: LngLat | null = this.pin): void {
    if (this.#refusedInReplay()) return;
    this.pin = at;
    this.writing = true;
    this.drawing = null;
    this.unit = null;
    this.question = null;
  }

  /** Begins to draw a closure. The selection stays: the roads of this incident may be what is closed. */
  draw(): void {
    if (this.#refusedInReplay()) return;
    this.drawing = { area: false, points: [] };
    this.cursor = null;
    this.pin = null;
    this.writing = false;
    this.question = null;
  }

  /** Adds a point to what is drawn. */
  addPoint(at: LngLat): void {
    if (this.drawing) this.drawing = withPoint(this.drawing, at);
  }

  /** Takes the last point back. */
  dropPoint(): void {
    if (this.drawing) this.drawing = withoutLast(this.drawing);
  }

  /** Sends a closure. What was drawn stays on the map as a ghost until the stream brings it. */
  async closeRoads(closure: NewClosure): Promise<Problem | null> {
    const draft = this.drawing;
    this.sent = draft;
    this.drawing = this.cursor = null;
    const what = closure.name || settings.label(this.live.codes.hazardType(closure.type), closure.type);
    const outcome = await this.#run(what, (o) => reach.closeRoads(closure, o), false);
    this.sent = null;
    if (!outcome.ok) {
      // Nothing that was drawn is lost: it is there again, to be mended or sent once more.
      if (!this.drawing && !this.writing) this.drawing = draft;
      return outcome.problem;
    }
    const { id } = outcome.body;
    const words = closure.factor === 0 ? m.done_road_closed : m.done_road_slowed;
    this.tell("done", words({ name: isolate(what) }), () => void this.withdraw(id, false));
    return null;
  }

  /** Takes a closure away; by itself that can be undone as well. */
  async withdraw(key: string, undoable = true): Promise<void> {
    const feature = this.live.world.get(key);
    const name = feature ? hazardName(feature, this.live) : key;
    const outcome = await this.#run(name, (o) => reach.withdraw(key, o));
    if (!outcome.ok) return;
    if (this.hazard === key) this.hazard = null;
    const shape = feature && geometry(feature);
    const again = feature && shape && undoable ? () => void this.#restore(feature, shape) : undefined;
    this.tell("done", m.done_road_opened({ name: isolate(name) }), again);
  }

  async #restore(feature: Feature, shape: GeoJSON.Geometry): Promise<void> {
    const { kind: _kind, rev: _rev, active: _active, ...properties } = feature.props;
    const outcome = await this.#run(m.undo(), (o) => reach.restore(feature.key, shape, properties, o));
    if (outcome.ok) this.tell("done", m.done_undone());
  }

  async create(incident: NewIncident): Promise<Problem | null> {
    const type = this.live.codes.incidentType(incident.type);
    const name = incident.name || settings.label(type, incident.type);
    const outcome = await this.#run(name, (o) => commands.createIncident(incident, o));
    if (!outcome.ok) return outcome.problem;
    this.writing = false;
    this.pin = null;
    this.openIncident(outcome.body.id);
    this.tell("done", m.done_opened({ name: isolate(name) }));
    return null;
  }

  /** Sends units to an incident. One that is busy raises a question first. */
  async assign(incident: string, units: readonly string[], take: Readonly<{ reason: string }> | null = null): Promise<void> {
    if (units.length === 0) return;
    const busy = units.map((key) => this.live.world.get(key)).find((unit) => unit && text(unit, "assigned"));
    if (!take && busy && text(busy, "assigned") !== incident) {
      this.question = { what: "take", unit: busy.key, incident, from: text(busy, "assigned") };
      return;
    }
    const before = units.map((key) => ({ key, feature: this.live.world.get(key) }));
    const ghosts = units.map((unit) => ({ unit, incident }));
    this.ghosts = [...this.ghosts, ...ghosts];
    this.chosen = [];
    const names = settings.format.list(units);
    const name = nameOfIncident(incident, this.live);
    const outcome = await this.#run(names, (o) => commands.assign(incident, units, take, o));
    this.ghosts = this.ghosts.filter((ghost) => !ghosts.includes(ghost));
    if (!outcome.ok) {
      if (outcome.problem.code === "unit-busy" && units.length === 1 && !take) {
        const from = this.live.world.get(units[0]!);
        this.question = { what: "take", unit: units[0]!, incident, from: from ? text(from, "assigned") : "" };
      }
      return;
    }
    this.tell("done", m.done_assigned({ unit: isolate(names), incident: isolate(name) }), () => void this.#takeBack(incident, before));
  }

  /** Undoes an assignment: each unit is again what and where it was. */
  async #takeBack(incident: string, before: readonly Readonly<{ key: string; feature: Feature | undefined }>[]): Promise<void> {
    const { codes } = this.live;
    const next: Record<string, string> = {};
    for (const { key, feature } of before) {
      const status = feature ? text(feature, "status") : "";
      next[key] = codes.restingStatuses.some((s) => s.code === status) ? status : codes.initialStatus;
    }
    const outcome = await this.#run(m.undo(), (o) => commands.release(incident, next, { ...o, reason: "undo" }));
    if (!outcome.ok) return;
    for (const { key, feature } of before) {
      const work = feature ? text(feature, "assigned") : "";
      if (work) await this.#run(key, (o) => commands.assign(work, [key], { reason: "undo" }, o));
    }
    this.tell("done", m.done_undone());
  }

  /** Takes the last assignment back while that is offered. */
  undo(): void {
    const undo = performance.now() < this.#undoUntil ? this.#undo : null;
    this.#undo = null;
    if (!undo) return this.tell("problem", m.undo_none());
    this.notices = this.notices.filter((notice) => !notice.undo);
    undo();
  }

  async release(incident: string, unit: string, next: string): Promise<void> {
    const outcome = await this.#run(unit, (o) => commands.release(incident, { [unit]: next }, o));
    if (!outcome.ok) return;
    this.#forgetUndo();
    this.tell("done", m.done_released({ unit: isolate(unit) }));
  }

  async close(incident: string, next: Readonly<Record<string, string>>, reason: string): Promise<Problem | null> {
    const name = nameOfIncident(incident, this.live);
    const outcome = await this.#run(name, (o) => commands.closeIncident(incident, next, reason, o), false);
    if (!outcome.ok) return outcome.problem;
    this.question = null;
    this.#forgetUndo();
    this.tell("done", m.done_closed({ name: isolate(name) }));
    return null;
  }

  async setStatus(unit: string, status: string): Promise<void> {
    const outcome = await this.#run(unit, (o) => commands.setUnitStatus(unit, status, o));
    const label = settings.label(this.live.codes.status(status), status);
    if (outcome.ok) this.tell("done", m.done_status({ unit: isolate(unit), status: label }));
  }

  async setDistress(unit: string, on: boolean): Promise<void> {
    await this.#run(unit, (o) => commands.setDistress(unit, on, o));
  }

  async acknowledge(alarm: string): Promise<void> {
    // To have seen an alarm of now orders nothing: it is possible while somebody looks at the past.
    const outcome = await this.#run(m.alarm_ack(), (o) => commands.acknowledge(alarm, o), true, !this.live.replay);
    if (outcome.ok) this.tell("done", m.done_acked());
  }

  /** Changes what is written of an incident. When someone else changed it first, both values are shown. */
  async patch(incident: string, rev: number, properties: Readonly<Record<string, unknown>>): Promise<boolean> {
    const feature = this.live.world.get(incident);
    const name = feature ? incidentName(feature, this.live) : incident;
    const outcome = await this.#run(name, (o) => commands.patchIncident(incident, rev, properties, o), false);
    if (outcome.ok) {
      this.editing = false;
      this.question = null;
      this.tell("done", m.done_changed({ name: isolate(name) }));
      return true;
    }
    const { current } = outcome.problem;
    if (outcome.problem.code === "stale" && current) {
      this.question = { what: "conflict", incident, yours: properties, current: { rev: current.properties.rev, properties: current.properties } };
    } else {
      this.#fail(outcome.problem, () => void this.patch(incident, rev, properties));
    }
    return false;
  }

  /** Shows a notice; what is done goes away by itself, what went wrong stays until it was read. */
  tell(tone: Notice["tone"], words: string, undo?: () => void): void {
    const id = ++this.#lastId;
    const undoable = undo ? { undo: () => this.undo(), undoUntil: performance.now() + undoMs } : {};
    if (undo) {
      this.#undo = undo;
      this.#undoUntil = performance.now() + undoMs;
      // One undo is offered at a time: the last.
      this.notices = this.notices.filter((notice) => !notice.undo);
    }
    this.notices = [...this.notices, { id, tone, text: words, ...undoable }];
    if (tone === "done") setTimeout(() => this.dismiss(id), undo ? undoMs : doneMs);
  }

  /** What came after an assignment cannot be passed over by undoing it. */
  #forgetUndo(): void {
    this.#undo = null;
    this.notices = this.notices.filter((notice) => !notice.undo);
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  #fail(problem: Problem, retry?: () => void): void {
    const id = ++this.#lastId;
    const again = retry ? { retry: () => (this.dismiss(id), retry()) } : {};
    this.notices = [...this.notices, { id, tone: "problem", text: m.not_done({ reason: problemText(problem) }), ...again }];
  }

  /** Sends a command, says so when it takes long, and waits until its outcome is on the screen. */
  async #run<T>(what: string, call: (o: Options) => Promise<Outcome<T>>, tellProblem = true, always = false): Promise<Outcome<T>> {
    if (!always && this.#refusedInReplay()) {
      const problem: Problem = { code: "replay", status: 0, detail: "", errors: [], current: null };
      return { ok: false, problem, seq: 0 };
    }
    const id = ++this.#lastId;
    const say = (words: string) => {
      this.notices = [...this.notices.filter((notice) => notice.id !== id), { id, tone: "saving", text: words }];
    };
    const timer = setTimeout(() => say(m.saving({ what: isolate(what) })), savingAfterMs);
    const outcome = await call({ onRetry: (problem) => say(m.saving_again({ reason: problemText(problem) })) });
    // What a command did is told by the stream; until then the ghost stays. A stream that is behind is no failure.
    if (outcome.ok) await this.live.world.reached(outcome.seq).catch(() => undefined);
    clearTimeout(timer);
    this.dismiss(id);
    if (!outcome.ok && tellProblem) {
      const passing = outcome.problem.status === 0 || outcome.problem.status >= 500;
      // Trying again by hand is another command: a key of its own. Asking for the same state twice does nothing twice.
      this.#fail(outcome.problem, passing ? () => void this.#run(what, call, true, always) : undefined);
    }
    return outcome;
  }

  #refusedInReplay(): boolean {
    if (this.closed) this.refuse();
    return this.closed;
  }
}

/** The units of an incident, those that call for help first. */
export function unitsOf(incident: Feature, live: Live): readonly Feature[] {
  void live.units; // what is shown of them follows them
  return list(incident, "assigned")
    .flatMap((key) => live.world.get(key) ?? [])
    .sort((a, b) => Number(flag(b, "distress")) - Number(flag(a, "distress")));
}
