import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Link, type Socket } from "../src/stream/link";
import type { Report } from "../src/stream/protocol";
import { encode, type TestFrame } from "./server";

class FakeSocket implements Socket {
  binaryType = "";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  sent: Record<string, unknown>[] = [];
  closed = false;
  constructor(readonly url: string) {}
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.onopen?.({});
  }
  receive(frame: TestFrame): void {
    const bytes = encode(frame);
    this.onmessage?.({ data: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) });
  }
  fall(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason });
  }
  get from(): string | null {
    return new URL(this.url).searchParams.get("from");
  }
}

let sockets: FakeSocket[];
let reports: Report[];
let link: Link;
const last = () => sockets.at(-1)!;
const keyframe = (seq: number): TestFrame => ({ base: 0, seq, world: "live", epoch: "e1", status: {} });
const heartbeat = (seq: number, echo = 0): TestFrame => ({ base: seq, seq, world: "live", epoch: "e1", status: { echo } });

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  reports = [];
  link = new Link({
    connect: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
    report: (report) => reports.push(report),
    random: () => 0.5,
  });
  link.handle({ type: "open", url: "ws://rasad.test/api/v1/stream?audience=ops", replay: false });
});

afterEach(() => {
  link.handle({ type: "close" });
  vi.useRealTimers();
});

test("begins without a place to resume from, and hands frames on", () => {
  last().open();
  last().receive(keyframe(7));
  expect(last().from).toBeNull();
  expect(reports.find((r) => r.type === "frame")).toMatchObject({ frame: { base: 0, seq: 7 } });
});

test("tries again within a second, and resumes from the last frame", () => {
  last().open();
  last().receive(keyframe(7));
  last().receive({ base: 7, seq: 8 });
  last().fall();
  vi.advanceTimersByTime(1000);
  expect(sockets).toHaveLength(2);
  expect(last().from).toBe("e1:8");
});

test("says how many unrecorded frames it has seen, so that the server starts over", () => {
  last().open();
  last().receive(keyframe(7));
  last().receive({ base: 7, seq: 7, live: 3 });
  last().fall();
  vi.advanceTimersByTime(1000);
  expect(last().from).toBe("e1:7:3");
});

test("backs off to fifteen seconds, and never gives up", () => {
  const waits: number[] = [];
  for (let i = 0; i < 12; i++) {
    const before = sockets.length;
    last().fall();
    let waited = 0;
    while (sockets.length === before) {
      vi.advanceTimersByTime(100);
      waited += 100;
      expect(waited).toBeLessThanOrEqual(15_100);
    }
    waits.push(waited);
  }
  expect(waits[0]).toBeLessThan(1000);
  expect(waits.at(-1)).toBeGreaterThan(10_000);
});

test("begins anew with short waits once a frame came", () => {
  for (let i = 0; i < 8; i++) {
    last().fall();
    vi.advanceTimersByTime(16_000);
  }
  last().open();
  last().receive(keyframe(1));
  const before = sockets.length;
  last().fall();
  vi.advanceTimersByTime(1000);
  expect(sockets.length).toBe(before + 1);
});

describe("after a close with a code it", () => {
  const cases: Record<string, { code: number; reason?: string; notBefore: number; by: number; from: string | null }> = {
    "comes back at once after a restart": { code: 1012, notBefore: 0, by: 2000, from: "e1:7" },
    "waits as long as a busy server asks": { code: 1013, reason: "4", notBefore: 4000, by: 7000, from: "e1:7" },
    "starts over in a new epoch": { code: 4409, notBefore: 0, by: 1000, from: null },
    "asks a server that wants a sign-in now and then": { code: 4401, notBefore: 10_000, by: 15_000, from: "e1:7" },
    "leaves a server that forbids it alone for a minute": { code: 4403, notBefore: 60_000, by: 75_000, from: "e1:7" },
  };
  for (const [name, { code, reason = "", notBefore, by, from }] of Object.entries(cases)) {
    test(name, () => {
      last().open();
      last().receive(keyframe(7));
      last().fall(code, reason);
      vi.advanceTimersByTime(Math.max(0, notBefore - 1));
      if (notBefore > 0) expect(sockets).toHaveLength(1);
      vi.advanceTimersByTime(by - notBefore + 1);
      expect(sockets).toHaveLength(2);
      expect(last().from).toBe(from);
    });
  }
});

test("gives up a connection that falls silent, though nobody closed it", () => {
  last().open();
  last().receive(keyframe(7));
  for (let i = 0; i < 10; i++) {
    vi.advanceTimersByTime(1000);
    last().receive(heartbeat(7));
  }
  expect(sockets).toHaveLength(1);
  vi.advanceTimersByTime(6000);
  expect(sockets[0]!.closed).toBe(true);
  expect(sockets).toHaveLength(2);
});

test("gives up a connection that never opens", () => {
  vi.advanceTimersByTime(10_000);
  expect(sockets.length).toBeGreaterThan(1);
  expect(sockets[0]!.closed).toBe(true);
});

test("asks for a keyframe when told to, and starts over when none comes", () => {
  last().open();
  last().receive(keyframe(7));
  link.handle({ type: "keyframe" });
  expect(last().sent).toContainEqual({ from: "" });
  for (let i = 0; i < 6; i++) {
    vi.advanceTimersByTime(1000);
    last().receive(heartbeat(9));
  }
  vi.advanceTimersByTime(1000);
  expect(sockets).toHaveLength(2);
});

test("does not start over when the keyframe comes", () => {
  last().open();
  last().receive(keyframe(7));
  link.handle({ type: "keyframe" });
  last().receive(keyframe(9));
  for (let i = 0; i < 20; i++) {
    vi.advanceTimersByTime(1000);
    last().receive(heartbeat(9));
  }
  expect(sockets).toHaveLength(1);
});

test("drops a connection that sends what is no frame, and asks for everything", () => {
  last().open();
  last().receive(keyframe(7));
  last().onmessage?.({ data: Uint8Array.from([7, 7, 7]).buffer });
  expect(sockets[0]!.closed).toBe(true);
  vi.advanceTimersByTime(1000);
  expect(last().from).toBeNull();
});

test("says that the screen is too old for a newer format", () => {
  last().open();
  last().receive({ ...keyframe(7), v: 2 });
  expect(reports.at(-1)).toMatchObject({ type: "link", state: "outdated" });
});

test("measures exchanges of the clock by the number that comes back", () => {
  last().open();
  const { clock } = last().sent.find((m) => "clock" in m) as { clock: number };
  vi.advanceTimersByTime(40);
  last().receive(keyframe(7));
  last().receive(heartbeat(7, clock));
  const frames = reports.filter((r) => r.type === "frame");
  expect(frames[0]).toMatchObject({ sent: null });
  const echoed = frames[1] as Report & { type: "frame" };
  expect(echoed.received - echoed.sent!).toBe(40);
});

test("stops reading while the page does not keep up, and resumes when it has", () => {
  last().open();
  last().receive(keyframe(1));
  for (let seq = 2; seq < 400 && !last().closed; seq++) last().receive({ base: seq - 1, seq });
  expect(last().closed).toBe(true);
  vi.advanceTimersByTime(60_000);
  expect(sockets).toHaveLength(1);
  const frames = reports.filter((r) => r.type === "frame") as (Report & { type: "frame" })[];
  link.handle({ type: "applied", count: frames.length });
  expect(sockets).toHaveLength(2);
  expect(last().from).toBe(`e1:${frames.at(-1)!.frame.seq}`);
});

test("says its settings again after each reconnect", () => {
  last().open();
  link.handle({ type: "send", message: { every: "1s" } });
  expect(last().sent).toContainEqual({ every: "1s" });
  last().receive(keyframe(7));
  last().fall();
  vi.advanceTimersByTime(1000);
  expect(new URL(last().url).searchParams.get("every")).toBe("1s");
});

test("a replay goes on where it was", () => {
  link.handle({ type: "open", url: "ws://rasad.test/api/v1/stream?at=2026-01-01T00:00:00Z&speed=4", replay: true });
  last().open();
  last().receive({ ...keyframe(7), time: Date.parse("2026-01-01T00:05:00Z") });
  last().fall();
  vi.advanceTimersByTime(1000);
  expect(new URL(last().url).searchParams.get("at")).toBe("2026-01-01T00:05:00.000Z");
  expect(last().from).toBeNull();
});

describe("a replay", () => {
  const open = () => {
    link.handle({ type: "open", url: "ws://rasad.test/api/v1/stream?at=2026-01-01T00:00:00Z&speed=4", replay: true });
    last().open();
  };
  const shown = (seq: number, tick: string): TestFrame => ({ ...keyframe(seq), time: Date.parse(tick) - 5000, status: { mode: "replay", tick: Date.parse(tick) } });

  test("that lost a frame asks for its moment again, never for the present", () => {
    open();
    link.handle({ type: "keyframe" });
    expect(last().sent.at(-1)).toEqual({ seek: "2026-01-01T00:00:00Z" });
    last().receive(shown(7, "2026-01-01T10:00:00Z"));
    link.handle({ type: "keyframe" });
    expect(last().sent.at(-1)).toEqual({ seek: "2026-01-01T10:00:00.000Z" });
  });

  test("that was sent elsewhere while its connection was made goes there once it is", () => {
    link.handle({ type: "open", url: "ws://rasad.test/api/v1/stream?at=2026-01-01T00:00:00Z&speed=4", replay: true });
    link.handle({ type: "send", message: { seek: "2026-01-01T08:00:00.000Z", speed: 1 } });
    last().sent = []; // a socket that is not open takes nothing
    last().open();
    expect(last().sent).toContainEqual({ seek: "2026-01-01T08:00:00.000Z" });
  });

  test("that was sent elsewhere goes there, though a frame of before was under way when the link fell", () => {
    open();
    last().receive(shown(7, "2026-01-01T10:00:00Z"));
    link.handle({ type: "send", message: { seek: "2026-01-01T08:00:00.000Z", speed: 0 } });
    last().receive({ ...heartbeat(7), time: Date.parse("2026-01-01T10:00:01Z"), status: { mode: "replay", tick: Date.parse("2026-01-01T10:00:01Z") } });
    last().fall();
    vi.advanceTimersByTime(1000);
    const url = new URL(last().url);
    expect(url.searchParams.get("at")).toBe("2026-01-01T08:00:00.000Z");
    expect(url.searchParams.get("speed")).toBe("0");
    expect(last().from).toBeNull();
  });
});

describe("a machine that wakes", () => {
  const seconds = (n: number) => vi.advanceTimersByTime(n * 1000);

  test("does not wait for a link that has gone silent", () => {
    last().open();
    last().receive(keyframe(7));
    seconds(2);
    link.handle({ type: "wake" });
    expect(sockets).toHaveLength(2);
    expect(last().from).toBe("e1:7");
  });

  test("leaves a link alone that speaks", () => {
    last().open();
    last().receive(keyframe(7));
    seconds(1);
    link.handle({ type: "wake" });
    expect(sockets).toHaveLength(1);
  });

  test("does not sit out a long wait", () => {
    for (let i = 0; i < 8; i++) {
      last().fall();
      seconds(16);
    }
    last().fall();
    const before = sockets.length;
    seconds(2);
    link.handle({ type: "wake" });
    expect(sockets).toHaveLength(before + 1);
  });

  test("opens nothing that was closed", () => {
    link.handle({ type: "close" });
    seconds(10);
    link.handle({ type: "wake" });
    expect(sockets).toHaveLength(1);
  });
});
