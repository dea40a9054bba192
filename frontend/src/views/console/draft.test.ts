import { describe, expect, test } from "vitest";
import { drawKey, geometryOf, isWhole, lengthM, middleOf, withoutLast, withPoint, type Draft } from "./draft";

const line: Draft = { area: false, points: [] };
const area: Draft = { area: true, points: [] };
const key = (code: string, more: object = {}) =>
  drawKey({ key: code, code, shiftKey: false, altKey: false, ctrlKey: false, metaKey: false, ...more });

describe("a draft", () => {
  test("takes points, forgets the last, and takes two presses on one spot as one", () => {
    const two = withPoint(withPoint(line, [-75.55, 39.74]), [-75.549, 39.74]);
    expect(two.points.length).toBe(2);
    expect(withPoint(two, [-75.549, 39.740001])).toBe(two);
    expect(withoutLast(two).points).toEqual([[-75.55, 39.74]]);
    expect(withoutLast(line).points).toEqual([]);
  });

  test("is whole with two points as a line and with three as an area", () => {
    const two = { area: false, points: [[0, 0], [0, 1]] } as const;
    expect(isWhole(withoutLast(two))).toBe(false);
    expect(isWhole(two)).toBe(true);
    expect(isWhole({ ...two, area: true })).toBe(false);
    expect(geometryOf({ ...two, area: true })).toBeNull();
    expect(geometryOf(two)).toEqual({ type: "LineString", coordinates: [[0, 0], [0, 1]] });
  });

  test("an area is closed and runs against the clock however it was drawn", () => {
    const against = [[0, 0], [1, 0], [1, 1]] as const;
    const want = { type: "Polygon", coordinates: [[[0, 0], [1, 0], [1, 1], [0, 0]]] };
    expect(geometryOf({ ...area, points: against })).toEqual(want);
    const ring = (geometryOf({ ...area, points: [...against].reverse() }) as GeoJSON.Polygon).coordinates[0]!;
    const twice = ring.slice(1).reduce((sum, [x = 0, y = 0], i) => sum + ring[i]![0]! * y - x * ring[i]![1]!, 0);
    expect(twice).toBeGreaterThan(0);
  });

  test("keeps places to a ten-millionth of a degree", () => {
    expect(geometryOf({ ...line, points: [[-75.123456789, 39.1], [-75, 39.987654321]] })).toEqual({
      type: "LineString",
      coordinates: [[-75.1234568, 39.1], [-75, 39.9876543]],
    });
  });

  test("knows its length and its middle", () => {
    const l: Draft = { area: false, points: [[0, 0], [0, 0.001], [0, 0.004]] };
    expect(lengthM(l)).toBeCloseTo(444.8, 0);
    expect(middleOf(l)![1]).toBeCloseTo(0.002, 6);
    expect(middleOf({ ...l, area: true })![1]).toBeCloseTo(0.005 / 3, 6);
    expect(middleOf(line)).toBeNull();
    expect(lengthM(line)).toBe(0);
  });
});

describe("keys", () => {
  test("point, finish, take back, leave, turn into an area", () => {
    expect(["Space", "Enter", "Backspace", "Escape", "KeyP"].map((code) => key(code))).toEqual(["point", "finish", "back", "cancel", "area"]);
  });
  test("arrows move the cross, far with Shift, by a hair with Alt", () => {
    expect(key("ArrowLeft")).toEqual({ x: -16, y: 0 });
    expect(key("ArrowDown", { shiftKey: true })).toEqual({ x: 0, y: 80 });
    expect(key("ArrowUp", { altKey: true })).toEqual({ x: 0, y: -2 });
  });
  test("others are left to whoever they belong to", () => {
    expect(key("KeyN")).toBeNull();
    expect(key("Equal", { ctrlKey: true })).toBeNull();
  });
});
