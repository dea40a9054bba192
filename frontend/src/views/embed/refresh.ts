/**
 * Keeps the public world current for very many readers at once: one snapshot, then only what changed, at intervals that no
 * two pages share, never while nobody looks, and less often when the server asks for it.
 */
import { step, type PublicWorld } from "./public";

/** How often a page that is looked at asks. With the jitter a page is at most 15 s behind, half of what it may be and be LIVE. */
export const everyMs = 10_000;
/** A page in a frame that nobody has scrolled to asks this much less often. */
export const restFactor = 6;
const retryMs = 2000;
const retryMostMs = 60_000;
const timeoutMs = 10_000;
/** Who is further behind takes the snapshot, which is one answer. */
const chunksMost = 4;

/** Up to this age in seconds a page is LIVE, and up to the next one DELAYED. */
export const liveMaxS = 30;
export const delayedMaxS = 120;

/** What a page must say of itself. */
export type State = "LIVE" | "DELAYED" | "NOT_LIVE";

/** The word for an age in seconds; Infinity when nothing was ever heard. */
export function stateOf(ageS: number): State {
  return ageS <= liveMaxS ? "LIVE" : ageS <= delayedMaxS ? "DELAYED" : "NOT_LIVE";
}

/** Times how long ago something was. A clock that stood still while the phone slept, or that somebody set, makes nothing look younger. */
class Stopwatch {
  readonly #steady = performance.now();
  readonly #wall = Date.now();
  get ms(): number {
    return Math.max(performance.now() - this.#steady, Date.now() - this.#wall);
  }
}

/** Asks for the public world until it is stopped. */
export class Refresher {
  readonly #snapshot: string;
  readonly #query: string;
  readonly #changed: () => void;
  #world: PublicWorld | null = null;
  /** When the server wrote what is shown: by its clock, and by ours. */
  #asOf = NaN;
  #since: Stopwatch | null = null;
  #olderMs = 0;
  #tag = "";
  #tagOf = "";
  #failures = 0;
  /** The server has asked not to be asked before then. */
  #pause: { watch: Stopwatch; ms: number } | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking: AbortController | null = null;
  #looked = true;
  #resting = false;
  #stopped = false;

  /** `query` goes with every call ("?world=drill"); `changed` is called after each answer and each failure. */
  constructor(snapshot: string, query: string, changed: () => void) {
    this.#snapshot = snapshot;
    this.#query = query;
    this.#changed = changed;
  }

  /** The world as it was last heard; null while nothing was. */
  get world(): PublicWorld | null {
    return this.#world;
  }

  /** When the server last said that this is how things are, Unix ms of its clock; NaN while it never did. */
  get asOf(): number {
    return this.#asOf;
  }

  /** Seconds since then; Infinity while nothing was heard. */
  get ageS(): number {
    return this.#since ? (this.#since.ms + this.#olderMs) / 1000 : Infinity;
  }

  /** The server's clock, Unix ms; NaN while it is not known. */
  get now(): number {
    return this.#asOf + this.ageS * 1000;
  }

  /** Asks now, and then again and again. */
  start(): void {
    void this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  /** Says whether anybody looks: a hidden page asks nothing, and asks at once when it is seen again. */
  look(on: boolean): void {
    if (on === this.#looked) return;
    this.#looked = on;
    if (on) this.wake();
    else clearTimeout(this.#timer);
  }

  /** Says whether the page is out of sight in the page that it stands in. */
  rest(on: boolean): void {
    if (on === this.#resting) return;
    this.#resting = on;
    if (!on) this.wake();
  }

  /** Asks at once, unless it was just answered or has been told to wait: after sleep, or when the network is back. */
  wake(): void {
    if (this.#stopped || this.#asking || !this.#looked) return;
    const wait = this.#pause ? this.#pause.ms - this.#pause.watch.ms : 0;
    this.#plan(Math.max(wait, this.#since && this.#since.ms < 2000 ? everyMs : 0));
  }

  #plan(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped && this.#looked) this.#timer = setTimeout(() => void this.#ask(), ms);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    const asking = new AbortController();
    this.#asking = asking;
    const late = setTimeout(() => asking.abort(), timeoutMs);
    let wait: number;
    try {
      wait = await this.#catchUp(asking.signal);
    } catch {
      wait = this.#failed(0);
    } finally {
      clearTimeout(late);
      this.#asking = null;
    }
    if (this.#stopped) return;
    this.#changed();
    this.#plan(wait);
  }

  /** Fetches until the page stands in the present. Resolves to how long to wait before the next time, ms. */
  async #catchUp(signal: AbortSignal): Promise<number> {
    let world = this.#world;
    let path = world?.next ?? this.#snapshot;
    for (let i = 0; ; i++) {
      const sent = new Stopwatch();
      // Asked with a tag of our own and past the browser's cache, so that an answer is as old as its headers say.
      const headers: HeadersInit = this.#tagOf === path && this.#tag ? { "If-None-Match": this.#tag } : {};
      const answer = await fetch(path + this.#query, { signal, headers, cache: "no-store", credentials: "omit" });
      if (answer.status === 304 && world) return this.#stands(world, answer, sent);
      if (!answer.ok) {
        void answer.body?.cancel().catch(() => undefined); // a body that nobody reads keeps its connection
        return this.#failed(secondsOf(answer.headers.get("Retry-After")) * 1000);
      }
      const next = step(world, await answer.json());
      if (!next) {
        if (path === this.#snapshot) throw new Error("the snapshot is none");
        world = null;
        path = this.#snapshot;
        continue;
      }
      world = next.world;
      if (!next.more) {
        this.#tag = answer.headers.get("ETag") ?? "";
        this.#tagOf = path;
        return this.#stands(world, answer, sent);
      }
      path = i < chunksMost ? world.next : this.#snapshot;
    }
  }

  #stands(world: PublicWorld, answer: Response, sent: Stopwatch): number {
    // The next question is for what comes after; a snapshot's own tag is of no use to it.
    this.#world = world;
    const at = Date.parse(answer.headers.get("Date") ?? "");
    const asOf = Number.isNaN(at) ? Date.now() : at;
    const olderMs = secondsOf(answer.headers.get("Age")) * 1000;
    // A cache that is behind another one says nothing new.
    if (!this.#since || sent.ms + olderMs <= this.#since.ms + this.#olderMs) {
      this.#since = sent;
      this.#olderMs = olderMs;
      this.#asOf = asOf;
    }
    this.#failures = 0;
    this.#pause = null;
    return everyMs * (this.#resting ? restFactor : 1) * (0.75 + 0.5 * Math.random());
  }

  #failed(askedMs: number): number {
    const backoff = Math.min(retryMostMs, retryMs * 2 ** this.#failures++) * (0.5 + Math.random());
    // Everybody is told the same time: coming back at it together would be the next surge.
    const wait = Math.max(backoff, Math.min(askedMs, 10 * 60_000) * (1 + Math.random()));
    if (askedMs > 0) this.#pause = { watch: new Stopwatch(), ms: wait };
    return wait;
  }
}

/** A header in seconds; a date in Retry-After is none of our server's and is left to the backoff. */
function secondsOf(header: string | null): number {
  const n = Number(header ?? 0);
  return Number.isFinite(n) && n > 0 ? n : 0;
}
