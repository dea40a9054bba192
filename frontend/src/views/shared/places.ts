import { inWorld } from "../../commands/world";
import type { Language } from "../../preset";
import type { LngLat } from "../../world/feature";
import { distance } from "./incidents";
import { fold } from "./units";

/** A name in the city, as `city build` writes it: one point a street, a quarter, a village. */
export type Place = Readonly<{
  kind: string;
  name: string;
  lon: number;
  lat: number;
  name_fa?: string;
  name_zh?: string;
  name_en?: string;
  /** Other names it is called by. */
  alt?: readonly string[];
}>;

const cellDegrees = 0.01;
const streetM = 450;
const quarterM = 3000;
/** Kinds of names that are no quarter, village or town. */
const streetKinds: ReadonlySet<string> = new Set(["street", "water", "park"]);

/** Where a place is, in the words of the city: a street and a quarter, each "" where there is none near. */
export type Nearby = Readonly<{ street: string; quarter: string }>;

/** Finds names near a place, and places by their names. */
export class Places {
  readonly all: readonly Place[];
  readonly #cells = new Map<string, Place[]>();
  readonly #quarters: readonly Place[];
  readonly #folded: readonly string[];

  constructor(all: readonly Place[]) {
    this.all = all;
    this.#quarters = all.filter((p) => !streetKinds.has(p.kind));
    this.#folded = all.map((p) => fold([p.name, p.name_fa, p.name_zh, p.name_en, ...(p.alt ?? [])].filter(Boolean).join(" ")));
    for (const place of all) {
      if (place.kind !== "street") continue;
      const key = cell(place.lon, place.lat);
      const entries = this.#cells.get(key);
      if (entries) entries.push(place);
      else this.#cells.set(key, [place]);
    }
  }

  /** The names near a place. */
  near(at: LngLat, language: Language): Nearby {
    const close = (places: readonly Place[], most: number) => {
      let best: Place | undefined;
      let bestM = most;
      for (const place of places) {
        const metres = distance(at, [place.lon, place.lat]);
        if (metres <= bestM) [best, bestM] = [place, metres];
      }
      return best ? nameIn(best, language) : "";
    };
    const around: Place[] = [];
    for (const dx of [-1, 0, 1]) {
      for (const dy of [-1, 0, 1]) {
        around.push(...(this.#cells.get(cell(at[0] + dx * cellDegrees, at[1] + dy * cellDegrees)) ?? []));
      }
    }
    return { street: close(around, streetM), quarter: close(this.#quarters, quarterM) };
  }

  /** Places whose name holds all the words, those that begin with them and lie nearest first. */
  find(words: string, from: LngLat | null, most: number): readonly Place[] {
    const wanted = fold(words).split(/[\s,،]+/).filter(Boolean);
    if (wanted.length === 0) return [];
    const found: { place: Place; score: number }[] = [];
    this.#folded.forEach((hay, i) => {
      if (!wanted.every((word) => hay.includes(word))) return;
      const place = this.all[i]!;
      const begins = hay.startsWith(wanted[0]!) ? 0 : 1_000_000;
      found.push({ place, score: begins + (from ? distance(from, [place.lon, place.lat]) : 0) });
    });
    return found
      .sort((a, b) => a.score - b.score)
      .slice(0, most)
      .map(({ place }) => place);
  }
}

/** What a place is called in a language; its own name where it has none in it. */
export function nameIn(place: Place, language: Language): string {
  return place[`name_${language}`] ?? place.name;
}

function cell(lon: number, lat: number): string {
  return `${Math.floor(lon / cellDegrees)} ${Math.floor(lat / cellDegrees)}`;
}

/** The names of the city; none when the server has no city or does not answer: names are a help and not a condition. */
export async function loadPlaces(signal: AbortSignal): Promise<Places> {
  try {
    const response = await fetch(inWorld("/city/places.json"), { signal });
    if (response.ok) {
      const body = (await response.json()) as Readonly<{ places?: readonly Place[] }>;
      return new Places(body.places ?? []);
    }
  } catch {
    // the map shows the place all the same
  }
  return new Places([]);
}
