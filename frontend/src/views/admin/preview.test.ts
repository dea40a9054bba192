import { describe, expect, test } from "vitest";
import type { FeaturePage } from "../../commands/access";
import { PreviewWorld } from "./preview";

type GeoFeature = FeaturePage["features"][number];
const feature = (id: string, kind: string, geometry: unknown, more: Readonly<Record<string, unknown>> = {}) =>
  ({ type: "Feature", id, geometry, properties: { kind, rev: 4, ...more } }) as unknown as GeoFeature;
const ring = [
  [51.3, 35.7],
  [51.4, 35.7],
  [51.4, 35.8],
  [51.3, 35.7],
];

describe("a world made of a list", () => {
  test("has the features with their places, and no more than the list says", () => {
    const preview = new PreviewWorld();
    preview.show(
      [
        feature("E7", "unit", { type: "Point", coordinates: [51.4, 35.7] }, { status: "available", fix: { time: "2026-11-22T08:00:00Z", heading_deg: 90, speed_mps: 12 } }),
        feature("I1", "incident", { type: "Point", coordinates: [51.5, 35.6] }, { name: "Fire", caller: { sealed: true } }),
        feature("H1", "hazard", { type: "MultiPolygon", coordinates: [[ring], [ring, ring]] }),
        feature("A1", "alarm", null),
      ],
      1000,
    );
    const { world } = preview;
    expect(world.fix(world.get("E7")!)).toMatchObject({ at: [51.4, 35.7], time: Date.parse("2026-11-22T08:00:00Z"), headingDeg: 90, speedMps: 12 });
    expect(world.get("I1")!.props).toEqual({ name: "Fire" });
    expect(world.get("I1")!.sealed).toEqual(["caller"]);
    expect(world.get("H1")!.shape).toMatchObject({ type: "MultiPolygon", ends: Uint32Array.of(4, 8, 12), parts: Uint32Array.of(1, 3) });
    expect(world.fix(world.get("A1")!)).toBeNull();
  });

  test("what is not in the next list is gone, what stays keeps its number", () => {
    const preview = new PreviewWorld();
    preview.show([feature("E7", "unit", null), feature("E8", "unit", null)], 1000);
    const before = preview.world.get("E8")!.id;
    preview.show([feature("E8", "unit", null)], 2000);
    expect(preview.world.get("E7")).toBeUndefined();
    expect(preview.world.get("E8")!.id).toBe(before);
  });
});
