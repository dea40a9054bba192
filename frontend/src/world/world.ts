import { lanes, mix } from "../stream/hash";
import { headingUnknown, speedUnknown, type Frame, type Hash, type Put } from "../stream/wire";
import { Feature, text, type FeatureId, type Fix, type Kind } from "./feature";
import { Rows } from "./rows";

/** What a frame changed, for those who draw. Valid only while the listener runs. */
export type Change = Readonly<{
  /** The whole world was replaced: `put` is everything that there is. */
  keyframe: boolean;
  put: readonly Feature[];
  drop: readonly Feature[];
  /** Rows whose place changed without a put: the first `movedCount` entries, some of them perhaps twice or dropped since. */
  moved: Int32Array;
  movedCount: number;
  frame: Frame;
}>;

/**
 * What became of a frame.
 * - `applied`: the world stands at its `seq`.
 * - `known`: it says nothing new.
 * - `gap`: a frame is missing before it. A keyframe is needed.
 * - `mismatch`: the hash of the outcome is not the server's. A keyframe is needed.
 */
export type Applied = "applied" | "known" | "gap" | "mismatch";

type Listener = (change: Change) => void;

const two32 = 4294967296;
/** Servers count features from 1, so they fit; four bytes each, sixteen megabytes at most. */
const directMost = 1 << 22;
const noFeatures: readonly Feature[] = Object.freeze([]);

/**
 * The screen's copy of the world. It knows nothing of the DOM, the map or any framework: the map reads positions
 * straight from `rows`, panels subscribe only to what they show.
 */
export class World {
  /** The places of all features. Read only, except by `apply`. */
  readonly rows = new Rows();
  /** Which history this is, and where in it. */
  name = "";
  epoch = "";
  seq = 0;
  /** Frames of positions shown but not recorded since `seq`. */
  live = 0;
  /** Of the last frame, Unix milliseconds. */
  time = 0;
  /** False until the first keyframe, and between a gap or a mismatch and the keyframe that mends it. */
  synced = false;

  readonly #byId = new Map<number, Feature>();
  /** Rows by the numbers of features, -1 none: a frame moves tens of thousands. Numbers of `directMost` and more are not in it. */
  #rowOf = new Int32Array(1024).fill(-1);
  readonly #byKey = new Map<string, Feature>();
  readonly #byKind = new Map<Kind, Set<Feature>>();
  readonly #lists = new Map<Kind, readonly Feature[]>();
  readonly #counts = new Map<string, ReadonlyMap<string, number>>();
  #hashHi = 0;
  #hashLo = 0;
  #moved = new Int32Array(1024);
  /** The recorded fixes of the rows that show one that is not. */
  readonly #recorded = new Map<number, readonly number[]>();
  readonly #listeners = new Set<Listener>();
  readonly #kindListeners = new Map<Kind, Set<(features: readonly Feature[]) => void>>();
  readonly #unitListeners = new Map<number, Set<(feature: Feature | undefined, fix: Fix | null) => void>>();
  readonly #waiting = new Set<{ seq: number; done: () => void }>();

  /** The state hash: equal to the server's whenever `seq` is. */
  get hash(): Hash {
    return { hi: this.#hashHi, lo: this.#hashLo };
  }

  /** How many features there are. */
  get size(): number {
    return this.#byId.size;
  }

  /** The feature with the caller's key. */
  get(key: string): Feature | undefined {
    return this.#byKey.get(key);
  }

  /** The feature with the number. */
  byId(id: number): Feature | undefined {
    return this.#byId.get(id);
  }

  /** The features of a kind. The same array is returned until one of them is put or dropped. */
  features(kind: Kind): readonly Feature[] {
    let list = this.#lists.get(kind);
    if (!list) {
      const set = this.#byKind.get(kind);
      list = set ? Array.from(set).sort((a, b) => a.id - b.id) : noFeatures;
      this.#lists.set(kind, list);
    }
    return list;
  }

  /** Where the feature is now; null when it has no place. */
  fix(feature: Feature): Fix | null {
    const { rows } = this;
    const row = feature.row;
    if (rows.id[row] !== feature.id || rows.time[row] === 0) return null;
    const heading = rows.heading[row]!;
    const speed = rows.speed[row]!;
    return {
      at: [rows.lng[row]! / 1e7, rows.lat[row]! / 1e7],
      time: rows.time[row]!,
      headingDeg: heading === headingUnknown ? null : heading,
      speedMps: speed === speedUnknown ? null : speed / 10,
      accuracyM: rows.accuracy[row] || null,
      flags: rows.flags[row]!,
    };
  }

  /** How many features of a kind there are for each value of a text property; "" is "not set". */
  count(kind: Kind, property: string): ReadonlyMap<string, number> {
    const name = `${kind}\n${property}`;
    let counts = this.#counts.get(name);
    if (!counts) {
      const fresh = new Map<string, number>();
      for (const feature of this.features(kind)) {
        const value = text(feature, property);
        fresh.set(value, (fresh.get(value) ?? 0) + 1);
      }
      counts = fresh;
      this.#counts.set(name, counts);
    }
    return counts;
  }

  /**
   * Changes the world by one frame. After `gap` or `mismatch` the world takes nothing but a keyframe, because what is
   * shown must be what was recorded.
   */
  apply(frame: Frame): Applied {
    const keyframe = frame.base === 0;
    if (!keyframe) {
      if (!this.synced) return "gap";
      // Only keyframes and heartbeats name their world and epoch.
      const elsewhere = (frame.epoch && frame.epoch !== this.epoch) || (frame.world && frame.world !== this.name);
      if (elsewhere || frame.base > this.seq) {
        this.synced = false;
        return "gap";
      }
      if (frame.live > 0) return this.#overlay(frame);
      if (frame.seq < this.seq) return "known";
      if (frame.seq === this.seq) return this.#agrees(frame, "known");
    }

    const before = keyframe ? Array.from(this.#byId.values()) : noFeatures;
    if (keyframe) this.#clear();
    const restored = this.#endOverlay();
    const drop: Feature[] = [];
    const put: Feature[] = [];
    const kinds = new Set<Kind>();
    for (const id of frame.drop) {
      const feature = this.#byId.get(id);
      if (!feature) continue;
      this.#forget(feature);
      this.#share(feature.row, 0, 0);
      this.rows.release(feature.row);
      drop.push(feature);
      kinds.add(feature.kind);
    }
    for (const p of frame.put) {
      const old = this.#byId.get(p.id);
      if (old) {
        this.#forget(old);
        kinds.add(old.kind);
      }
      const feature = new Feature(p, old ? old.row : this.rows.take());
      this.#remember(feature, p);
      put.push(feature);
      kinds.add(feature.kind);
    }
    const movedCount = this.#move(frame, true, restored);
    if (keyframe) {
      this.name = frame.world;
      this.epoch = frame.epoch;
    }
    this.seq = frame.seq;
    this.live = frame.live;
    this.time = frame.time;
    this.synced = true;

    for (const feature of before) {
      kinds.add(feature.kind);
      if (this.#byId.get(feature.id) === undefined) drop.push(feature);
    }
    for (const kind of kinds) this.#invalidate(kind);
    this.#notify({ keyframe, put, drop, moved: this.#moved, movedCount, frame }, kinds);
    return this.#agrees(frame, "applied");
  }

  /** Calls `listener` after each frame that changed something. Returns its own undo. */
  onFrame(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` when features of the kind were put or dropped: once a frame, never for moves. */
  onFeatures(kind: Kind, listener: (features: readonly Feature[]) => void): () => void {
    return listen(this.#kindListeners, kind, listener);
  }

  /** Calls `listener` when the feature is put, dropped (undefined) or moved. */
  onUnit(id: FeatureId, listener: (feature: Feature | undefined, fix: Fix | null) => void): () => void {
    return listen(this.#unitListeners, id, listener);
  }

  /**
   * Resolves when the world stands at `seq` or after it: what a command answered with is on the screen then.
   *
   * @throws Error after `timeoutMs`.
   */
  reached(seq: number, timeoutMs = 10_000): Promise<void> {
    if (this.synced && this.seq >= seq) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const entry = {
        seq,
        done: () => {
          clearTimeout(timer);
          this.#waiting.delete(entry);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(entry);
        reject(new Error(`the world did not reach ${seq} within ${timeoutMs} ms; it stands at ${this.seq}`));
      }, timeoutMs);
      this.#waiting.add(entry);
    });
  }

  /**
   * Positions that are shown but not recorded. The recorded ones are kept beside: the hash and every later frame speak
   * of those.
   */
  #overlay(frame: Frame): Applied {
    if (frame.seq !== this.seq) {
      if (frame.seq < this.seq) return "known";
      this.synced = false;
      return "gap";
    }
    if (frame.live <= this.live) return "known";
    const movedCount = this.#move(frame, false, 0);
    this.live = frame.live;
    this.time = frame.time;
    this.#notify({ keyframe: false, put: [], drop: [], moved: this.#moved, movedCount, frame }, new Set());
    return "applied";
  }

  #agrees(frame: Frame, outcome: Applied): Applied {
    const { state } = frame;
    if (state.hi === this.#hashHi && state.lo === this.#hashLo) return outcome;
    this.synced = false;
    return "mismatch";
  }

  /** Puts every row back that shows what is not recorded. Returns how many it listed in `#moved`. */
  #endOverlay(): number {
    const { rows } = this;
    let n = 0;
    if (this.#moved.length < this.#recorded.size) this.#moved = new Int32Array(this.#recorded.size * 2);
    for (const [row, fix] of this.#recorded) {
      [rows.lng[row], rows.lat[row], rows.time[row]] = fix as [number, number, number];
      [rows.heading[row], rows.speed[row], rows.accuracy[row], rows.flags[row]] = fix.slice(3) as [number, number, number, number];
      this.#moved[n++] = row;
    }
    this.#recorded.clear();
    return n;
  }

  /** Applies the moves of a frame, and lists their rows in `#moved` after the first `n`. */
  #move(frame: Frame, recorded: boolean, n: number): number {
    const { rows } = this;
    const { id, lng, lat, time, heading, speed, accuracy, flags } = frame.moves;
    if (this.#moved.length < n + id.length) {
      const before = this.#moved;
      this.#moved = new Int32Array((n + id.length) * 2);
      this.#moved.set(before);
    }
    const moved = this.#moved;
    const { lng: toLng, lat: toLat, time: toTime, heading: toHeading } = rows;
    const { speed: toSpeed, accuracy: toAccuracy, flags: toFlags, rev } = rows;
    for (let i = 0; i < id.length; i++) {
      const row = this.#rowOfId(id[i]!);
      if (row < 0) continue;
      if (!recorded && !this.#recorded.has(row)) this.#keep(row);
      toLng[row] = lng[i]!;
      toLat[row] = lat[i]!;
      toTime[row] = time[i]!;
      toHeading[row] = heading[i]!;
      toSpeed[row] = speed[i]!;
      toAccuracy[row] = accuracy[i]!;
      toFlags[row] = flags[i]!;
      if (recorded) {
        mix(id[i]!, rev[row]!, lng[i]!, lat[i]!, time[i]!, heading[i]!, speed[i]!, accuracy[i]!, flags[i]!);
        this.#share(row, lanes.hi, lanes.lo);
      }
      moved[n++] = row;
    }
    return n;
  }

  #rowOfId(id: number): number {
    if (id >= directMost) return this.#byId.get(id)?.row ?? -1;
    return id < this.#rowOf.length ? this.#rowOf[id]! : -1;
  }

  #setRowOfId(id: number, row: number): void {
    if (id >= directMost) return;
    if (id >= this.#rowOf.length) {
      const before = this.#rowOf;
      this.#rowOf = new Int32Array(2 ** Math.ceil(Math.log2(id + 1))).fill(-1);
      this.#rowOf.set(before);
    }
    this.#rowOf[id] = row;
  }

  #keep(row: number): void {
    const { lng, lat, time, heading, speed, accuracy, flags } = this.rows;
    this.#recorded.set(row, [
      lng[row]!,
      lat[row]!,
      time[row]!,
      heading[row]!,
      speed[row]!,
      accuracy[row]!,
      flags[row]!,
    ]);
  }

  #remember(feature: Feature, p: Put): void {
    const { rows } = this;
    const row = feature.row;
    rows.id[row] = p.id;
    rows.rev[row] = p.rev;
    rows.lng[row] = p.lng;
    rows.lat[row] = p.lat;
    rows.time[row] = p.time;
    rows.heading[row] = p.heading;
    rows.speed[row] = p.speed;
    rows.accuracy[row] = p.accuracy;
    rows.flags[row] = p.flags;
    mix(p.id, p.rev, p.lng, p.lat, p.time, p.heading, p.speed, p.accuracy, p.flags);
    this.#share(row, lanes.hi, lanes.lo);
    this.#byId.set(feature.id, feature);
    this.#setRowOfId(feature.id, row);
    this.#byKey.set(feature.key, feature);
    let set = this.#byKind.get(feature.kind);
    if (!set) this.#byKind.set(feature.kind, (set = new Set()));
    set.add(feature);
  }

  #forget(feature: Feature): void {
    this.#byId.delete(feature.id);
    this.#setRowOfId(feature.id, -1);
    if (this.#byKey.get(feature.key) === feature) this.#byKey.delete(feature.key);
    this.#byKind.get(feature.kind)?.delete(feature);
  }

  /** Replaces the share of a row in the state hash: a sum modulo 2^64 in two halves. */
  #share(row: number, hi: number, lo: number): void {
    const { rows } = this;
    let low = this.#hashLo - rows.hashLo[row]! + lo;
    let high = this.#hashHi - rows.hashHi[row]! + hi;
    if (low < 0) {
      low += two32;
      high -= 1;
    } else if (low >= two32) {
      low -= two32;
      high += 1;
    }
    this.#hashLo = low;
    this.#hashHi = high >>> 0;
    rows.hashLo[row] = lo;
    rows.hashHi[row] = hi;
  }

  #clear(): void {
    this.rows.clear();
    this.#recorded.clear();
    this.#byId.clear();
    this.#rowOf.fill(-1);
    this.#byKey.clear();
    this.#byKind.clear();
    this.#hashHi = this.#hashLo = 0;
  }

  #invalidate(kind: Kind): void {
    this.#lists.delete(kind);
    for (const name of this.#counts.keys()) if (name.startsWith(`${kind}\n`)) this.#counts.delete(name);
  }

  #notify(change: Change, kinds: ReadonlySet<Kind>): void {
    for (const listener of this.#listeners) guard(() => listener(change));
    for (const kind of kinds) {
      const listeners = this.#kindListeners.get(kind);
      if (listeners) for (const listener of listeners) guard(() => listener(this.features(kind)));
    }
    if (this.#unitListeners.size > 0) this.#notifyUnits(change);
    for (const entry of this.#waiting) if (this.seq >= entry.seq) entry.done();
  }

  #notifyUnits(change: Change): void {
    const ids = new Set<number>();
    for (const feature of change.put) ids.add(feature.id);
    for (const feature of change.drop) ids.add(feature.id);
    for (let i = 0; i < change.movedCount; i++) ids.add(this.rows.id[change.moved[i]!]!);
    for (const [id, listeners] of this.#unitListeners) {
      if (!ids.has(id)) continue;
      const feature = this.#byId.get(id);
      const fix = feature ? this.fix(feature) : null;
      for (const listener of listeners) guard(() => listener(feature, fix));
    }
  }
}

function listen<K, L>(table: Map<K, Set<L>>, key: K, listener: L): () => void {
  let set = table.get(key);
  if (!set) table.set(key, (set = new Set()));
  set.add(listener);
  return () => {
    set.delete(listener);
    if (set.size === 0 && table.get(key) === set) table.delete(key);
  };
}

/** A listener that throws must not keep the others from the frame; its error is reported all the same. */
function guard(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
