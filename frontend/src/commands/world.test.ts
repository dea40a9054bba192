import { describe, expect, test } from "vitest";
import { inWorld, pageWorld } from "./world";

describe("the world of a page", () => {
  test("stands in its address", () => {
    expect(pageWorld("?lang=fa&world=dover")).toBe("dover");
    expect(pageWorld("?lang=fa")).toBe("");
    expect(pageWorld("")).toBe("");
  });

  test.each([
    ["/api/v1/preset", "dover", "/api/v1/preset?world=dover"],
    ["/api/v1/units?limit=5", "dover", "/api/v1/units?limit=5&world=dover"],
    ["/api/v1/units?world=isfahan", "dover", "/api/v1/units?world=isfahan"],
    ["/api/v1/units?limit=5&world=live", "dover", "/api/v1/units?limit=5&world=live"],
    ["http://a/api/v1/coverage/{z}/{x}/{y}.png?seq=1", "dover", "http://a/api/v1/coverage/{z}/{x}/{y}.png?seq=1&world=dover"],
    ["/console", "", "/console"],
  ])("%s in %s is %s", (address, world, want) => expect(inWorld(address, world)).toBe(want));
});
