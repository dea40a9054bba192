import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Outcome } from "../../commands/http";
import { Asker, AskerSet } from "./asker";

type Answer = (outcome: Outcome<string>) => void;
const answered = (body: string, seq: number): Outcome<string> => ({ ok: true, body, seq, etag: "" });
const refused: Outcome<string> = { ok: false, seq: 0, problem: { code: "busy", status: 503, detail: "", errors: [], current: null } };

let asked: Answer[];
let told: string[];
let failed: string[];
const asker = (more: { refreshMs?: number } = {}) =>
  new Asker<string>({
    ask: () => new Promise((resolve) => asked.push(resolve)),
    tell: (answer, seq) => told.push(`${answer}@${seq}`),
    fail: (problem) => failed.push(problem.code),
    ...more,
  });
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  [asked, told, failed] = [[], [], []];
});
afterEach(() => vi.useRealTimers());

test("asks at once, then at most twice a second, however much changes", async () => {
  const a = asker();
  a.again();
  expect(asked.length).toBe(1);
  asked[0]!(answered("a", 1));
  await settle();
  for (let i = 0; i < 20; i++) {
    a.again();
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(asked.length).toBe(1);
  await vi.advanceTimersByTimeAsync(310);
  expect(asked.length).toBe(2);
  expect(told).toEqual(["a@1"]);
});

test("asks one question at a time, and once more for all that changed meanwhile", async () => {
  const a = asker();
  a.again();
  await vi.advanceTimersByTimeAsync(3000);
  a.again();
  a.again();
  expect(asked.length).toBe(1);
  asked[0]!(answered("a", 1));
  await settle();
  expect(asked.length).toBe(2);
  asked[1]!(answered("b", 2));
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked.length).toBe(2);
  expect(told).toEqual(["a@1", "b@2"]);
});

test("an answer from before a closure is never shown, and is asked for again", async () => {
  const a = asker();
  a.again();
  a.again(40);
  asked[0]!(answered("open bridge", 39));
  await vi.advanceTimersByTimeAsync(500);
  expect(told).toEqual([]);
  expect(asked.length).toBe(2);
  asked[1]!(answered("closed bridge", 40));
  await settle();
  expect(told).toEqual(["closed bridge@40"]);
});

test("what must not be missed does not wait for its turn", async () => {
  const a = asker();
  a.again();
  asked[0]!(answered("open bridge", 39));
  await settle();
  a.again(40);
  await vi.advanceTimersByTimeAsync(100);
  expect(asked.length).toBe(2);
  asked[1]!(answered("closed bridge", 40));
  await settle();
  a.again();
  await vi.advanceTimersByTimeAsync(400);
  expect(asked.length).toBe(2);
});

test("an answer older than the one on the screen is thrown away", async () => {
  const a = asker();
  a.again();
  asked[0]!(answered("new", 50));
  await settle();
  a.again();
  await vi.advanceTimersByTimeAsync(500);
  asked[1]!(answered("old", 49));
  await settle();
  expect(told).toEqual(["new@50"]);
});

test("a refusal is told, and asked again later without anyone asking", async () => {
  const a = asker();
  a.again();
  asked[0]!(refused);
  await settle();
  expect(failed).toEqual(["busy"]);
  await vi.advanceTimersByTimeAsync(1900);
  expect(asked.length).toBe(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(asked.length).toBe(2);
});

test("asks again after a while where that was wanted, and never after it was closed", async () => {
  const a = asker({ refreshMs: 5000 });
  a.again();
  asked[0]!(answered("a", 1));
  await vi.advanceTimersByTimeAsync(4900);
  expect(asked.length).toBe(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(asked.length).toBe(2);
  a.close();
  asked[1]!(answered("b", 2));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked.length).toBe(2);
  expect(told).toEqual(["a@1"]);
});

test("a set asks for what is wanted, forgets the rest, and drops what is refused", async () => {
  const under = new Map<string, Answer>();
  let last: ReadonlyMap<string, string> = new Map();
  const set = new AskerSet<string>((key) => new Promise((resolve) => under.set(key, resolve)), (answers) => (last = answers));
  set.want(["E7", "E8"]);
  expect([...under.keys()]).toEqual(["E7", "E8"]);
  under.get("E7")!(answered("seven", 1));
  under.get("E8")!(answered("eight", 1));
  await settle();
  expect([...last]).toEqual([["E7", "seven"], ["E8", "eight"]]);
  set.want(["E8", "E9"]);
  expect([...last]).toEqual([["E8", "eight"]]);
  set.again(9);
  await vi.advanceTimersByTimeAsync(500);
  under.get("E8")!({ ok: false, seq: 9, problem: { code: "unreachable", status: 409, detail: "", errors: [], current: null } });
  await settle();
  expect([...last]).toEqual([]);
  set.close();
  under.get("E9")!(answered("nine", 9));
  await settle();
  expect([...last]).toEqual([]);
});
