/** A wall that nobody touches for so long goes back to live, ms. */
export const aloneMs = 10 * 60_000;

/** Seconds until a wall goes back by itself, whole ones; 0: now. Moments are of the monotonic clock, ms. */
export function returnsIn(touchedAt: number, now: number): number {
  return Math.max(0, Math.ceil((touchedAt + aloneMs - now) / 1000));
}
