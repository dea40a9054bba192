import { coverageTiles, type Standard } from "../../commands/reach";
import type { Live } from "../shared/live.svelte";

/** What of the coverage one dispatcher looks at. */
export class Cover {
  readonly #live: Live;
  /** The layer of holes is on the map. */
  shown = $state(false);
  #standard = $state.raw<Standard | null>(null);
  /** The state that the tiles speak of. */
  #seq = $state(0);

  constructor(live: Live) {
    this.#live = live;
  }

  /** The standards of the city; none on a server without roads. */
  get standards(): readonly Standard[] {
    return this.#live.city.roads ? (this.#live.codes.preset.coverage?.standards ?? []) : [];
  }

  /** The one that is looked at: the first of the city until another is chosen. */
  get standard(): Standard | null {
    return this.#standard ?? this.standards[0] ?? null;
  }

  /** Looks at another standard; shows its holes. */
  look(standard: Standard): void {
    this.#standard = standard;
    this.shown = true;
  }

  /** Says that the world stands at `seq` and the holes may be others. */
  renew(seq: number): void {
    this.#seq = seq;
  }

  /** The address of the tiles; null while the layer is off, and in a replay: the server draws the present only. */
  get tiles(): string | null {
    const { standard } = this;
    return this.shown && standard && !this.#live.replay ? coverageTiles(standard, this.#seq) : null;
  }
}
