/**
 * A server in small, written the naive way to hold the screens against: 64-bit arithmetic by BigInt, bits one by one,
 * a world as a plain map.
 */
import { headingUnknown, speedUnknown } from "../src/stream/wire";

/** mulberry32: seeded, so that a failing seed fails again. */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export type TestFix = {
  lng: number;
  lat: number;
  time: number;
  heading: number;
  speed: number;
  accuracy: number;
  flags: number;
};
export type TestFeature = { id: number; key: string; kind: string; rev: number; props: string; fix: TestFix };
export type TestFrame = {
  v?: number;
  world?: string;
  epoch?: string;
  base: number;
  seq: number;
  live?: number;
  time?: number;
  state?: bigint;
  drop?: number[];
  put?: TestFeature[];
  move?: (TestFix & { id: number })[];
  status?: { mode?: string; recording?: boolean; tick?: number; clock?: number; echo?: number };
  /** Bytes to append: fields of a later version. */
  extra?: number[];
};

export const nowhere: TestFix = {
  lng: 0,
  lat: 0,
  time: 0,
  heading: headingUnknown,
  speed: speedUnknown,
  accuracy: 0,
  flags: 0,
};

class Writer {
  bytes: number[] = [];
  varint(v: bigint): void {
    v = BigInt.asUintN(64, v);
    for (; v > 127n; v >>= 7n) this.bytes.push(Number(v & 127n) | 128);
    this.bytes.push(Number(v));
  }
  tag(field: number, type: number): void {
    this.varint(BigInt(field * 8 + type));
  }
  uint(field: number, v: number | bigint): void {
    if (v == 0) return;
    this.tag(field, 0);
    this.varint(BigInt(v));
  }
  sint(field: number, v: number): void {
    this.uint(field, zigzag(BigInt(v)));
  }
  data(field: number, bytes: Iterable<number>): void {
    const list = [...bytes];
    this.tag(field, 2);
    this.varint(BigInt(list.length));
    for (const b of list) this.bytes.push(b);
  }
  text(field: number, v: string): void {
    if (v) this.data(field, new TextEncoder().encode(v));
  }
  packed(field: number, values: bigint[]): void {
    if (values.length === 0) return;
    const w = new Writer();
    for (const v of values) w.varint(v);
    this.data(field, w.bytes);
  }
  fixed64(field: number, v: bigint): void {
    this.tag(field, 1);
    for (let i = 0n; i < 8n; i++) this.bytes.push(Number((v >> (8n * i)) & 255n));
  }
}

const zigzag = (v: bigint) => (v >= 0n ? v * 2n : -v * 2n - 1n);
const headingWire = (h: number) => (h === headingUnknown ? 0 : h + 1);
const speedWire = (s: number) => (s === speedUnknown ? 0 : s + 1);

function block(rows: (TestFix & { id: number })[]): number[] {
  const id = rows.map((m, i) => (i === 0 ? 0 : m.id - rows[i - 1]!.id - 1));
  const columns = [
    rows.map((m) => m.lng),
    rows.map((m) => m.lat),
    rows.map((m) => headingWire(m.heading)),
    rows.map((m) => speedWire(m.speed)),
    rows.map((m) => m.time),
    rows.map((m) => m.accuracy),
    rows.map((m) => m.flags),
  ];
  const base = [rows[0]!.id, ...columns.map((c) => c.reduce((a, b) => Math.min(a, b)))];
  const values = [id, ...columns.map((c, k) => c.map((v) => v - base[k + 1]!))];
  const width = values.map((c) => BigInt(c.reduce((a, b) => Math.max(a, b))).toString(2).replace(/^0$/, "").length);
  const row = width.reduce((a, b) => a + b);
  if (rows.length > 1 && row < 8) width[0]! += 8 - row;
  const bits: number[] = [];
  values.forEach((c, k) => {
    for (const v of c) for (let i = 0; i < width[k]!; i++) bits.push(Number((BigInt(v) >> BigInt(i)) & 1n));
  });
  const packed = Array.from({ length: Math.ceil(bits.length / 8) }, (_, i) =>
    bits.slice(i * 8, i * 8 + 8).reduce((a, bit, j) => a | (bit << j), 0),
  );
  const w = new Writer();
  w.uint(1, rows.length);
  w.packed(2, base.map((v) => zigzag(BigInt(v))));
  if (width.some((v) => v > 0)) w.data(3, width);
  if (packed.length > 0) w.data(4, packed);
  return w.bytes;
}

/** Writes a frame as streams/FORMAT.md says. */
export function encode(f: TestFrame, blockRows = 256): Uint8Array {
  const w = new Writer();
  w.uint(1, f.v ?? 1);
  w.text(2, f.world ?? "");
  w.text(3, f.epoch ?? "");
  w.uint(5, f.base);
  w.uint(6, f.seq);
  w.uint(7, f.live ?? 0);
  w.sint(8, f.time ?? 0);
  if (f.state) w.fixed64(10, f.state);
  const drop = [...(f.drop ?? [])].sort((a, b) => a - b);
  w.packed(20, drop.map((id, i) => BigInt(id - (drop[i - 1] ?? 0))));
  for (const p of f.put ?? []) {
    const q = new Writer();
    q.uint(1, p.id);
    q.text(2, p.key);
    q.text(3, p.kind);
    q.uint(4, p.rev);
    q.sint(6, p.fix.lng);
    q.sint(7, p.fix.lat);
    q.sint(8, p.fix.time);
    q.uint(9, headingWire(p.fix.heading));
    q.uint(10, speedWire(p.fix.speed));
    q.uint(11, p.fix.accuracy);
    q.uint(12, p.fix.flags);
    q.text(13, p.props);
    w.data(21, q.bytes);
  }
  const move = [...(f.move ?? [])].sort((a, b) => a.id - b.id);
  for (let i = 0; i < move.length; i += blockRows) w.data(22, block(move.slice(i, i + blockRows)));
  if (f.status) {
    const s = new Writer();
    s.text(1, f.status.mode ?? "live");
    s.uint(3, f.status.recording === false ? 0 : 1);
    s.sint(5, f.status.tick ?? 0);
    s.sint(7, f.status.clock ?? 0);
    s.uint(8, f.status.echo ?? 0);
    w.data(40, s.bytes);
  }
  if (f.extra) w.bytes.push(...f.extra);
  return Uint8Array.from(w.bytes);
}

const mask32 = 0xffffffffn;

/** geo.Mix with integers of any size. */
export function mix(id: number, rev: number, x: TestFix): bigint {
  const u64 = (v: number) => BigInt.asUintN(64, BigInt(v));
  const words = [
    BigInt(id),
    u64(rev) & mask32,
    u64(rev) >> 32n,
    BigInt.asUintN(32, BigInt(x.lng)),
    BigInt.asUintN(32, BigInt(x.lat)),
    u64(x.time) & mask32,
    u64(x.time) >> 32n,
    BigInt(x.heading) | (BigInt(x.speed) << 16n),
    BigInt(x.accuracy) | (BigInt(x.flags) << 16n),
  ];
  let a = 0x9e3779b9n;
  let b = 0x85ebca6bn;
  for (const w of words) {
    a = ((a ^ w) * 0x01000193n) & mask32;
    a ^= a >> 15n;
    b = (((b + w) & mask32) * 0xcc9e2d51n) & mask32;
    b ^= b >> 13n;
  }
  const final = (h: bigint) => {
    h ^= h >> 16n;
    h = (h * 0x85ebca6bn) & mask32;
    h ^= h >> 13n;
    h = (h * 0xc2b2ae35n) & mask32;
    return h ^ (h >> 16n);
  };
  const high = ((a ^ ((b << 1n) & mask32)) | (b >> 31n)) & mask32;
  return (final(high) << 32n) | final((b + a) & mask32);
}

/** Holds the truth, and says what changed since any sequence. */
export class Server {
  epoch = "e1";
  seq = 0;
  live = 0;
  time = 1_700_000_000_000;
  features = new Map<number, TestFeature>();
  /** What is shown but not recorded. */
  overlay = new Map<number, TestFix>();
  changed = new Map<number, number>();
  tombs = new Map<number, number>();
  nextId = 1;

  hash(): bigint {
    let sum = 0n;
    for (const f of this.features.values()) sum += mix(f.id, f.rev, f.fix);
    return BigInt.asUintN(64, sum);
  }

  /** One tick at random; returns its frame. */
  step(r: () => number): TestFrame {
    this.seq++;
    this.time += 50;
    const int = (n: number) => Math.floor(r() * n);
    const pick = () => [...this.features.keys()][int(this.features.size)];
    const drop: number[] = [];
    const put: TestFeature[] = [];
    const move: (TestFix & { id: number })[] = [];
    const fix = (): TestFix => ({
      lng: int(3_600_000_000) - 1_800_000_000,
      lat: int(1_800_000_000) - 900_000_000,
      time: this.time - int(200_000),
      heading: r() < 0.3 ? headingUnknown : int(360),
      speed: r() < 0.3 ? speedUnknown : int(500),
      accuracy: int(50),
      flags: int(8),
    });
    if (r() < 0.2 && this.features.size > 3) {
      const id = pick()!;
      this.features.delete(id);
      this.changed.delete(id);
      this.overlay.delete(id);
      this.tombs.set(id, this.seq);
      drop.push(id);
    }
    for (let i = int(3); i > 0; i--) {
      const old = r() < 0.5 ? this.features.get(pick() ?? 0) : undefined;
      const id = old?.id ?? this.nextId++;
      if (put.some((p) => p.id === id)) continue;
      const f: TestFeature = {
        id,
        key: old?.key ?? `K${id}`,
        kind: old?.kind ?? ["unit", "incident", "hazard"][int(3)]!,
        rev: this.seq,
        props: r() < 0.2 ? "" : JSON.stringify({ n: int(100), status: ["available", "on_scene"][int(2)], name: "یگان" }),
        fix: r() < 0.2 ? nowhere : fix(),
      };
      this.features.set(id, f);
      this.changed.set(id, this.seq);
      this.overlay.delete(id);
      put.push(f);
    }
    for (let i = int(4); i > 0 && this.features.size > 0; i--) {
      const f = this.features.get(pick()!)!;
      if (move.some((m) => m.id === f.id) || put.some((p) => p.id === f.id)) continue;
      const moved = { ...f, fix: fix() };
      this.features.set(f.id, moved);
      this.changed.set(f.id, this.seq);
      this.overlay.delete(f.id);
      move.push({ id: f.id, ...moved.fix });
    }
    // Healing: what was shown without being recorded is recorded with the next frame.
    for (const [id, at] of this.overlay) {
      const f = this.features.get(id)!;
      this.features.set(id, { ...f, fix: at });
      this.changed.set(id, this.seq);
      move.push({ id, ...at });
    }
    this.overlay.clear();
    this.live = 0;
    return { ...this.head(), base: this.seq - 1, drop, put, move };
  }

  /** Positions while nothing can be recorded. */
  unrecorded(r: () => number): TestFrame {
    this.live++;
    this.time += 50;
    const move: (TestFix & { id: number })[] = [];
    for (const f of this.features.values()) {
      if (r() > 0.3) continue;
      const at = { ...f.fix, lng: Math.floor(r() * 1e9), time: this.time };
      this.overlay.set(f.id, at);
      move.push({ id: f.id, ...at });
    }
    return { epoch: this.epoch, world: "live", base: this.seq, seq: this.seq, live: this.live, time: this.time, move };
  }

  keyframe(): TestFrame {
    return { ...this.head(), base: 0, put: [...this.features.values()] };
  }

  since(seq: number): TestFrame {
    const drop = [...this.tombs].filter(([, at]) => at > seq).map(([id]) => id);
    const changed = [...this.features.values()].filter((f) => this.changed.get(f.id)! > seq);
    return {
      ...this.head(),
      base: seq,
      drop,
      put: changed.filter((f) => f.rev > seq),
      move: changed.filter((f) => f.rev <= seq).map((f) => ({ id: f.id, ...f.fix })),
    };
  }

  heartbeat(): TestFrame {
    return { ...this.head(), base: this.seq, status: { tick: this.time, clock: this.time } };
  }

  private head() {
    return { world: "live", epoch: this.epoch, seq: this.seq, time: this.time, state: this.hash() };
  }
}

/** Returns what adds the state hash to frames that are told one after the other, each following the one before. */
export function teller(): (f: TestFrame) => TestFrame {
  const features = new Map<number, TestFeature>();
  return (f) => {
    if (f.live) return f;
    if (f.base === 0) features.clear();
    for (const id of f.drop ?? []) features.delete(id);
    for (const p of f.put ?? []) features.set(p.id, p);
    for (const m of f.move ?? []) {
      const p = features.get(m.id);
      if (p) features.set(m.id, { ...p, fix: m });
    }
    let state = 0n;
    for (const p of features.values()) state += mix(p.id, p.rev, p.fix);
    return { state: BigInt.asUintN(64, state), ...f };
  };
}
