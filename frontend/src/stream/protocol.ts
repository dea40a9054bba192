import type { Frame } from "./wire";

/** The state of the connection, not of the data: a picture is live by the age of its tick alone. */
export type LinkState = "connecting" | "open" | "waiting" | "refused" | "outdated";

/** The server closes a socket with this when nobody is signed in, or no longer. */
export const closeSignIn = 4401;
/** Heard on the window of a page whose stream was closed so: it asks who is signed in. */
export const sessionOver = "rasad:session-over";

/** Asked of the worker. */
export type Request =
  | Readonly<{ type: "open"; url: string; replay: boolean }>
  /** The world does not match: start over from a keyframe. */
  | Readonly<{ type: "keyframe" }>
  /** `count` frames were applied; what is never acknowledged is never sent without end. */
  | Readonly<{ type: "applied"; count: number }>
  /** A message up to the server: every, area, seek. */
  | Readonly<{ type: "send"; message: Upward }>
  /** The machine woke, or its network came back: whatever is silent or waiting is tried at once. */
  | Readonly<{ type: "wake" }>
  | Readonly<{ type: "close" }>;

/** What a screen may say to the server. */
export type Upward = Readonly<{ every?: string; area?: string; seek?: string; speed?: number }>;

/** Told by the worker. */
export type Report =
  /** `received` and `sent` are moments of the monotonic clock; `sent` is null unless the frame echoes our request. */
  | Readonly<{ type: "frame"; frame: Frame; bytes: number; received: number; sent: number | null }>
  | Readonly<{ type: "link"; state: LinkState; attempts: number; code: number }>
  /** At least once a second: a worker that stops saying so is dead. */
  | Readonly<{ type: "pulse" }>;
