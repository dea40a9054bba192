import { untrack } from "svelte";
import { getRecord } from "../../commands/record";
import { m } from "../../messages";
import { settings } from "../../ui/settings.svelte";
import { jumpFrom, lengths, spanAround, spanBeside, speeds, type Jump, type Span } from "../../ui/timebar";
import { isSensitive } from "../shared/incidents";
import type { Live } from "../shared/live.svelte";
import { isolate, nameOfIncident } from "../shared/words";
import { findRaised, levelsThen, marksOf, type LevelsThen, type Mark, type Raised, type Rank } from "./marks";
import { openPast } from "./past";

/** The server refuses a moment that it has not reached; ours may be a little ahead of it. */
const behindNowMs = 500;
/** Marks are read again this often while the present goes on. */
const marksEveryMs = 5000;
/** Levels are looked for in the record when a bar has stood still for so long. */
const settledMs = 2500;
/** Of longer bars no levels are looked for: that many moments of the record would tell nothing of a week. */
const searchedMost = 24 * 3600_000;

const tokens: Readonly<Record<Mark["what"], string>> = {
  opened: "text",
  closed: "state-live",
  arrived: "status-on-scene",
  distress: "act-now",
  priority: "attention",
  level: "attention",
};

/** What of a replay somebody chooses. */
export type ReplayOptions = Readonly<{
  /** 1 is as it was; 0 holds the moment. */
  speed: number;
  /** Whether levels, which have no stamp, are looked for in the record: some megabytes on a big city. */
  search: boolean;
  /** Others than operations read it: nothing of a sensitive incident stands on the bar. */
  veiled: boolean;
}>;

/** A replay beside the present: where it is, how fast it goes, and what its bar shows. */
export class Replay {
  /** The city now. It goes on all the while. */
  readonly present: Live;
  /** The city then: a world of its own, with no way into the other one. */
  readonly past: Live;
  speed = $state(1);
  playing = $state(true);
  /** How long the bar is, ms. */
  length = $state(lengths[1]!);

  #opened = NaN;
  readonly #veiled: boolean;
  /** A moment that was asked for and is not on the screen yet. */
  #sought = $state<number | null>(null);
  /** One that came while the last was under way: a hand is faster than a record. */
  #next: number | null = null;
  #first = $state(NaN);
  /** A span that was turned to, which need not hold the moment. */
  #turned = $state.raw<Span | null>(null);
  #had: Span | null = null;
  #beat = $state(0);
  #raised = $state.raw<readonly Raised[]>([]);
  readonly #searched = new Set<string>();
  readonly #stops: (() => void)[] = [];

  constructor(present: Live, past: Live, { speed, search, veiled }: ReplayOptions) {
    this.#veiled = veiled;
    this.present = present;
    this.past = past;
    this.#opened = present.session.now();
    this.playing = speed > 0;
    this.speed = speed > 0 ? speed : 1;
    present.inFront(false);
    const asking = new AbortController();
    void getRecord(asking.signal).then((answer) => {
      if (answer.ok) this.#first = Date.parse(answer.body.first);
    });
    const beat = setInterval(() => this.#beat++, marksEveryMs);
    this.#stops.push(
      () => asking.abort(),
      () => clearInterval(beat),
      past.world.onFrame(({ keyframe }) => keyframe && this.#arrived()),
    );
    if (search) this.#stops.push($effect.root(() => this.#search()));
  }

  /** The moment that the picture shows, or that it was sent to, Unix ms. */
  readonly at = $derived.by(() => this.#sought ?? this.past.liveness.at);
  /** The picture of the moment is under way. */
  readonly busy = $derived.by(() => this.#sought !== null);
  /** The server's clock, Unix ms: the end of every bar. */
  readonly now = $derived.by(() => (Number.isFinite(this.present.now) ? this.present.now : this.present.world.time));
  /** The beginning of the record, Unix ms; a day before the moment while nobody has said. */
  readonly first = $derived.by(() => (Number.isFinite(this.#first) ? this.#first : Math.min(this.at, this.now) - 24 * 3600_000));
  readonly span = $derived.by((): Span => {
    if (this.#turned) return this.#turned;
    const at = Number.isFinite(this.at) ? this.at : this.now;
    return (this.#had = spanAround(at, this.length, this.first, this.now, this.#had));
  });
  /** The picture was proven to be the record's: its hash is the one that was recorded. */
  readonly proven = $derived.by(() => this.past.liveness.state === "replay");

  /** All that happened and is known, the oldest first. */
  readonly marks = $derived.by((): readonly Mark[] => {
    void [this.#beat, this.past.begun, this.present.begun, this.busy];
    const raised = this.#raised;
    const marks = untrack(() => marksOf([this.present, this.past], [...raised, ...this.#seen()]));
    return this.#veiled ? marks.filter(({ subject }) => !this.#isSensitive(subject)) : marks;
  });
  /** What the bar marks. */
  readonly jumps = $derived.by((): readonly Jump[] => {
    const { from, to } = this.span;
    void settings.language;
    return this.marks.flatMap((mark) => (mark.at >= from && mark.at <= to ? [this.#jump(mark)] : []));
  });

  /** When it was opened, of the server's clock, Unix ms: what came since is news to whoever looks at the past. NaN until a clock is known. */
  get openedAt(): number {
    if (Number.isNaN(this.#opened)) this.#opened = this.present.session.now();
    return this.#opened;
  }

  /** Shows a moment, Unix ms: the nearest that there is. */
  seek(at: number): void {
    const to = Math.min(Math.max(at, this.first), this.now - behindNowMs);
    if (!Number.isFinite(to)) return;
    this.#turned = null;
    if (this.#sought !== null) {
      this.#next = to;
      return;
    }
    this.#go(to);
  }

  /** Goes back or on by some ms. */
  step(ms: number): void {
    this.seek((this.#next ?? this.at) + ms);
  }

  /** Goes to the act before or after; false when there is none. */
  jump(forward: boolean): boolean {
    const from = this.#next ?? this.at;
    const known = this.marks.map((mark) => ({ at: mark.at, label: "" }));
    const to = jumpFrom(known, from, forward);
    if (to) this.seek(to.at);
    return to !== undefined;
  }

  play(on: boolean): void {
    this.playing = on;
    this.past.session.setSpeed(on ? this.speed : 0);
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    if (this.playing) this.past.session.setSpeed(speed);
  }

  /** The next speed up or down. */
  faster(up: boolean): void {
    const to = up ? speeds.find((speed) => speed > this.speed) : [...speeds].reverse().find((speed) => speed < this.speed);
    if (to) this.setSpeed(to);
  }

  setLength(length: number): void {
    this.#turned = null;
    this.length = length;
  }

  /** Shows the span before or after on the bar; the picture stays. */
  turn(later: boolean): void {
    this.#turned = spanBeside(this.span, later, this.first, this.now);
  }

  /** What a mark says. */
  label(mark: Mark): string {
    const from = this.present.world.get(mark.subject) ? this.present : this.past;
    const incident = isolate(nameOfIncident(mark.subject, from));
    switch (mark.what) {
      case "opened":
        return m.act_incident_opened({ incident });
      case "closed":
        return m.act_incident_closed({ incident });
      case "arrived":
        return m.replay_arrived({ unit: isolate(mark.code), incident });
      case "distress":
        return m.act_distress({ unit: isolate(mark.subject) });
      case "priority":
        return m.act_incident_priority({ incident, priority: settings.label(from.codes.priority(mark.code), mark.code) });
      case "level":
        return m.replay_level({ level: isolate(settings.label(from.codes.scale("response_level").find(({ code }) => code === mark.code), mark.code)) });
      default:
        return mark.what satisfies never;
    }
  }

  /** Ends it. The page speaks of the present again, at once. */
  close(): void {
    for (const stop of this.#stops) stop();
    this.past.close();
    this.present.inFront(true);
  }

  #go(at: number): void {
    this.#sought = at;
    this.past.session.seek(at, this.playing ? this.speed : 0);
  }

  #arrived(): void {
    this.past.look();
    const next = this.#next;
    this.#next = this.#sought = null;
    if (next !== null) this.#go(next);
  }

  #jump(mark: Mark): Jump {
    return { at: mark.at, label: this.label(mark), token: tokens[mark.what], weight: mark.weight };
  }

  #isSensitive(key: string): boolean {
    const feature = this.present.world.get(key) ?? this.past.world.get(key);
    return feature?.kind === "incident" && isSensitive(feature, this.present.codes);
  }

  /** Priorities that this screen saw change. */
  #seen(): readonly Raised[] {
    return [...this.present.acts, ...this.past.acts].flatMap((act) =>
      act.what === "incident_priority" ? [{ at: act.time, what: "priority" as const, subject: act.subject, code: act.code }] : [],
    );
  }

  /** The span of the bar to the minute: it may end now, and now goes on. */
  readonly #spanName = $derived.by(() => `${Math.round(this.span.from / 60_000)} ${this.length}`);

  /** Looks for levels in the span of the bar, once it stands still, and once for each span. */
  #search(): void {
    $effect(() => {
      const name = this.#spanName;
      const { from, to } = untrack(() => this.span);
      if (!(to > from) || to - from > searchedMost || this.#searched.has(name)) return;
      let past: ReturnType<typeof openPast> | undefined;
      const timer = setTimeout(() => {
        const record = (past = openPast());
        const look = async (at: number): Promise<LevelsThen | null> => {
          const world = await record.at(at);
          return world && levelsThen(world.features("incident"), world.features("response")[0], world.time);
        };
        const rank: Rank = (code, scale) => this.present.codes.scale(scale).find((value) => value.code === code)?.rank ?? (code ? 0 : -1);
        void findRaised(look, from, Math.min(to, untrack(() => this.now) - behindNowMs), rank)
          .then((raised) => {
            this.#searched.add(name);
            const known = new Set(this.#raised.map(({ at, subject, code }) => `${at} ${subject} ${code}`));
            const news = raised.filter(({ at, subject, code }) => !known.has(`${at} ${subject} ${code}`));
            if (news.length > 0) this.#raised = [...this.#raised, ...news];
          })
          .finally(() => record.close());
      }, settledMs);
      return () => {
        clearTimeout(timer);
        past?.close();
      };
    });
  }
}
