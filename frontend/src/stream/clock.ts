/**
 * What the server's clock says now, from this machine's monotonic clock. Wall clocks of screens are wrong by minutes
 * and jump; ages must not.
 */

/** Milliseconds of this machine's monotonic clock, on a scale that all threads of the page share. */
export function monotonic(): number {
  return performance.timeOrigin + performance.now();
}

/** Two quartz clocks drift apart by less than this: 100 ppm. */
const drift = 1e-4;
/** The wall clock running ahead of the monotonic one by more than this means that the machine slept. */
const sleepMs = 2000;

/**
 * Keeps the offset between the server's clock and ours within bounds. Every message that carries the server's clock
 * bounds it from below (it was sent before it came), every echo of a request from above (it was sent after we asked).
 * A message that waited in a buffer only gives a loose bound, so a slow link never makes old data look new.
 */
export class ServerClock {
  #low = -Infinity;
  #high = Infinity;
  #at = 0;
  #wall = NaN;

  /** The server's time in Unix ms at the monotonic moment; NaN until an exchange is complete. */
  at(mono: number): number {
    return this.synced ? mono + (this.#low + this.#high) / 2 : NaN;
  }

  /** Whether a request was echoed since the last reset. */
  get synced(): boolean {
    return this.#high < Infinity && this.#low > -Infinity;
  }

  /** How far off `at` may be, in ms; Infinity until synced. */
  get error(): number {
    return (this.#high - this.#low) / 2;
  }

  /**
   * Takes a reading of the server's clock that arrived at `received`.
   *
   * @param sent when the request that it echoes left; null for a message nobody asked for.
   */
  sample(server: number, received: number, sent: number | null): void {
    const slack = Math.max(0, received - this.#at) * drift;
    const low = server - received;
    const high = sent === null ? Infinity : server - sent;
    this.#low = Math.max(this.#low - slack, low);
    this.#high = Math.min(this.#high + slack, high);
    this.#at = received;
    if (this.#low > this.#high) {
      // One of the clocks was set. Only what is newest can be believed.
      this.#low = low;
      this.#high = high;
    }
  }

  /**
   * Forgets everything when the machine seems to have slept (its monotonic clock may have stood still), so that an old
   * picture says NOT LIVE until the server has answered again. Returns true then.
   */
  slept(mono: number, wall: number): boolean {
    const before = this.#wall;
    this.#wall = wall - mono;
    if (!(Math.abs(this.#wall - before) > sleepMs)) return false;
    this.reset();
    return true;
  }

  /** Forgets everything. */
  reset(): void {
    this.#low = -Infinity;
    this.#high = Infinity;
  }
}
