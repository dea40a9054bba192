import { describe, expect, test } from "vitest";
import { ServerClock } from "../src/stream/clock";
import type { Status } from "../src/stream/wire";
import { judge, type Evidence } from "../src/world/liveness";

const status: Status = {
  mode: "live",
  exercise: false,
  recording: true,
  build: "1",
  tick: 0,
  audience: "ops",
  clock: 0,
  echo: 0,
  speed: 0,
  simulated: false,
};
const fresh: Evidence = { now: 100_000, tick: 99_500, time: 99_500, synced: true, status, silent: [], link: "open" };
const feed = { key: "avl", name: "AVL", since: 90_000 };

describe("a screen says", () => {
  const cases: Record<string, { evidence: Partial<Evidence>; word: string; state: string }> = {
    "LIVE when the tick is young": { evidence: {}, word: "LIVE", state: "live" },
    "LIVE at three seconds": { evidence: { tick: 97_000 }, word: "LIVE", state: "live" },
    "DELAYED after three seconds": { evidence: { tick: 96_999 }, word: "DELAYED", state: "delayed" },
    "DELAYED at fifteen seconds": { evidence: { tick: 85_000 }, word: "DELAYED", state: "delayed" },
    "NOT LIVE after fifteen seconds": { evidence: { tick: 84_999 }, word: "NOT_LIVE", state: "not-live" },
    "NOT LIVE while the server's clock is unknown": { evidence: { now: NaN }, word: "NOT_LIVE", state: "not-live" },
    "NOT LIVE before the first tick": { evidence: { tick: 0 }, word: "NOT_LIVE", state: "not-live" },
    "NOT LIVE while the world is not the server's": { evidence: { synced: false }, word: "NOT_LIVE", state: "not-live" },
    "LIVE though the socket fell a moment ago": { evidence: { link: "waiting" }, word: "LIVE", state: "live" },
    "NOT LIVE though the socket is open": { evidence: { link: "open", tick: 1 }, word: "NOT_LIVE", state: "not-live" },
    "PARTIAL when a feed is silent": { evidence: { silent: [feed] }, word: "PARTIAL", state: "live" },
    "DELAYED before PARTIAL": { evidence: { silent: [feed], tick: 90_000 }, word: "DELAYED", state: "delayed" },
    "REPLAY in a replay, whatever the age": {
      evidence: { status: { ...status, mode: "replay", speed: 4 }, tick: 1, time: 1 },
      word: "REPLAY",
      state: "replay",
    },
    "NOT LIVE in a replay that lost its link": {
      evidence: { status: { ...status, mode: "replay" }, tick: 1, link: "waiting" },
      word: "NOT_LIVE",
      state: "not-live",
    },
    "REPLAY while a jump is under way: the picture says its own moment": {
      evidence: { status: { ...status, mode: "replay" }, synced: false, seeking: true },
      word: "REPLAY",
      state: "replay",
    },
    "NOT LIVE in a replay whose hash is not that of the record": {
      evidence: { status: { ...status, mode: "replay" }, synced: false },
      word: "NOT_LIVE",
      state: "not-live",
    },
    "LIVE when the clocks disagree a little": { evidence: { tick: 100_200 }, word: "LIVE", state: "live" },
  };
  for (const [name, { evidence, word, state }] of Object.entries(cases)) {
    test(name, () => expect(judge({ ...fresh, ...evidence })).toMatchObject({ word, state }));
  }

  test("that a replay is of its own moment, has no age, and is proven or not", () => {
    const replay: Evidence = { ...fresh, status: { ...status, mode: "replay", speed: 4 }, time: 50_000, tick: 58_500 };
    expect(judge(replay)).toMatchObject({ at: 58_500, age: Infinity, speed: 4, unproven: false });
    expect(judge({ ...replay, tick: 40_000 })).toMatchObject({ at: 50_000 });
    expect(judge({ ...replay, synced: false })).toMatchObject({ word: "NOT_LIVE", unproven: true });
    expect(judge({ ...replay, synced: false, link: "waiting" })).toMatchObject({ word: "NOT_LIVE", unproven: false });
    expect(judge({ ...fresh, synced: false })).toMatchObject({ unproven: false });
  });

  test("the moment of a picture is the last tick in which nothing is missing", () => {
    expect(judge({ ...fresh, time: 60_000 })).toMatchObject({ word: "LIVE", at: 99_500 });
    expect(judge({ ...fresh, time: 60_000, tick: 90_000 })).toMatchObject({ word: "DELAYED", at: 90_000 });
    expect(judge({ ...fresh, time: 60_000, synced: false })).toMatchObject({ word: "NOT_LIVE", at: 60_000 });
    expect(judge({ ...fresh, time: 0 }).at).toBeNaN();
  });

  test("what stands beside the word", () => {
    const got = judge({ ...fresh, status: { ...status, recording: false, exercise: true, simulated: true } });
    expect(got).toMatchObject({ word: "LIVE", recording: false, exercise: true, simulated: true, speed: 1, age: 0.5 });
  });
});

describe("the server's clock", () => {
  /** The server is this much ahead of our monotonic clock. */
  const ahead = 5_000_000;

  test("is unknown until an exchange is complete", () => {
    const clock = new ServerClock();
    expect(clock.at(0)).toBeNaN();
    clock.sample(ahead + 10, 20, null);
    expect(clock.at(20)).toBeNaN();
    clock.sample(ahead + 110, 120, 100);
    expect(clock.at(200)).toBeCloseTo(ahead + 200, -1);
  });

  test("is not believed younger because messages waited on their way", () => {
    const clock = new ServerClock();
    clock.sample(ahead + 50, 100, 0); // 50 ms each way
    clock.sample(ahead + 1000, 61_000, null); // a minute in a buffer
    expect(Math.abs(clock.at(61_000) - (ahead + 61_000))).toBeLessThan(60);
  });

  test("gets better with quicker exchanges and stays within its error", () => {
    const clock = new ServerClock();
    let mono = 0;
    for (const [up, down] of [
      [900, 100],
      [40, 400],
      [10, 12],
      [300, 5],
    ] as const) {
      clock.sample(ahead + mono + up, mono + up + down, mono);
      mono += 1000;
      expect(Math.abs(clock.at(mono) - (ahead + mono))).toBeLessThanOrEqual(clock.error + 0.001);
    }
    expect(clock.error).toBeLessThan(12);
  });

  test("follows when it is set", () => {
    const clock = new ServerClock();
    clock.sample(ahead + 10, 20, 0);
    clock.sample(ahead + 3_600_000 + 1010, 1020, 1000);
    expect(clock.at(1020)).toBeCloseTo(ahead + 3_600_000 + 1020, -2);
  });

  test("is forgotten after a sleep, and not because time passed", () => {
    const clock = new ServerClock();
    const wall = 1_700_000_000_000;
    clock.sample(ahead, 10, 0);
    expect(clock.slept(10, wall + 10)).toBe(false);
    expect(clock.slept(60_010, wall + 60_010)).toBe(false);
    expect(clock.synced).toBe(true);
    expect(clock.slept(60_020, wall + 900_000)).toBe(true);
    expect(clock.at(60_020)).toBeNaN();
  });
});
