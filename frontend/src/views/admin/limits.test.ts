import { describe, expect, test } from "vitest";
import type { Token } from "../../commands/access";
import { emptyLimits, formOf, limitsOf } from "./limits";

const token: Token = { id: "t", name: "cad", role: "feed", agencies: [], shelters: [], worlds: [], creates: true, created: "2026-11-22T08:00:00Z", revoked: false, refused: 0, secrets: 1 };

describe("limits", () => {
  test.each<[string, Partial<Token>]>([
    ["everything", {}],
    ["one feed and some units", { feed: "cad", ids: ["E1", "SIM-*"], per_second: 50 }],
    ["no unit at all", { ids: [] }],
  ])("%s is the same after it was looked at", (_, more) => {
    const have = { ...token, ...more };
    expect(limitsOf(formOf(have))).toEqual({ feed: have.feed ?? "", ids: have.ids ?? null, creates: true, per_second: have.per_second ?? 0, expires: null });
  });

  test("patterns stand in lines, with spaces, or with the commas of any language", () => {
    expect(limitsOf({ ...emptyLimits(), ids: " E1\nE2,E3، E4，E5 \n" }).ids).toEqual(["E1", "E2", "E3", "E4", "E5"]);
  });

  test("a day counts to its end, and stays that day", () => {
    const limits = limitsOf({ ...emptyLimits(), expires: "2027-03-01" });
    const end = new Date(limits.expires!);
    expect([end.getFullYear(), end.getMonth(), end.getDate(), end.getHours()]).toEqual([2027, 2, 1, 23]);
    expect(formOf({ ...token, expires: limits.expires! }).expires).toBe("2027-03-01");
  });
});
