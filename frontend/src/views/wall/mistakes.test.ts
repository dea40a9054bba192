import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { afterMistake } from "./mistakes";

const page = new EventTarget();
const begin = vi.fn();
const happen = (type: string, more: object) => page.dispatchEvent(Object.assign(new Event(type), more));
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
  begin.mockClear();
  stop = afterMistake(begin);
});
afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test.each([
  ["an exception", "error", { error: new Error("no such place") }],
  ["a promise", "unhandledrejection", { reason: undefined }],
])("%s begins the page again, once, half a minute later", (_, type, more) => {
  happen(type, more);
  happen(type, more);
  vi.advanceTimersByTime(29_000);
  expect(begin).not.toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);
  expect(begin).toHaveBeenCalledTimes(1);
});

test("news of a size that are put off are no mistake", () => {
  happen("error", { error: null, message: "ResizeObserver loop completed with undelivered notifications." });
  vi.advanceTimersByTime(120_000);
  expect(begin).not.toHaveBeenCalled();
});

test("a page that is left is not begun again", () => {
  happen("error", { error: new Error("late") });
  stop();
  happen("error", { error: new Error("later") });
  vi.advanceTimersByTime(120_000);
  expect(begin).not.toHaveBeenCalled();
});
