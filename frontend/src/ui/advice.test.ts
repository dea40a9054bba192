import { describe, expect, test } from "vitest";
import { advise, suggest } from "./advice";

describe("advise", () => {
  test.each<[string, string, readonly string[], Partial<ReturnType<typeof advise>>]>([
    ["nothing yet is only too short", "", ["Amini"], { missing: 12, plain: false, own: false }],
    ["characters are counted, not units of UTF-16", "🙂🙂🙂", [], { missing: 9 }],
    ["Persian counts like Latin", "باران‌نرم‌عصر", [], { missing: 0, plain: false }],
    ["one character again and again", "aaaaaaaaaaaaaa", [], { plain: true }],
    ["a piece said twice", "kite47kite47", [], { plain: true }],
    ["keys in a row", "qwertyuiop123", [], { plain: true }],
    ["keys in a row, Persian", "ضصثقفغعهخحجچ", [], { plain: true }],
    ["the owner's name, whatever its case", "MaryAMINI-77-lamp", ["Mary Amini"], { own: true }],
    ["short words of a name are everywhere", "a sentence of li words", ["Li"], { own: false }],
    ["a sentence", "the lamp under seven rivers", ["Mary Amini"], { missing: 0, plain: false, own: false }],
  ])("%s", (_, password, words, want) => {
    expect(advise(password, words)).toMatchObject(want);
  });
});

describe("suggest", () => {
  test("passes its own advice, and no two are equal", () => {
    const seen = new Set(Array.from({ length: 500 }, () => suggest()));
    expect(seen.size).toBe(500);
    for (const password of seen) {
      expect(password).toMatch(/^(?:[2-9cdfghjkmpqrtvwxz]{5}-){3}[2-9cdfghjkmpqrtvwxz]{5}$/);
      expect(advise(password, [])).toEqual({ missing: 0, plain: false, own: false });
    }
  });

  test("bytes that would make some characters likelier are passed over", () => {
    let calls = 0;
    const password = suggest((bytes) => bytes.fill(calls++ === 0 ? 255 : 24));
    expect(calls).toBe(2);
    expect(password).toBe("22222-22222-22222-22222");
  });
});
