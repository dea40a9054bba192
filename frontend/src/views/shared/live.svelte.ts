import { getCity, getPreset, type City } from "../../commands/commands";
import { pageWorld } from "../../commands/world";
import { loadFonts } from "../../fonts";
import type { Preset } from "../../preset";
import { Codes } from "../../ui/codes";
import { heard } from "../../ui/overdue";
import { settings } from "../../ui/settings.svelte";
import { text, type Feature, type Kind } from "../../world/feature";
import type { Liveness } from "../../world/liveness";
import { openSession, type Session, type SessionOptions } from "../../world/session";
import type { World } from "../../world/world";
import { ActLog, type Act } from "./acts";
import { loadPlaces, Places } from "./places";
import { coverRecord, stirOf, type CoverRecord, type Stir } from "./reach";

/** Lists on panels change at most this often; the map follows every frame by itself. */
const listEveryMs = 200;
const livenessEveryMs = 250;
/** What panels have lists of. */
const kinds: readonly Kind[] = [
  ...["incident", "unit", "hazard", "shelter", "alarm", "assignment", "void", "coverage", "situation", "response", "figure", "decision", "layout"],
];

/** What the panels of a view read, reactive. Positions are not here: they are asked of the world when they are shown. */
export class Live {
  readonly session: Session;
  readonly world: World;
  readonly codes: Codes;
  readonly city: City;
  /** Live shows the present; a replay shows the past, and nothing can be done about it. */
  readonly replay: boolean;

  incidents = $state.raw<readonly Feature[]>([]);
  units = $state.raw<readonly Feature[]>([]);
  hazards = $state.raw<readonly Feature[]>([]);
  shelters = $state.raw<readonly Feature[]>([]);
  alarms = $state.raw<readonly Feature[]>([]);
  /** Units at work, with the stamps of what they did. */
  assignments = $state.raw<readonly Feature[]>([]);
  /** What a person wrote above all numbers; null: nobody did. */
  situation = $state.raw<Feature | null>(null);
  /** The response level; null: none was ever set. */
  response = $state.raw<Feature | null>(null);
  figures = $state.raw<readonly Feature[]>([]);
  decisions = $state.raw<readonly Feature[]>([]);
  layouts = $state.raw<readonly Feature[]>([]);
  /** Zones that nobody of a capability reaches in time. */
  voids = $state.raw<readonly Feature[]>([]);
  /** What the record says of the coverage; null before it says anything. */
  cover = $state.raw<CoverRecord | null>(null);
  /** What happened, the newest first. */
  acts = $state.raw<readonly Act[]>([]);
  /** What to say about the picture. A new object only when a reader would see a difference. */
  liveness = $state.raw<Liveness>() as Liveness;
  /** The moment that the picture shows, or the server's clock when it is live; Unix ms, once a second. */
  now = $state(NaN);
  /** Names of streets and quarters; none until they are fetched. */
  places = $state.raw(new Places([]));
  /** The first keyframe has come. */
  begun = $state(false);

  #log: ActLog;
  #front = true;
  readonly #stopped: AbortSignal;
  readonly #stops: (() => void)[] = [];
  #build = "";

  /** `options` say more than what an address says; `names`: whether names of streets are fetched at once. */
  constructor(preset: Preset, city: City, at: string | null, speed: number, options: SessionOptions = {}, names = true) {
    this.codes = new Codes(preset);
    this.city = city;
    this.replay = at !== null;
    this.session = openSession({ world: pageWorld(), ...options, ...(at === null ? {} : { at, speed }) });
    this.world = this.session.world;
    this.#log = new ActLog(this.codes);
    this.liveness = this.session.liveness();
    const stop = new AbortController();
    this.#stops.push(() => stop.abort());
    this.#stopped = stop.signal;
    if (names) this.nameStreets();

    const dirty = new Set<Kind | "acts">();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let flushed = 0;
    const flush = () => {
      timer = undefined;
      flushed = performance.now();
      if (dirty.has("incident")) this.incidents = this.world.features("incident");
      if (dirty.has("unit")) this.units = this.world.features("unit");
      if (dirty.has("hazard")) this.hazards = this.world.features("hazard");
      if (dirty.has("shelter")) this.shelters = this.world.features("shelter");
      if (dirty.has("alarm")) this.alarms = this.world.features("alarm");
      if (dirty.has("assignment")) this.assignments = this.world.features("assignment");
      if (dirty.has("situation")) this.situation = this.world.features("situation")[0] ?? null;
      if (dirty.has("response")) this.response = this.world.features("response")[0] ?? null;
      if (dirty.has("figure")) this.figures = this.world.features("figure");
      if (dirty.has("decision")) this.decisions = this.world.features("decision");
      if (dirty.has("layout")) this.layouts = this.world.features("layout");
      if (dirty.has("void")) this.voids = this.world.features("void");
      if (dirty.has("coverage")) this.cover = coverRecord(this.world.features("coverage")[0]);
      if (dirty.has("acts")) this.acts = this.#log.acts;
      dirty.clear();
      this.begun = true;
    };
    this.#stops.push(
      this.world.onFrame((change) => {
        // The past begins again at each jump: what differs from before it did not happen.
        if (this.replay && change.keyframe) this.#log = new ActLog(this.codes);
        if (this.#log.take(change)) dirty.add("acts");
        if (this.replay && change.keyframe) dirty.add("acts");
        for (const f of change.put) dirty.add(f.kind);
        for (const f of change.drop) dirty.add(f.kind);
        if (change.keyframe) for (const kind of kinds) dirty.add(kind);
        if (dirty.size === 0 || timer !== undefined) return;
        const due = flushed + listEveryMs - performance.now();
        timer = setTimeout(flush, Math.max(0, due));
      }),
    );

    const look = () => this.look();
    const clock = setInterval(look, livenessEveryMs);
    this.#stops.push(this.session.onState(look), () => clearInterval(clock), () => clearTimeout(timer));
    look();
  }

  /** The server was replaced by another version, which has other screens. */
  get outdated(): boolean {
    const build = this.session.build();
    return this.#build !== "" && build !== "" && build !== this.#build;
  }

  /** Whether the page's own word about its picture, `data-state`, is of this world: not while another stands before it. */
  inFront(on: boolean): void {
    this.#front = on;
    if (on) document.documentElement.dataset["state"] = this.liveness.word;
  }

  /** Fetches the names of streets and quarters, where the city has some: until then places have none. */
  nameStreets(): void {
    if (this.city.basemap) void loadPlaces(this.#stopped).then((places) => (this.places = places));
  }

  /** The name of a feature, its key where it has none or is gone. */
  name(key: string): string {
    const feature = this.world.get(key);
    return (feature && text(feature, "name")) || key;
  }

  /**
   * Calls `listener` for each frame that may change an answer about roads, units or coverage, with the sequence of the
   * frame. `watched` are the keys of units whose moves count. Returns its own undo.
   */
  onStir(watched: () => ReadonlySet<string>, listener: (stir: Stir, seq: number) => void): () => void {
    return this.world.onFrame((change) => {
      const stir = stirOf(change, this.world, watched());
      if (stir.roads || stir.fleet || stir.moved || stir.cover) listener(stir, change.frame.seq);
    });
  }

  /** The moment that the picture shows, Unix ms: of the replay, else the server's clock. Not reactive. */
  moment(): number {
    return this.replay ? this.session.liveness().at : this.session.now();
  }

  /** Seconds since the fix of a feature; Infinity when it has none. */
  fixAge(feature: Feature): number {
    const fix = this.world.fix(feature);
    return fix && Number.isFinite(this.now) ? Math.max(0, (this.now - fix.time) / 1000) : Infinity;
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.session.close();
  }

  /** Reads the state of the picture, as happens several times a second anyway: whoever waits for a moment need not wait for that. */
  look(): void {
    const next = this.session.liveness();
    this.#build ||= this.session.build(); // at once: a server may be replaced in its first second
    if (next.state === "live") heard(next.age * 1000);
    if (differs(this.liveness, next)) this.liveness = next;
    if (this.#front) document.documentElement.dataset["state"] = next.word;
    const shown = this.replay ? next.at : this.session.now();
    // Once a second, at the second: clocks and stopwatches move together.
    const second = Math.floor(shown / 1000) * 1000;
    if (second !== this.now) this.now = second;
  }
}

function differs(a: Liveness | undefined, b: Liveness): boolean {
  return (
    !a ||
    a.word !== b.word ||
    (b.state !== "live" && Math.floor(a.age) !== Math.floor(b.age)) ||
    a.recording !== b.recording ||
    a.exercise !== b.exercise ||
    a.simulated !== b.simulated ||
    a.speed !== b.speed ||
    a.unproven !== b.unproven ||
    a.link !== b.link ||
    a.silent !== b.silent ||
    // Acts of the past lie closer to each other than a second, and one goes from one to the next.
    (b.state === "replay" ? a.at !== b.at : Math.floor(a.at / 1000) !== Math.floor(b.at / 1000))
  );
}

/** Opens the past of what a screen shows, from a moment on, Unix ms; 0 holds it there. The present goes on beside it. */
export function pastOf(present: Live, at: number, speed: number): Live {
  const past = new Live(present.codes.preset, present.city, new Date(at).toISOString(), speed, {}, false);
  past.places = present.places;
  return past;
}

/**
 * Fetches what a view needs before it can show anything, for as long as it takes: a wall comes up alone after a power cut,
 * before its server does.
 */
export async function begin(signal: AbortSignal, onWaiting: () => void): Promise<Live> {
  for (let pause = 500; ; pause = Math.min(5000, pause * 1.5)) {
    const [preset, city] = await Promise.all([getPreset<Preset>(signal), getCity(signal)]);
    signal.throwIfAborted();
    if (preset.ok && city.ok) {
      settings.timeZone = city.body.time_zone;
      const first = preset.body.languages[0];
      if (first) settings.offerLanguage(first);
      await loadFonts(settings.language);
      signal.throwIfAborted();
      return new Live(preset.body, city.body, null, 1);
    }
    onWaiting();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
