import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PublicFeature } from "./public";
import { everyMs, Refresher, restFactor, stateOf } from "./refresh";

const began = Date.UTC(2026, 10, 22, 9);
const feature = (id: string, title = id): PublicFeature => ({ type: "Feature", id, geometry: null, properties: { kind: "hazard", type: "flood", title: { en: title }, status: "open" } }) as PublicFeature;
const snapshot = (seq: number, features: PublicFeature[] = [], epoch = "p1") => ({ epoch, seq, since: `/public/v1/since/${epoch}/${Math.floor(seq / 16) * 16}.json`, features });
const chunk = (base: number, seq: number, put: PublicFeature[] = [], drop: string[] = [], epoch = "p1") => ({ epoch, base, seq, complete: seq === base + 16, next: `/public/v1/since/${epoch}/${Math.floor(seq / 16) * 16}.json`, drop, features: put });

type Reply = Readonly<{ status?: number; body?: unknown; headers?: Record<string, string> }>;
let replies: (Reply | Error)[];
let asked: { path: string; tag: string | null; at: number }[];
let page: Refresher;
let changes: number;

beforeEach(() => {
  vi.useFakeTimers({ now: began, toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  [replies, asked, changes] = [[], [], 0];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    asked.push({ path, tag: new Headers(init.headers).get("If-None-Match"), at: Date.now() - began });
    expect(init.credentials).toBe("omit");
    const reply = replies.shift() ?? { status: 304 };
    if (reply instanceof Error) throw reply;
    const status = reply.status ?? 200;
    return new Response(status === 304 ? null : JSON.stringify(reply.body ?? {}), { status, headers: { Date: new Date(Date.now()).toUTCString(), ETag: `"${asked.length}"`, ...reply.headers } });
  });
  page = new Refresher("/public/v1/snapshot.json", "", () => changes++);
});
afterEach(() => {
  page.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Lets answers be read, then time pass. */
const pass = async (ms: number) => {
  await vi.advanceTimersByTimeAsync(ms);
};
const titles = () => [...(page.world?.features.values() ?? [])].map((f) => f.properties.title.en);

test("a page takes the snapshot once, then what changed, and asks with the tag of what it has", async () => {
  replies = [{ body: snapshot(17, [feature("a"), feature("b")]) }, { body: chunk(16, 19, [feature("b", "b2")], ["a"]) }, { status: 304 }];
  page.start();
  await pass(0);
  expect(titles()).toEqual(["a", "b"]);
  await pass(everyMs);
  expect(titles()).toEqual(["b2"]);
  expect(page.world?.seq).toBe(19);
  await pass(everyMs);
  expect(asked.map(({ path, tag }) => [path, tag])).toEqual([
    ["/public/v1/snapshot.json", null],
    ["/public/v1/since/p1/16.json", null],
    ["/public/v1/since/p1/16.json", '"2"'],
  ]);
  expect(page.ageS).toBe(0);
  expect(changes).toBe(3);
});

test("a page that is behind goes from chunk to chunk, and one that is far behind takes the snapshot", async () => {
  replies = [{ body: snapshot(3, [feature("a")]) }, { body: chunk(0, 16, [feature("b")]) }, { body: chunk(16, 32, [], ["a"]) }, { body: chunk(32, 33, [feature("c")]) }];
  page.start();
  await pass(0);
  await pass(everyMs);
  expect(titles()).toEqual(["b", "c"]);
  replies = [40, 56, 72, 88, 104].map((base) => ({ body: chunk(base, base + 16) }));
  // Chunks stand at multiples of 16; these only have to be complete.
  replies.push({ body: snapshot(200, [feature("z")]) });
  replies.unshift({ body: chunk(32, 48) });
  replies = replies.map((r, i) => (i > 0 && i < 6 ? { body: chunk(32 + 16 * i, 48 + 16 * i) } : r));
  await pass(everyMs);
  expect(asked.at(-1)!.path).toBe("/public/v1/snapshot.json");
  expect(titles()).toEqual(["z"]);
});

test("another epoch, an answer that is no world and a redirect to the snapshot end in the snapshot", async () => {
  replies = [{ body: snapshot(1, [feature("a")]) }, { body: snapshot(1, [feature("n")], "p2") }];
  page.start();
  await pass(0);
  await pass(everyMs); // what a redirect leads to
  expect(page.world?.epoch).toBe("p2");
  replies = [{ body: chunk(0, 2, [], [], "p9") }, { body: snapshot(9, [feature("q")], "p9") }];
  await pass(everyMs);
  expect(titles()).toEqual(["q"]);
});

test("an answer of a cache that is behind changes nothing and makes nothing younger", async () => {
  replies = [{ body: snapshot(5, [feature("a")]) }, { body: chunk(0, 4, [feature("old")]), headers: { Age: "25" } }];
  page.start();
  await pass(0);
  await pass(everyMs);
  expect(titles()).toEqual(["a"]);
  expect(page.ageS).toBe(10);
  replies = [{ body: snapshot(5, [feature("a")]), headers: { Age: "20" } }];
  const other = new Refresher("/public/v1/snapshot.json", "", () => {});
  other.start();
  await pass(0);
  expect(other.ageS).toBe(20);
  other.stop();
});

test("who fails comes back later and later, with jitter, and says how old it is", async () => {
  replies = [{ body: snapshot(1) }, ...Array.from({ length: 12 }, () => new TypeError("no network"))];
  page.start();
  await pass(0);
  await pass(10 * 60_000);
  const gaps = asked.slice(1).map(({ at }, i) => (at - (i ? asked[i]!.at : 0)) / 1000);
  expect(gaps.slice(0, 8)).toEqual([10, 2, 4, 8, 16, 32, 60, 60]);
  expect(asked[0]!.at).toBe(0);
});

test("Retry-After is kept, and not by all at the same moment, whatever wakes the page", async () => {
  replies = [{ status: 503, headers: { "Retry-After": "30" } }, { body: snapshot(1) }];
  page.start();
  await pass(0);
  page.wake();
  page.look(false);
  page.look(true);
  await pass(44_000);
  expect(asked.length).toBe(1);
  await pass(1500); // 30 s and a half of that
  expect(asked.length).toBe(2);
  expect(page.world?.seq).toBe(1);
});

test("no two pages keep the same time", async () => {
  vi.mocked(Math.random).mockRestore();
  const starts: number[] = [];
  for (let i = 0; i < 20; i++) {
    const one = new Refresher("/s", "", () => {});
    const from = Date.now();
    replies = [{ body: snapshot(1) }];
    one.start();
    await pass(0);
    const count = asked.length;
    while (asked.length === count) await pass(100);
    starts.push(Date.now() - from);
    one.stop();
  }
  expect(new Set(starts).size).toBeGreaterThan(10);
  expect(Math.min(...starts)).toBeGreaterThanOrEqual(7500);
  expect(Math.max(...starts)).toBeLessThanOrEqual(12_700);
});

test("nobody looks: nothing is asked; after sleep it asks at once, and meanwhile knows how old it is", async () => {
  replies = [{ body: snapshot(1) }];
  page.start();
  await pass(0);
  page.look(false);
  await pass(3600_000);
  expect(asked.length).toBe(1);
  expect(stateOf(page.ageS)).toBe("NOT_LIVE");
  page.look(true);
  await pass(0);
  expect(asked.length).toBe(2);
  expect(page.ageS).toBe(0);
  expect(page.asOf).toBe(began + 3600_000);
});

test("a clock that stood still in sleep makes nothing look younger", async () => {
  replies = [{ body: snapshot(1) }];
  page.start();
  await pass(0);
  vi.setSystemTime(began + 90_000); // the wall clock went on, the other did not
  expect(page.ageS).toBe(90);
  expect(stateOf(page.ageS)).toBe("DELAYED");
});

test("a frame out of sight asks less often, and at once when it comes into sight", async () => {
  replies = [{ body: snapshot(1) }];
  page.rest(true);
  page.start();
  await pass(0);
  await pass(everyMs * restFactor - 100);
  expect(asked.length).toBe(1);
  page.rest(false);
  await pass(0);
  expect(asked.length).toBe(2);
});

test("the words follow the age", () => {
  expect([0, 30, 30.1, 120, 121, Infinity].map(stateOf)).toEqual(["LIVE", "LIVE", "DELAYED", "DELAYED", "NOT_LIVE", "NOT_LIVE"]);
});
