import { monotonic, ServerClock } from "../stream/clock";
import { closeSignIn, sessionOver, type LinkState, type Report, type Request, type Upward } from "../stream/protocol";
import type { Frame, Status } from "../stream/wire";
import { text, time } from "./feature";
import { judge, type Liveness, type SilentFeed } from "./liveness";
import { World } from "./world";

/** What to watch. */
export type SessionOptions = Readonly<{
  /** Default: that of whoever is signed in. */
  audience?: "ops" | "brief" | "public";
  /** Which world; default "live". */
  world?: string;
  /** A configured area of a large world. */
  area?: string;
  /** How often at most; default as often as it changes. */
  every?: Every;
  /** Replay: the moment to begin with, RFC 3339. */
  at?: string;
  /** Replay: 1 is as it was. */
  speed?: number;
  /** Where the server is; default this page's origin. */
  origin?: string;
  /** A world that was kept from before: shown, as NOT LIVE, until the first keyframe replaces it. */
  seed?: Frame;
}>;

/** The rates that the server keeps. */
export type Every = "50ms" | "200ms" | "1s" | "5s";

/** Counters since the session began. */
export type SessionStats = Readonly<{
  frames: number;
  bytes: number;
  moves: number;
  keyframes: number;
  gaps: number;
  mismatches: number;
  /** Times that a connection was opened after the first. */
  reconnects: number;
  /** Times that the worker had to be started again. */
  restarts: number;
  /** Milliseconds of this thread spent in applying the last frame. */
  applyMs: number;
  /** How far off the server's clock may be, ms. */
  clockErrorMs: number;
}>;

/** A living world: see `openSession`. */
export type Session = Readonly<{
  world: World;
  /** What to say about the picture now. Ask several times a second, and on `onState`. */
  liveness(): Liveness;
  /** Link, status, recording or feeds changed. Returns its own undo. */
  onState(listener: () => void): () => void;
  /** The server's clock, Unix ms; NaN while it is not known. */
  now(): number;
  /** Version of the server; "" until known. A screen of another version should load itself again. */
  build(): string;
  /** Replay only: jump to a moment (Unix ms). The world begins again with a keyframe. */
  seek(at: number, speed: number): void;
  /** Replay only: goes on at this speed from where it is; 0 holds it there. */
  setSpeed(speed: number): void;
  /** Replay only: a jump is under way, and the picture is still that of before it. */
  seeking(): boolean;
  setEvery(every: Every): void;
  setArea(area: string): void;
  /** The machine woke or its network came back: does not wait for timers to find out that a link is dead. */
  wake(): void;
  stats(): SessionStats;
  close(): void;
}>;

/** A worker that says nothing for this long is dead (killed by the browser for its memory, or stuck). */
const pulseMs = 10_000;

/** Opens a stream into a world of its own, and keeps it open until `close`. */
export function openSession(options: SessionOptions = {}): Session {
  const world = new World();
  const clock = new ServerClock();
  const listeners = new Set<() => void>();
  let worker: Worker;
  let link: LinkState = "connecting";
  let status: Status | null = null;
  let tick = 0;
  let silent: readonly SilentFeed[] = [];
  let pulse = monotonic();
  let said: Upward = {};
  let seeking = false;
  const counts = {
    frames: 0,
    bytes: 0,
    moves: 0,
    keyframes: 0,
    gaps: 0,
    mismatches: 0,
    reconnects: -1,
    restarts: 0,
    applyMs: 0,
  };

  const changed = () => listeners.forEach((listener) => listener());
  const ask = (request: Request) => worker.postMessage(request);

  function start(): void {
    pulse = monotonic();
    worker = new Worker(new URL("../stream/worker.ts", import.meta.url), { type: "module", name: "stream" });
    worker.onmessage = ({ data }: MessageEvent<Report>) => receive(data);
    ask({ type: "open", url: address(options), replay: options.at !== undefined });
    if (said.every || said.area || said.seek) ask({ type: "send", message: said });
  }

  function receive(report: Report): void {
    pulse = monotonic();
    switch (report.type) {
      case "pulse":
        return;
      case "link":
        if (report.state === "open") counts.reconnects++;
        link = report.state;
        if (report.code === closeSignIn) globalThis.dispatchEvent?.(new Event(sessionOver));
        changed();
        return;
      case "frame":
        receiveFrame(report);
        return;
      default:
        report satisfies never;
    }
  }

  function receiveFrame({ frame, bytes, received, sent }: Report & { type: "frame" }): void {
    counts.frames++;
    counts.bytes += bytes;
    counts.moves += frame.moves.id.length;
    const before = status;
    // Nothing of the present is ever drawn as the past, whatever the server thinks that we asked for.
    if (options.at !== undefined && frame.status?.mode === "live") {
      world.synced = false;
      ask({ type: "applied", count: 1 });
      askKeyframe();
      return;
    }
    if (frame.base === 0) seeking = false;
    if (frame.status) {
      status = frame.status;
      if (status.clock > 0) clock.sample(status.clock, received, sent);
      tick = frame.base === 0 ? status.tick : Math.max(tick, status.tick);
    }
    const began = performance.now();
    const outcome = world.apply(frame);
    counts.applyMs = performance.now() - began;
    ask({ type: "applied", count: 1 });
    switch (outcome) {
      case "applied":
        if (frame.base === 0) counts.keyframes++;
        // A recorded frame bears the time of its tick, so a busy stream needs no heartbeat to be live.
        if (status?.mode === "live" && frame.live === 0 && frame.base !== 0) tick = Math.max(tick, frame.time);
        break;
      case "known":
        break;
      case "gap":
        counts.gaps++;
        if (frame.base !== 0) askKeyframe();
        break;
      case "mismatch":
        counts.mismatches++;
        askKeyframe();
        break;
      default:
        outcome satisfies never;
    }
    if (frame.status && !sameStatus(before, frame.status)) changed();
  }

  // Frames that were under way when we asked are gaps too: one question is enough.
  let askedAt = -Infinity;
  function askKeyframe(): void {
    if (monotonic() - askedAt < 2000) return;
    askedAt = monotonic();
    ask({ type: "keyframe" });
    changed();
  }

  const stopFeeds = world.onFeatures("feed", (feeds) => {
    silent = feeds.flatMap((feed) => {
      const since = time(feed, "silent_since");
      return Number.isNaN(since) ? [] : [{ key: feed.key, name: text(feed, "name") || feed.key, since }];
    });
    changed();
  });

  const watch = setInterval(() => {
    // After a sleep the clock is unknown until the server answers, so the old picture says NOT LIVE at once.
    if (clock.slept(monotonic(), Date.now())) changed();
    if (monotonic() - pulse < pulseMs) return;
    worker.terminate();
    counts.restarts++;
    link = "waiting";
    // A replay goes on where it was, not where it was sent to last.
    if (options.at !== undefined && !seeking && tick > 0) said = { ...said, seek: new Date(tick).toISOString() };
    changed();
    start();
  }, 1000);

  start();
  const { seed } = options;
  if (seed) {
    status = seed.status;
    // Who opened the session listens to its world before it sees the first frame of it.
    queueMicrotask(() => {
      if (world.synced) return;
      world.apply(seed);
      world.synced = false;
      changed();
    });
  }

  return {
    world,
    liveness() {
      clock.slept(monotonic(), Date.now());
      const now = clock.at(monotonic());
      return judge({ now, tick, time: world.time, synced: world.synced, status, silent, link, seeking });
    },
    onState(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    now: () => clock.at(monotonic()),
    build: () => status?.build ?? "",
    seek(at, speed) {
      world.synced = false; // frames of before the jump are not to be shown
      seeking = true;
      askedAt = monotonic();
      say({ seek: new Date(at).toISOString(), speed });
      changed();
    },
    setSpeed: (speed) => say({ speed }),
    seeking: () => seeking,
    setEvery: (every) => say({ every }),
    setArea: (area) => say({ area }),
    wake() {
      if (clock.slept(monotonic(), Date.now())) changed();
      ask({ type: "wake" });
    },
    stats: () => ({ ...counts, reconnects: Math.max(0, counts.reconnects), clockErrorMs: clock.error }),
    close() {
      clearInterval(watch);
      stopFeeds();
      ask({ type: "close" });
      worker.terminate();
    },
  };

  function say(message: Upward): void {
    said = { ...said, ...message };
    ask({ type: "send", message });
  }
}

function address(o: SessionOptions): string {
  const url = new URL("/api/v1/stream", o.origin ?? location.origin);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (o.audience) url.searchParams.set("audience", o.audience);
  if (o.world) url.searchParams.set("world", o.world);
  if (o.area) url.searchParams.set("area", o.area);
  if (o.every) url.searchParams.set("every", o.every);
  if (o.at) url.searchParams.set("at", o.at);
  if (o.speed !== undefined) url.searchParams.set("speed", String(o.speed));
  return url.href;
}

function sameStatus(a: Status | null, b: Status): boolean {
  return (
    a !== null &&
    a.mode === b.mode &&
    a.exercise === b.exercise &&
    a.recording === b.recording &&
    a.simulated === b.simulated &&
    a.build === b.build &&
    a.speed === b.speed
  );
}
