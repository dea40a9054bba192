import { describe, expect, test } from "vitest";
import { jumpFrom, lastBefore, marksOn, spanAround, spanBeside, type Jump, type Span } from "./timebar";

const minute = 60_000;
const hour = 60 * minute;
const now = Date.parse("2026-11-22T12:00:00Z");
const first = now - 10 * hour;

describe("the span of a bar", () => {
  const cases: Record<string, { at: number; length?: number; first?: number; had?: Span; want: Span }> = {
    "lies around the moment": { at: now - 5 * hour, want: { from: now - 5.5 * hour, to: now - 4.5 * hour } },
    "ends now at the latest": { at: now - minute, want: { from: now - hour, to: now } },
    "begins with the record at the earliest": { at: first + minute, want: { from: first, to: first + hour } },
    "is the whole record where that is shorter": { at: now - minute, first: now - 3 * minute, want: { from: now - 3 * minute, to: now } },
    "stays while the moment lies in it": { at: now - 5 * hour, had: { from: now - 5.9 * hour, to: now - 4.9 * hour }, want: { from: now - 5.9 * hour, to: now - 4.9 * hour } },
    "follows a moment that left it": { at: now - 5 * hour, had: { from: now - 7 * hour, to: now - 6 * hour }, want: { from: now - 5.5 * hour, to: now - 4.5 * hour } },
    "is another when its length is": { at: now - 5 * hour, length: 15 * minute, had: { from: now - 5.5 * hour, to: now - 4.5 * hour }, want: { from: now - 5 * hour - 7.5 * minute, to: now - 5 * hour + 7.5 * minute } },
  };
  for (const [name, { at, length = hour, first: begin = first, had, want }] of Object.entries(cases)) {
    test(name, () => expect(spanAround(at, length, begin, now, had ?? null)).toEqual(want));
  }

  test("holds the moment, within the record and no longer than asked, wherever that is", () => {
    for (let i = 0; i <= 200; i++) {
      const at = first + ((now - first) * i) / 200;
      for (const length of [15 * minute, hour, 24 * hour]) {
        const { from, to } = spanAround(at, length, first, now, null);
        expect(from).toBeLessThanOrEqual(at);
        expect(to).toBeGreaterThanOrEqual(at);
        expect(from).toBeGreaterThanOrEqual(first);
        expect(to).toBeLessThanOrEqual(now);
        expect(to - from).toBeLessThanOrEqual(length);
      }
    }
  });

  test("beside it is the next one, and what was seen at its edge still is", () => {
    const span = { from: now - 5 * hour, to: now - 4 * hour };
    expect(spanBeside(span, false, first, now)).toEqual({ from: span.from - 0.9 * hour, to: span.to - 0.9 * hour });
    expect(spanBeside(span, true, first, now)).toEqual({ from: span.from + 0.9 * hour, to: span.to + 0.9 * hour });
    expect(spanBeside({ from: now - hour, to: now }, true, first, now)).toEqual({ from: now - hour, to: now });
    expect(spanBeside({ from: first, to: first + hour }, false, first, now)).toEqual({ from: first, to: first + hour });
  });
});

describe("the marks of a bar", () => {
  const mark = (s: number, weight = 0): Jump => ({ at: now + s * 1000, label: String(s), weight });
  const span = { from: now, to: now + 100_000 };

  test("are those that can be told apart, the heaviest of each place, drawn last", () => {
    const jumps = [mark(10), mark(10.2, 2), mark(10.4, 2), mark(30, 1), mark(-1, 9), mark(101, 9)];
    expect(marksOn(jumps, span, 100).map((jump) => jump.label)).toEqual(["30", "10.2"]);
  });

  test("are no more than there are places, though three hundred incidents came", () => {
    const jumps = Array.from({ length: 3000 }, (_, i) => mark(i / 30, i % 4));
    const drawn = marksOn(jumps, span, 80);
    expect(drawn.length).toBeLessThanOrEqual(81);
    expect(drawn.every((jump) => jump.weight === 3)).toBe(true);
  });

  test("say what came last", () => {
    const jumps = [mark(10), mark(50), mark(40)];
    expect(lastBefore(jumps, now + 49_000, 60_000)?.label).toBe("40");
    expect(lastBefore(jumps, now + 50_000, 60_000)?.label).toBe("50");
    expect(lastBefore(jumps, now + 9000, 60_000)).toBeUndefined();
    expect(lastBefore(jumps, now + 200_000, 60_000)).toBeUndefined();
  });

  test("are gone to one by one, though two are at one moment", () => {
    const jumps = [mark(10), mark(10), mark(20)];
    expect(jumpFrom(jumps, now, true)?.label).toBe("10");
    expect(jumpFrom(jumps, now + 10_000, true)?.label).toBe("20");
    expect(jumpFrom(jumps, now + 20_000, false)?.label).toBe("10");
  });
});
