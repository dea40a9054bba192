import type { Outcome, Problem } from "../../commands/http";

/** What an `Asker` needs. */
export type Question<T> = Readonly<{
  ask: (signal: AbortSignal) => Promise<Outcome<T>>;
  /** Told each answer that is not stale, and the sequence that it speaks of. */
  tell: (answer: T, seq: number) => void;
  /** Told why there is no answer; the last one that there was stands until another comes. */
  fail?: (problem: Problem) => void;
  /** The least time from one question to the next, ms. */
  everyMs?: number;
  /** Asked again after this long even when nothing is known to have changed, ms; 0 never. */
  refreshMs?: number;
}>;

/** Twice a second is as fast as a person reads a list that changes. */
const usualEveryMs = 500;
/** What must not be missed waits less: a closure is rare, and who is first may be another. */
const urgentMs = 100;
/** A server that is busy or away is not asked as often. */
const failedMs = 2000;

/**
 * Keeps the answer to one question current. One question is under way at a time, and what changes meanwhile leads to one
 * more. An answer that is older than one that was shown, or than a change that is known to matter, is thrown away: two
 * answers that overtake each other must not bring a closed bridge back.
 */
export class Asker<T> {
  readonly #question: Question<T>;
  readonly #stop = new AbortController();
  #needed = 0;
  #shown = 0;
  #asked = -Infinity;
  #underWay = false;
  #dirty = false;
  #failed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(question: Question<T>) {
    this.#question = question;
  }

  /**
   * Asks, now or as soon as it may. With `seq`, no answer that speaks of an earlier state will be told: give it for what
   * must not be missed, as a closure, and leave it out for what is always a little behind, as a unit that drives.
   */
  again(seq = 0): void {
    this.#needed = Math.max(this.#needed, seq);
    this.#dirty = true;
    this.#plan();
  }

  /** Gives up what is under way; nothing is told after it. */
  close(): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
  }

  #plan(): void {
    if (this.#underWay || this.#stop.signal.aborted) return;
    const { everyMs = usualEveryMs, refreshMs = 0 } = this.#question;
    if (!this.#dirty && !this.#failed && refreshMs === 0) return;
    const urgent = this.#needed > this.#shown ? Math.min(everyMs, urgentMs) : everyMs;
    const least = this.#failed ? Math.max(everyMs, failedMs) : this.#dirty ? urgent : refreshMs;
    const wait = this.#asked + least - performance.now();
    clearTimeout(this.#timer);
    if (wait > 0) this.#timer = setTimeout(() => void this.#ask(), wait);
    else void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#underWay = true;
    this.#dirty = false;
    this.#asked = performance.now();
    const outcome = await this.#question.ask(this.#stop.signal);
    if (this.#stop.signal.aborted) return;
    this.#underWay = false;
    this.#failed = !outcome.ok;
    if (!outcome.ok) this.#question.fail?.(outcome.problem);
    else if (outcome.seq < this.#needed) this.#dirty = true;
    else if (outcome.seq >= this.#shown) {
      this.#shown = outcome.seq;
      this.#question.tell(outcome.body, outcome.seq);
    }
    this.#plan();
  }
}

/** The same question about several things: one asker for each, those that nobody wants to know any more forgotten. */
export class AskerSet<T> {
  readonly #ask: (key: string, signal: AbortSignal) => Promise<Outcome<T>>;
  readonly #tell: (answers: ReadonlyMap<string, T>) => void;
  readonly #everyMs: number;
  readonly #askers = new Map<string, Asker<T>>();
  #answers: ReadonlyMap<string, T> = new Map();

  /** `tell` gets all answers that there are, a new map each time. An answer that fails for good goes from it. */
  constructor(ask: (key: string, signal: AbortSignal) => Promise<Outcome<T>>, tell: (answers: ReadonlyMap<string, T>) => void, everyMs = usualEveryMs) {
    this.#ask = ask;
    this.#tell = tell;
    this.#everyMs = everyMs;
  }

  /** What is wanted from now on. What is new is asked at once. */
  want(keys: readonly string[]): void {
    const wanted = new Set(keys);
    let gone = false;
    for (const [key, asker] of this.#askers) {
      if (wanted.has(key)) continue;
      asker.close();
      this.#askers.delete(key);
      gone = this.#answers.has(key) || gone;
    }
    if (gone) this.#say([...this.#answers].filter(([key]) => wanted.has(key)));
    for (const key of wanted) {
      if (this.#askers.has(key)) continue;
      const asker = new Asker<T>({
        ask: (signal) => this.#ask(key, signal),
        tell: (answer) => this.#say([...[...this.#answers].filter(([k]) => k !== key), [key, answer]]),
        fail: ({ status }) => {
          // Refused: what was true before is not any more. A server that is away or busy has not said so.
          if (status >= 400 && status < 500 && this.#answers.has(key)) this.#say([...this.#answers].filter(([k]) => k !== key));
        },
        everyMs: this.#everyMs,
      });
      this.#askers.set(key, asker);
      asker.again();
    }
  }

  /** Asks all again; see `Asker.again`. */
  again(seq = 0): void {
    for (const asker of this.#askers.values()) asker.again(seq);
  }

  close(): void {
    for (const asker of this.#askers.values()) asker.close();
    this.#askers.clear();
  }

  #say(answers: readonly (readonly [string, T])[]): void {
    this.#answers = new Map(answers);
    this.#tell(this.#answers);
  }
}
