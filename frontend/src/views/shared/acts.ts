import type { Codes } from "../../ui/codes";
import { flag, list, text, time, type Feature } from "../../world/feature";
import type { Change } from "../../world/world";

/** What happened, in one line of a log. The words are the catalogue's, the codes are the preset's. */
export type Act = Readonly<{
  /** For keyed lists. */
  id: string;
  /** Unix ms. */
  time: number;
  what:
    | "incident_opened"
    | "incident_closed"
    | "incident_status"
    | "incident_priority"
    | "assigned"
    | "released"
    | "unit_status"
    | "distress"
    | "distress_over"
    | "hazard_opened"
    | "hazard_over"
    | "alarm";
  /** The key of what it is about, and what else is named. */
  subject: string;
  /** A code: the type of an incident or hazard, the new status, the new priority. */
  code: string;
  /** The key of the incident that a unit works on; "" none. */
  incident: string;
}>;

type Seen = Readonly<{ kind: string; status: string; priority: string; assigned: string; distress: boolean }>;

function look(f: Feature): Seen {
  return {
    kind: f.kind,
    status: text(f, "status"),
    priority: text(f, "priority"),
    assigned: text(f, "assigned"),
    distress: flag(f, "distress"),
  };
}

/** Turns frames into acts, by comparing each feature with what it was. */
export class ActLog {
  readonly #codes: Codes;
  readonly #most: number;
  readonly #seen = new Map<string, Seen>();
  #begun = false;
  #last = 0;
  /** The newest first. */
  acts: readonly Act[] = [];

  constructor(codes: Codes, most = 200) {
    this.#codes = codes;
    this.#most = most;
  }

  /** Takes a change of the world. Returns whether it held acts. */
  take(change: Change): boolean {
    const { frame } = change;
    // A reconnect brings the whole world again: what differs from before happened meanwhile.
    const first = !this.#begun;
    const news: Act[] = first ? this.#record(change.put) : [];
    this.#begun = true;
    for (const feature of change.drop) {
      if (change.put.some((f) => f.key === feature.key)) continue;
      const before = this.#seen.get(feature.key);
      this.#seen.delete(feature.key);
      if (before?.kind === "hazard") news.push(this.#act(frame.time, "hazard_over", feature.key, text(feature, "type"), ""));
    }
    for (const feature of change.put) {
      const before = this.#seen.get(feature.key);
      const now = look(feature);
      this.#seen.set(feature.key, now);
      if (!first) news.push(...this.#compare(feature, before, now, frame.time));
    }
    if (news.length === 0) return false;
    news.sort((a, b) => b.time - a.time);
    this.acts = [...news, ...this.acts].slice(0, this.#most);
    return true;
  }

  #act(at: number, what: Act["what"], subject: string, code: string, incident: string): Act {
    return { id: `${++this.#last}`, time: at, what, subject, code, incident };
  }

  #compare(f: Feature, before: Seen | undefined, now: Seen, at: number): Act[] {
    switch (f.kind) {
      case "incident":
        return this.#incident(f, before, now, at);
      case "unit":
        return before ? this.#unit(f, before, now, at) : [];
      case "hazard":
        return before ? [] : [this.#act(at, "hazard_opened", f.key, text(f, "type"), "")];
      case "alarm":
        // A call for help is told by the unit itself.
        return before || text(f, "type") === "distress" ? [] : [this.#act(at, "alarm", f.key, text(f, "type"), "")];
      default:
        return [];
    }
  }

  #incident(f: Feature, before: Seen | undefined, now: Seen, at: number): Act[] {
    if (!before) return [this.#act(at, "incident_opened", f.key, text(f, "type"), f.key)];
    const acts: Act[] = [];
    if (before.status !== now.status) {
      const what = this.#codes.isFinal(now.status) ? "incident_closed" : "incident_status";
      // "Dispatched" is said by the unit that was assigned.
      const said = what === "incident_status" && list(f, "assigned").length > 0;
      if (!said) acts.push(this.#act(at, what, f.key, now.status, f.key));
    }
    if (before.priority !== now.priority) acts.push(this.#act(at, "incident_priority", f.key, now.priority, f.key));
    return acts;
  }

  #unit(f: Feature, before: Seen, now: Seen, at: number): Act[] {
    const acts: Act[] = [];
    if (before.distress !== now.distress) {
      acts.push(this.#act(at, now.distress ? "distress" : "distress_over", f.key, now.status, now.assigned));
    }
    if (before.assigned !== now.assigned) {
      if (now.assigned) acts.push(this.#act(at, "assigned", f.key, now.status, now.assigned));
      else acts.push(this.#act(at, "released", f.key, now.status, before.assigned));
    } else if (before.status !== now.status) {
      acts.push(this.#act(at, "unit_status", f.key, now.status, now.assigned));
    }
    return acts;
  }

  /** What the features themselves say of the past, so that a screen that was just opened is not empty. */
  #record(features: readonly Feature[]): Act[] {
    const acts: Act[] = [];
    const stamp = (at: number, what: Act["what"], subject: string, code: string, incident: string) => {
      if (!Number.isNaN(at)) acts.push(this.#act(at, what, subject, code, incident));
    };
    for (const f of features) {
      if (f.kind === "incident") {
        stamp(time(f, "opened_at"), "incident_opened", f.key, text(f, "type"), f.key);
        stamp(time(f, "closed_at"), "incident_closed", f.key, text(f, "status"), f.key);
      } else if (f.kind === "assignment") {
        const unit = text(f, "unit");
        const incident = text(f, "incident");
        stamp(time(f, "assigned_at"), "assigned", unit, "", incident);
        stamp(time(f, "cleared_at"), "released", unit, "", incident);
        for (const s of this.#codes.statuses) {
          if (s.busy && !s.on_assign) stamp(time(f, `${s.code}_at`), "unit_status", unit, s.code, incident);
        }
      }
    }
    return acts.sort((a, b) => b.time - a.time).slice(0, this.#most);
  }
}
