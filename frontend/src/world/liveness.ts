import type { LinkState } from "../stream/protocol";
import type { Status } from "../stream/wire";

/** A feed that has been silent for three of its declared intervals. */
export type SilentFeed = Readonly<{ key: string; name: string; /** Unix ms. */ since: number }>;

/** Up to this age in seconds a picture is live, and up to the next one delayed. */
export const liveMaxS = 3;
export const delayedMaxS = 15;

/** What a screen must say about the picture that it shows, in its largest words. */
export type Liveness = Readonly<{
  state: "live" | "delayed" | "not-live" | "replay";
  /** A code for the catalogue of messages. */
  word: "LIVE" | "PARTIAL" | "DELAYED" | "NOT_LIVE" | "REPLAY";
  /** Seconds since the writer's last completed tick; Infinity when it was never heard of. */
  age: number;
  /** Feeds that are silent. The word is PARTIAL when the picture is live otherwise. */
  silent: readonly SilentFeed[];
  /** False: NOT RECORDING stands beside the word. */
  recording: boolean;
  exercise: boolean;
  simulated: boolean;
  /** Of a replay; 1 is as it was. */
  speed: number;
  /** The moment that the picture shows, Unix ms; NaN when there is none. */
  at: number;
  /** A replay whose world is not the one of the record: its hash differs. It is never shown as REPLAY. */
  unproven: boolean;
  link: LinkState;
}>;

/** What liveness is judged from. */
export type Evidence = Readonly<{
  /** The server's clock now, Unix ms; NaN while it is not known. */
  now: number;
  /** The newest tick heard of, Unix ms; 0 none. Of a replay: the moment that it has come to. */
  tick: number;
  /** Time of the last frame applied, Unix ms. */
  time: number;
  /** The world equals the server's as of the last frame. */
  synced: boolean;
  status: Status | null;
  silent: readonly SilentFeed[];
  link: LinkState;
  /** A jump of a replay is under way: the picture is that of before it, and says so by its moment. */
  seeking?: boolean;
}>;

/**
 * Judges a picture by the age of the writer's last tick on the server's clock. An open socket proves nothing, and an
 * unknown clock means NOT LIVE.
 */
export function judge(e: Evidence): Liveness {
  const age = e.tick > 0 && !Number.isNaN(e.now) ? Math.max(0, (e.now - e.tick) / 1000) : Infinity;
  const common = {
    age,
    silent: e.silent,
    recording: e.status?.recording ?? true,
    exercise: e.status?.exercise ?? false,
    simulated: e.status?.simulated ?? false,
    speed: e.status?.mode === "replay" ? e.status.speed : 1,
    // A tick in which nothing changed vouches for the picture as well as one that changed it, unless a change is missing.
    at: e.time > 0 ? Math.max(e.time, e.synced || e.seeking ? e.tick : 0) : NaN,
    unproven: false,
    link: e.link,
  };
  if (e.status?.mode === "replay") {
    const past = { ...common, age: Infinity }; // the past has no age
    if (e.link === "open" && (e.synced || e.seeking)) return { ...past, state: "replay", word: "REPLAY" };
    return { ...past, state: "not-live", word: "NOT_LIVE", unproven: e.link === "open" && e.time > 0 };
  }
  if (!e.synced || age > delayedMaxS) return { ...common, state: "not-live", word: "NOT_LIVE" };
  if (age > liveMaxS) return { ...common, state: "delayed", word: "DELAYED" };
  return { ...common, state: "live", word: e.silent.length > 0 ? "PARTIAL" : "LIVE" };
}
