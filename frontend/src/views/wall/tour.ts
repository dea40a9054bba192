/** What a tour has to know of an incident. */
export type Stop = Readonly<{ key: string; /** Nobody has acknowledged it. */ fresh: boolean; /** When it last became worse, Unix ms; 0 never. */ worsenedAt: number }>;

/** After an incident became worse, it is seen with all others for this long. */
export const worseForMs = 60_000;

/**
 * Where a tour is: the key of the incident that it visits, or null for everything at once. It begins and ends each round
 * with everything, and stays there while anything is new or has just become worse: a tour must never be elsewhere then.
 * It depends on the clock and the incidents alone, so that the displays of one wall are in step.
 */
export function tourStop(stops: readonly Stop[], dwellS: number, now: number): string | null {
  if (dwellS <= 0 || stops.length === 0 || !Number.isFinite(now)) return null;
  if (stops.some(({ fresh, worsenedAt }) => fresh || now - worsenedAt < worseForMs)) return null;
  const at = Math.floor(now / 1000 / dwellS) % (stops.length + 1);
  return at === 0 ? null : stops[at - 1]!.key;
}

/** Remembers when incidents became worse, by the rank of their priority. */
export class Worsening {
  readonly #ranks = new Map<string, number>();
  readonly #at = new Map<string, number>();

  /** Takes the open incidents as they are. Those of the first time are as bad as they were. */
  take(incidents: readonly Readonly<{ key: string; rank: number }>[], now: number): void {
    const there = new Set<string>();
    for (const { key, rank } of incidents) {
      there.add(key);
      const before = this.#ranks.get(key);
      if (before !== undefined && rank > before) this.#at.set(key, now);
      this.#ranks.set(key, rank);
    }
    for (const key of this.#ranks.keys()) {
      if (there.has(key)) continue;
      this.#ranks.delete(key);
      this.#at.delete(key);
    }
  }

  /** When it last became worse, Unix ms; 0 never. */
  at(key: string): number {
    return this.#at.get(key) ?? 0;
  }
}
