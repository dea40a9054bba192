import { describe, expect, test } from "vitest";
import { codePoints, unicodeRange } from "./plugin";

describe("the ranges of a font", () => {
  test.each([
    ["U+41", [0x41]],
    ["U+41-43", [0x41, 0x42, 0x43]],
    ["U+4E00,U+4E02-4E03,U+2F81A", [0x4e00, 0x4e02, 0x4e03, 0x2f81a]],
  ])("%s", (range, points) => {
    expect(codePoints(range)).toEqual(points);
    expect(unicodeRange(points)).toBe(range);
  });

  test("come in any order and with spaces, and go ascending", () => {
    expect(unicodeRange(codePoints("U+50, U+41-42 ,U+43"))).toBe("U+41-43,U+50");
  });
});
