import { expect, test } from "vitest";
import { codeOf } from "./walls";

test.each<[string, string]>([
  ["7gqkm2xp", "7GQK-M2XP"],
  [" 7GQK–M2XP ", "7GQK-M2XP"],
  ["۷gqk۲", "7GQK-2"],
  ["٧GQK", "7GQK"],
  ["７ＧＱＫ", "7GQK"],
  ["7GQKM2XPW", "7GQK-M2XP"],
  ["", ""],
])("%s is the code %s", (typed, want) => {
  expect(codeOf(typed)).toBe(want);
});
