import { monotonic } from "./clock";
import { closeSignIn, type LinkState, type Report, type Request, type Upward } from "./protocol";
import { decode, NewerFormatError, transferables } from "./wire";

/** The part of a WebSocket that a link needs. */
export type Socket = {
  binaryType: string;
  onopen: ((event: unknown) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
};

/** What a link needs from its thread. */
export type LinkOptions = Readonly<{
  connect: (url: string, protocol: string) => Socket;
  report: (report: Report, transfer: ArrayBuffer[]) => void;
  random: () => number;
}>;

const protocol = "rasad.pb.v1";
/** Heartbeats come every second: after this much silence the link is dead, whatever TCP believes. */
const silenceMs = 4500;
const connectMs = 8000;
/** After a wake, a socket that has said nothing for so long is not waited for. */
const wakeSilenceMs = 1500;
const keyframeMs = 5000;
const backoffFirstMs = 1000;
const backoffMostMs = 15_000;
/** Waits grow so that the next one is about a third of the outage so far: a wall is back soon after a short one. */
const backoffGrowth = 1.35;
const forbiddenMs = 60_000;
/** Frames that the page has not applied yet. Beyond it the socket is closed: the server will say it all in one frame later. */
const unappliedMost = 200;
const clockEveryMs = 10_000;
/** Until the bounds of the clock are tight. */
const clockFirstMs = 1000;
const clockFirst = 5;

const closeNotUnderstood = 1007;
const closeTooLarge = 1009;
const closeRestart = 1012;
const closeBusy = 1013;
const closeForbidden = 4403;
const closeEpoch = 4409;

/**
 * Keeps one stream open for ever: reconnects within a second, then backs off with jitter to fifteen, and resumes from
 * the last frame that it handed on.
 */
export class Link {
  readonly #options: LinkOptions;
  #url = "";
  #replay = false;
  #socket: Socket | null = null;
  #resume = "";
  #epoch = "";
  /** Where a replay stands, or was sent to. */
  #at = "";
  /** A replay was sent elsewhere, and has not answered: what still comes is of where it was. */
  #sought = false;
  #attempts = 0;
  #unapplied = 0;
  /** Waiting for the page to catch up. */
  #full = false;
  /** When something last came, or was begun: of the monotonic clock. */
  #heard = -Infinity;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #keyframe: ReturnType<typeof setTimeout> | undefined;
  #clock: ReturnType<typeof setTimeout> | undefined;
  readonly #asked = new Map<number, number>();
  #lastAsked = 0;
  #clocks = 0;
  /** Settings to say again after each reconnect, the newest of each. */
  #said: Upward = {};

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Does what the page asks. */
  handle(request: Request): void {
    switch (request.type) {
      case "open":
        this.#url = request.url;
        this.#replay = request.replay;
        this.#at = new URL(request.url).searchParams.get("at") ?? "";
        this.#sought = false;
        this.#resume = "";
        this.#open();
        return;
      case "keyframe":
        this.#askKeyframe();
        return;
      case "applied":
        this.#unapplied = Math.max(0, this.#unapplied - request.count);
        if (this.#full && this.#unapplied === 0) {
          this.#full = false;
          this.#open();
        }
        return;
      case "send":
        this.#said = { ...this.#said, ...request.message };
        if (request.message.seek) {
          this.#at = request.message.seek;
          this.#sought = true;
        }
        this.#send(request.message);
        return;
      case "wake":
        if (this.#url && !this.#full && monotonic() - this.#heard > wakeSilenceMs) {
          this.#attempts = 0;
          this.#open();
        }
        return;
      case "close":
        this.#drop();
        this.#url = "";
        clearTimeout(this.#retry);
        return;
      default:
        request satisfies never;
    }
  }

  #open(): void {
    this.#drop();
    clearTimeout(this.#retry);
    const url = new URL(this.#url);
    if (this.#resume) url.searchParams.set("from", this.#resume);
    if (this.#said.every) url.searchParams.set("every", this.#said.every);
    if (this.#said.area) url.searchParams.set("area", this.#said.area);
    if (this.#replay && this.#at) url.searchParams.set("at", this.#at);
    if (this.#said.speed !== undefined) url.searchParams.set("speed", String(this.#said.speed));
    this.#link("connecting", 0);
    this.#heard = monotonic();
    const socket = this.#options.connect(url.href, protocol);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    this.#expect(connectMs);
    socket.onopen = () => {
      this.#expect(silenceMs);
      // Sent elsewhere while the connection was made: its address still says the moment of before.
      if (this.#replay && this.#sought && url.searchParams.get("at") !== this.#at) this.#send({ seek: this.#at });
      this.#clocks = 0;
      this.#askClock();
      this.#link("open", 0);
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#receive(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#socket === socket) this.#lost(code, reason);
    };
  }

  #receive(data: ArrayBuffer): void {
    const received = monotonic();
    this.#heard = received;
    this.#expect(silenceMs);
    let frame;
    try {
      frame = decode(new Uint8Array(data));
    } catch (error) {
      // A server that speaks another version, or a link that flips bits. Neither gets better by reading on.
      this.#resume = "";
      this.#lost(0, "", error instanceof NewerFormatError ? "outdated" : "waiting");
      return;
    }
    this.#attempts = 0;
    if (frame.base === 0) clearTimeout(this.#keyframe);
    if (frame.base === 0) this.#sought = false;
    // The tick of a replay is the moment that it shows; its frames may lie long before it.
    if (this.#replay && !this.#sought) this.#at = new Date(Math.max(frame.time, frame.status?.tick ?? 0)).toISOString();
    if (!this.#replay && frame.epoch) this.#epoch = frame.epoch;
    if (!this.#replay) this.#resume = `${this.#epoch}:${frame.seq}` + (frame.live ? `:${frame.live}` : "");
    const echo = frame.status?.echo ?? 0;
    const sent = this.#asked.get(echo) ?? null;
    if (sent !== null) for (const n of this.#asked.keys()) if (n <= echo) this.#asked.delete(n);
    this.#unapplied++;
    const transfer = transferables(frame);
    this.#options.report({ type: "frame", frame, bytes: data.byteLength, received, sent }, transfer);
    if (this.#unapplied > unappliedMost) {
      this.#full = true;
      this.#drop();
      this.#link("waiting", 0);
    }
  }

  #askKeyframe(): void {
    this.#resume = "";
    clearTimeout(this.#keyframe);
    // "From" is of the present: a replay that asked so would be shown the live world.
    const asked = this.#replay ? this.#send({ seek: this.#at }) : this.#send({ from: "" });
    if (!asked) return; // the next connection begins with one
    this.#keyframe = setTimeout(() => this.#lost(0, ""), keyframeMs);
  }

  #askClock(): void {
    clearTimeout(this.#clock);
    const n = ++this.#lastAsked;
    this.#asked.set(n, monotonic());
    if (!this.#send({ clock: n })) return;
    this.#clock = setTimeout(() => this.#askClock(), ++this.#clocks < clockFirst ? clockFirstMs : clockEveryMs);
  }

  #send(message: Upward | { from: string } | { clock: number }): boolean {
    if (!this.#socket) return false;
    try {
      this.#socket.send(JSON.stringify(message));
      return true;
    } catch {
      return false; // not open yet: the address of the connection says it
    }
  }

  /** Gives the connection up unless something comes within `ms`. */
  #expect(ms: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(0, ""), ms);
  }

  #drop(): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#keyframe);
    clearTimeout(this.#clock);
    this.#asked.clear();
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  #lost(code: number, reason: string, state: LinkState = "waiting"): void {
    this.#drop();
    if (code === closeEpoch) this.#resume = "";
    if (code === closeSignIn || code === closeForbidden) state = "refused";
    this.#link(state, code);
    this.#attempts++;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), this.#delay(state, code, reason));
  }

  #delay(state: LinkState, code: number, reason: string): number {
    const { random } = this.#options;
    // Who is not allowed in stays away, but a wall whose rights come back must come back alone.
    const hopeless = code === closeForbidden || code === closeNotUnderstood || code === closeTooLarge;
    if (hopeless) return forbiddenMs * (1 + 0.2 * random());
    if (state === "refused" || state === "outdated") return backoffMostMs * (0.8 + 0.2 * random());
    if (code === closeRestart) return 2000 * random();
    const asked = code === closeBusy ? Number(/\d+(\.\d+)?/.exec(reason)?.[0]) * 1000 : NaN;
    if (asked > 0) return Math.min(asked, 4 * backoffMostMs) * (1 + 0.5 * random());
    if (this.#attempts <= 1) return 100 + 850 * random();
    const ceiling = Math.min(backoffMostMs, backoffFirstMs * backoffGrowth ** (this.#attempts - 1));
    return ceiling * (0.5 + 0.5 * random());
  }

  #link(state: LinkState, code: number): void {
    this.#options.report({ type: "link", state, attempts: this.#attempts, code }, []);
  }
}
