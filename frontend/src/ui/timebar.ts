/** A moment that somebody may want to jump to. */
export type Jump = Readonly<{ at: number; label: string; /** Token of its colour. */ token?: string }>;

/** Speeds of a replay that a time bar offers. */
export const speeds = [1, 4, 10, 60] as const;

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
