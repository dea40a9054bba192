import type { City } from "../../commands/commands";
import { keep, type Bond } from "../../kept";
import type { Preset } from "../../preset";
import { me } from "../../ui/me.svelte";
import type { Feature, Kind } from "../../world/feature";
import type { Frame } from "../../stream/wire";
import { openIncidents, worstFirst } from "../shared/incidents";
import { Live } from "../shared/live.svelte";
import { decisionsOf, figuresOf, fleetOf, roomOf, situationOf } from "./city";
import { changesOf, summaryOf, type Summary } from "./hour";
import { flatten, keepsakeVersion, type Keepsake } from "./keepsake";
import { openPast } from "../replay/past";

const hourMs = 3600_000;
/** The hour before is looked up again after this long, so that "the last hour" stays one. */
const hourEveryMs = 5 * 60_000;
/** A replay that has come so far from where the hour before was looked up looks again, ms. */
const pastHourMs = 2 * 60_000;
/** The first look waits for the numbers to be on the screen. */
const hourAfterMs = 1200;
const keepEveryMs = 60_000;

/** The city as a mayor reads it: the live lists, what people wrote, the hour before. */
export class Brief {
  readonly live: Live;
  /** Begins with what was kept: nothing on the screen is of now until the server has spoken. */
  fresh = $state(false);

  situationFeature = $state.raw<Feature>();
  response = $state.raw<Feature>();
  figureFeatures = $state.raw<readonly Feature[]>([]);
  decisionFeatures = $state.raw<readonly Feature[]>([]);
  assignments = $state.raw<readonly Feature[]>([]);
  coverageFeature = $state.raw<Feature>();
  /** The city an hour ago; null while nobody knows. */
  then = $state.raw<Summary | null>(null);
  /** The record was asked for the hour before, and did not answer. */
  thenMissing = $state(false);

  /** The moment that the numbers speak of, Unix ms: of the server's clock while they are live, else of the last data. */
  readonly moment = $derived.by(() => {
    const { state, at } = this.live.liveness;
    return (state === "live" || state === "delayed") && Number.isFinite(this.live.now) ? this.live.now : at;
  });
  readonly situation = $derived(situationOf(this.situationFeature));
  readonly figures = $derived.by(() => figuresOf(this.figureFeatures, this.live.codes.preset));
  readonly decisions = $derived(decisionsOf(this.decisionFeatures));
  readonly open = $derived.by(() => [...openIncidents(this.live.incidents, this.live.codes)].sort(worstFirst(this.live.codes)));
  readonly fleet = $derived.by(() => fleetOf(this.live.units, this.live.codes));
  readonly room = $derived.by(() => roomOf(this.live.shelters, this.live.codes));
  readonly changes = $derived.by(() => {
    const { then, live } = this;
    if (!then) return null;
    // These are what a summary is made of: it follows them.
    void [live.incidents, live.units, live.hazards, live.shelters, live.cover, this.figureFeatures, this.response];
    return changesOf(then, summaryOf(live.world, live.world.time, live.codes), live.codes);
  });

  readonly #preset: Preset;
  readonly #city: City;
  readonly #stops: (() => void)[] = [];
  #keptAt = -Infinity;
  #lookedBackFrom = -Infinity;

  /** @param at the moment that a replay begins with, RFC 3339; none: the present. */
  constructor(preset: Preset, city: City, seed: Frame | null, then: Summary | null, at: string | null = null, speed = 1) {
    this.#preset = preset;
    this.#city = city;
    this.live = new Live(preset, city, at, speed, { audience: "brief", every: "1s", ...(seed ? { seed } : {}) }, false);
    this.then = then;
    const { world } = this.live;
    const follow = (kind: Kind, take: (features: readonly Feature[]) => void) => this.#stops.push(world.onFeatures(kind, take));
    follow("situation", ([first]) => (this.situationFeature = first));
    follow("response", ([first]) => (this.response = first));
    follow("figure", (features) => (this.figureFeatures = features));
    follow("decision", (features) => (this.decisionFeatures = features));
    follow("assignment", (features) => (this.assignments = features));
    follow("coverage", ([first]) => (this.coverageFeature = first));

    let timer: ReturnType<typeof setTimeout> | undefined;
    this.#stops.push(
      world.onFrame(({ keyframe, frame }) => {
        if (!keyframe || frame.status?.clock === 0) return; // what was kept has no clock
        // A jump: the hour before is another one.
        if (this.live.replay && this.fresh) {
          this.then = null;
          clearTimeout(timer);
          timer = setTimeout(() => void this.lookBack(), hourAfterMs);
        }
        if (!this.fresh) {
          this.fresh = true;
          timer = setTimeout(() => this.#begin(), hourAfterMs);
        }
      }),
      () => clearTimeout(timer),
    );
    if (!this.live.replay) {
      const every = setInterval(() => void this.keep(), keepEveryMs);
      this.#stops.push(() => clearInterval(every));
    }
  }

  /** Says which moment the numbers are of by how they came: of now, or kept. */
  get old(): boolean {
    return this.live.liveness.state === "not-live";
  }

  /** What this tablet is allowed to keep, for as long as the session lasts. */
  get bond(): Bond | null {
    const { who } = me;
    if (!who?.session || !who.expires) return null;
    return { session: who.session, until: Date.parse(who.expires) };
  }

  /** Keeps what is on the screen, unless it is what was kept. */
  async keep(): Promise<void> {
    const { live, bond } = this;
    const state = live.liveness.state;
    if (!this.fresh || !bond || live.replay || (state !== "live" && state !== "delayed") || live.world.time === this.#keptAt) return;
    this.#keptAt = live.world.time;
    const keepsake: Keepsake = { version: keepsakeVersion, preset: this.#preset, city: this.#city, world: flatten(live.world, live.liveness), hour: this.then };
    await keep(bond, keepsake);
  }

  /** The numbers are on the screen: now what explains them. */
  #begin(): void {
    this.live.nameStreets();
    if (this.live.replay) {
      void this.lookBack();
      const along = setInterval(() => Math.abs(this.live.moment() - this.#lookedBackFrom) > pastHourMs && void this.lookBack(), 5000);
      this.#stops.push(() => clearInterval(along));
      return;
    }
    void this.keep();
    void this.lookBack().then(() => this.keep());
    const every = setInterval(() => document.visibilityState === "visible" && void this.lookBack(), hourEveryMs);
    this.#stops.push(() => clearInterval(every));
  }

  /** The same city at a moment of the past, Unix ms, to be closed by whoever opens it; speed 0 holds it there. */
  past(at: number, speed: number): Brief {
    return new Brief(this.#preset, this.#city, null, null, new Date(at).toISOString(), speed);
  }

  /** Asks the record for the city an hour before what is shown. */
  async lookBack(): Promise<void> {
    const now = this.live.moment();
    if (!Number.isFinite(now)) return;
    this.#lookedBackFrom = now;
    const past = openPast("brief");
    this.#stops.push(() => past.close());
    try {
      const world = await past.at(now - hourMs);
      if (this.#lookedBackFrom !== now) return; // somebody jumped meanwhile
      if (world) this.then = summaryOf(world, world.time, this.live.codes);
      this.thenMissing = world === null && this.then === null;
    } finally {
      past.close();
    }
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.live.close();
  }
}
