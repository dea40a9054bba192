/** A moment that somebody may want to jump to. */
export type Jump = Readonly<{
  /** Unix ms. */
  at: number;
  label: string;
  /** Token of its colour. */
  token?: string;
  /** How much it matters: of marks that would cover each other the heaviest is drawn. */
  weight?: number;
}>;

/** Speeds of a replay that a time bar offers. */
export const speeds = [1, 4, 10, 60] as const;

/** Lengths of a time bar, ms: a quarter of an hour to a week. */
export const lengths = [15, 60, 6 * 60, 24 * 60, 7 * 24 * 60].map((minutes) => minutes * 60_000);

/** From when to when a time bar goes, Unix ms. */
export type Span = Readonly<{ from: number; to: number }>;

/**
 * The span of a bar that shows a moment: the one that it had while the moment lies in it, so that nothing jumps under a
 * hand; else one of that length around the moment. It goes from the first moment of the record to now at most.
 */
export function spanAround(at: number, length: number, first: number, now: number, had: Span | null): Span {
  const kept = had && Math.abs(had.to - had.from - Math.min(length, now - first)) < 2000 && at >= had.from && at <= had.to;
  if (kept) return had;
  const to = Math.min(now, Math.max(at + length / 2, first + length));
  return { from: Math.max(first, to - length), to };
}

/** The span before or after a span, of the same length, within the record; with a tenth of what was seen still in it. */
export function spanBeside(span: Span, later: boolean, first: number, now: number): Span {
  const length = span.to - span.from;
  const by = length * (later ? 0.9 : -0.9);
  const to = Math.min(now, Math.max(span.to + by, first + length));
  return { from: Math.max(first, to - length), to };
}

/**
 * The marks of a bar that can be told apart: one for each of `places` places, the heaviest of those that fall on it, the
 * earliest of equals.
 */
export function marksOn(jumps: readonly Jump[], { from, to }: Span, places: number): readonly Jump[] {
  const drawn = new Map<number, Jump>();
  for (const jump of jumps) {
    if (jump.at < from || jump.at > to) continue;
    const place = Math.round(share(jump.at, from, to) * places);
    const other = drawn.get(place);
    const [weight, least] = [jump.weight ?? 0, other?.weight ?? 0];
    if (!other || weight > least || (weight === least && jump.at < other.at)) drawn.set(place, jump);
  }
  return [...drawn.values()].sort((a, b) => (a.weight ?? 0) - (b.weight ?? 0) || a.at - b.at);
}

/** The last act at or before a moment, if it is not older than `within` ms: what one sees come of. */
export function lastBefore(jumps: readonly Jump[], at: number, within: number): Jump | undefined {
  return jumps.reduce<Jump | undefined>((best, jump) => (jump.at <= at && at - jump.at <= within && (!best || jump.at >= best.at) ? jump : best), undefined);
}

/** Where a moment stands between two others, 0 to 1. */
export function share(at: number, from: number, to: number): number {
  return to > from ? Math.min(1, Math.max(0, (at - from) / (to - from))) : 0;
}

/** The next jump after a moment, or the last before it; undefined when there is none. One that is right here does not count. */
export function jumpFrom(jumps: readonly Jump[], at: number, forward: boolean): Jump | undefined {
  const near = 500;
  const some = jumps.filter((jump) => (forward ? jump.at > at + near : jump.at < at - near));
  return some.reduce<Jump | undefined>((best, jump) => (!best || (forward ? jump.at < best.at : jump.at > best.at) ? jump : best), undefined);
}

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080].map((minutes) => minutes * 60_000);

/**
 * Moments at which a time bar has a tick: the finest round step that gives at most `most` of them. `offsetMs` is the
 * city's from UTC: midnight is the city's.
 */
export function ticks(from: number, to: number, most: number, offsetMs = 0): readonly number[] {
  const step = steps.find((ms) => (to - from) / ms <= most) ?? (to - from) / Math.max(1, most);
  const found: number[] = [];
  if (!(step > 0)) return found;
  for (let at = Math.ceil((from + offsetMs) / step) * step - offsetMs; at <= to; at += step) found.push(at);
  return found;
}
