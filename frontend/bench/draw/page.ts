/**
 * One scene, drawn by one way: `?way=…&n=…`. The city's own map lies under it, the frames come from the thread that decodes
 * them, and `bench.step(k)` resolves when the picture of frame k has been given to the GPU. Everybody draws 12 px signs in the
 * colours of the statuses; ours have shapes, casings and noses as well, those of the others are as plain as their name says.
 *
 * A machine without a graphics card draws in software, seconds for 50,000 signs, and starves the rest of what is measured. So
 * every call of WebGL is made, each with no more than its first triangle: state, uploads and calls cost the page what they cost
 * it anywhere. `&whole=1` draws everything, to see that the scenes are the same.
 */
import * as maplibregl from "maplibre-gl";
import type { GeoJSONSource, StyleSpecification } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { Protocol } from "pmtiles";
import { MapboxOverlay } from "@deck.gl/mapbox";
import { COORDINATE_SYSTEM, type Layer } from "@deck.gl/core";
import type { Texture } from "@luma.gl/core";
import { IconLayer, ScatterplotLayer } from "@deck.gl/layers";
import { mapLayers, aboveUnits, source } from "../../src/map/layers";
import { readPalette } from "../../src/map/palette";
import { UnitLayer } from "../../src/map/units";
import { byCode, type Preset } from "../../src/preset";
import { headingUnknown, type Frame } from "../../src/stream/wire";
import "../../src/tokens.css";
import { World } from "../../src/world/world";
import { box } from "./box";

const statuses = [
  { code: "available", token: "status-available", shape: "circle", dispatchable: true, busy: false },
  { code: "enroute", token: "status-responding", shape: "triangle", dispatchable: false, busy: true },
  { code: "onscene", token: "status-on-scene", shape: "square", dispatchable: false, busy: true },
];
const preset = { statuses, flags: [], unit_kinds: [], stale_after_s: 120 } as unknown as Preset;

const asked = new URLSearchParams(location.search);
const way = asked.get("way") ?? "";
if (!asked.has("whole")) drawFirstTriangles();
const palette = readPalette(document.documentElement);
maplibregl.setWorkerUrl(workerUrl);
maplibregl.addProtocol("pmtiles", new Protocol().tile);

/** Draws what the first frame holds, and then what each frame changes; both resolve when the picture is made. */
type Way = Readonly<{ begin(frame: Frame): Promise<void>; update(frame: Frame): Promise<void> }>;

function drawFirstTriangles(): void {
  const gl = WebGL2RenderingContext.prototype;
  const { drawArrays, drawElements, drawArraysInstanced, drawElementsInstanced } = gl;
  gl.drawArrays = function (mode, first, count) {
    drawArrays.call(this, mode, first, Math.min(count, 4));
  };
  gl.drawElements = function (mode, count, type, offset) {
    drawElements.call(this, mode, Math.min(count, 3), type, offset);
  };
  gl.drawArraysInstanced = function (mode, first, count, instances) {
    drawArraysInstanced.call(this, mode, first, count, Math.min(instances, 1));
  };
  gl.drawElementsInstanced = function (mode, count, type, offset, instances) {
    drawElementsInstanced.call(this, mode, count, type, offset, Math.min(instances, 1));
  };
}

// ---- The scene ----

const city = (file: string) => new URL(`/city/${file}`, location.href).href;
const allLayers = { units: true, incidents: true, hazards: true, shelters: true, sites: true, labels: true };
const slow = Object.values(source).filter((id) => id !== source.basemap && id !== source.mask);
const empty: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };
const map = new maplibregl.Map({
  container: "map",
  style: {
    version: 8,
    sources: {
      [source.basemap]: { type: "vector", url: `pmtiles://${city("basemap.pmtiles")}` },
      [source.mask]: { type: "geojson", data: city("mask.geojson"), tolerance: 0 },
      ...Object.fromEntries(slow.map((id) => [id, { type: "geojson", data: empty }])),
    },
    layers: mapLayers({ palette, language: "en", scale: 1, live: true, basemap: true, mask: true, layers: allLayers }),
  } as StyleSpecification,
  bounds: [box.west / 1e7, box.south / 1e7, box.east / 1e7, box.north / 1e7],
  attributionControl: false,
  fadeDuration: 0,
  renderWorldCopies: false,
  validateStyle: false,
});
map.on("error", ({ error }) => console.error(error));

/** Resolves when a picture has been made in which `shown` is true. */
function drawn(shown: () => boolean = () => true): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!shown()) return;
      map.off("render", look);
      resolve();
    };
    map.on("render", look);
  });
}

// ---- The ways ----

/** Decoded and thrown away: what asking and decoding cost every way. */
function nothing(): Way {
  const none = () => Promise.resolve();
  return { begin: none, update: none };
}

/** Nothing but the map drawn anew: what ours and MapLibre's pictures cost before any unit is in them. */
function ground(): Way {
  const again = () => {
    const done = drawn();
    map.triggerRepaint();
    return done;
  };
  return { begin: again, update: again };
}

/**
 * The screens' own path: world, hash, buffers of the GPU. With `motion` it draws when something has gone half a pixel, be that
 * between two updates or after several; without, each update is a picture, as with the others.
 */
function ours(motion: boolean): Way {
  const world = new World();
  let now = 0;
  const units = new UnitLayer(world, preset, palette, () => now);
  units.motion = motion;
  map.addLayer(units, aboveUnits);
  const apply = (frame: Frame) => {
    const done = motion ? Promise.resolve() : drawn();
    now = frame.time;
    const applied = world.apply(frame);
    if (applied !== "applied") throw new Error(`frame ${frame.seq}: ${applied}`);
    return done;
  };
  return { begin: apply, update: apply };
}

const ink = (status: string) => palette.color(byCode(statuses as unknown as Preset["statuses"], status)?.token ?? "status-unknown");
const statusOf = (put: Frame["put"][number]) => String((JSON.parse(put.props) as Record<string, unknown>)["status"]);

/** A GeoJSON source, told of new places by `updateData`; circles are the cheapest layer that it feeds. */
function updateData(): Way {
  map.addSource("peer", { type: "geojson", data: empty, maxzoom: 18, tolerance: 0, buffer: 0 });
  map.addLayer(
    {
      ...{ id: "peer", type: "circle", source: "peer" },
      paint: { "circle-radius": 6, "circle-color": ["get", "color"], "circle-stroke-width": 1, "circle-stroke-color": palette.color("symbol-casing") },
    },
    aboveUnits,
  );
  const target = () => map.getSource<GeoJSONSource>("peer")!;
  const shown = async (told: Promise<void>) => {
    const done = drawn(() => map.isSourceLoaded("peer"));
    await told;
    return done;
  };
  return {
    begin: (frame) =>
      shown(
        target().setData({
          type: "FeatureCollection",
          features: frame.put.map((p) => ({
            ...{ type: "Feature", id: p.id, properties: { color: ink(statusOf(p)) } },
            geometry: { type: "Point", coordinates: [p.lng / 1e7, p.lat / 1e7] },
          })),
        }),
      ),
    update: ({ moves: { id, lng, lat } }) => {
      const update = Array.from(id, (unit, i) => ({ id: unit, newGeometry: { type: "Point" as const, coordinates: [lng[i]! / 1e7, lat[i]! / 1e7] } }));
      return shown(target().updateData({ update }));
    },
  };
}

/**
 * deck.gl over the map, on a canvas of its own, fed as its guide to performance says: typed columns, no accessor that runs
 * for each unit. Places are relative to the middle of the city, so that one float is enough. Frames list units in the order of
 * their numbers, which here are their rows.
 */
function deck(make: (n: number, places: Float32Array, angles: Float32Array, colors: Uint8Array) => Layer): Way {
  let done: (() => void) | undefined;
  const onAfterRender = () => {
    bench.pictures++;
    done?.();
  };
  const overlay = new MapboxOverlay({ interleaved: false, layers: [], onAfterRender });
  map.addControl(overlay);
  let colors = new Uint8Array(0);
  const lay = (n: number, lng: ArrayLike<number>, lat: ArrayLike<number>, heading: ArrayLike<number>) => {
    const places = new Float32Array(n * 2);
    const angles = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      places[2 * i] = (lng[i]! - middle[0]) / 1e7;
      places[2 * i + 1] = (lat[i]! - middle[1]) / 1e7;
      angles[i] = heading[i] === headingUnknown ? 0 : -heading[i]!;
    }
    const drawn = new Promise<void>((resolve) => (done = resolve));
    overlay.setProps({ layers: [make(n, places, angles, colors)] });
    return drawn;
  };
  return {
    begin: ({ put }) => {
      colors = new Uint8Array(put.length * 4);
      put.forEach((p, i) => {
        const value = Number.parseInt(ink(statusOf(p)).slice(1), 16);
        colors.set([value >> 16, (value >> 8) & 255, value & 255, 255], 4 * i);
      });
      return lay(put.length, put.map((p) => p.lng), put.map((p) => p.lat), put.map((p) => p.heading));
    },
    update: ({ moves: { id, lng, lat, heading } }) => lay(id.length, lng, lat, heading),
  };
}

const middle = [(box.west + box.east) / 2, (box.south + box.north) / 2] as const;
const fromMiddle = { coordinateSystem: COORDINATE_SYSTEM.LNGLAT_OFFSETS, coordinateOrigin: [middle[0] / 1e7, middle[1] / 1e7, 0] as [number, number, number] };

function scatter(): Way {
  return deck(
    (length, places, _, colors) =>
      new ScatterplotLayer({
        ...{ id: "peer", ...fromMiddle, radiusUnits: "pixels", getRadius: 6, stroked: false },
        data: { length, attributes: { getPosition: { value: places, size: 2 }, getFillColor: { value: colors, size: 4, normalized: true } } },
      }),
  );
}

/** With a sign that is turned: what stands nearest to ours. */
function icons(): Way {
  const atlas = document.createElement("canvas");
  atlas.width = atlas.height = 64;
  const context = atlas.getContext("2d")!;
  context.fillStyle = "#fff";
  context.fill(new Path2D("M32 4 L58 60 L32 46 L6 60 Z"));
  // The types want a texture as well as what becomes one.
  const iconAtlas = context.getImageData(0, 0, 64, 64) as ImageData & Texture;
  const iconMapping = { unit: { x: 0, y: 0, width: 64, height: 64, mask: true } };
  return deck(
    (length, places, angles, colors) =>
      new IconLayer({
        ...{ id: "peer", ...fromMiddle, iconAtlas, iconMapping, getIcon: () => "unit", getSize: 14 },
        data: {
          length,
          attributes: {
            getPosition: { value: places, size: 2 },
            getAngle: { value: angles, size: 1 },
            getColor: { value: colors, size: 4, normalized: true },
          },
        },
      }),
  );
}

const ways: Readonly<Record<string, () => Way>> = {
  "decoded only": nothing,
  "ground redrawn": ground,
  "ours, moved at once": () => ours(false),
  "ours, in motion": () => ours(true),
  "MapLibre updateData": updateData,
  "deck.gl Scatterplot": scatter,
  "deck.gl Icon": icons,
};

// ---- What the driver asks ----

const stream = new Worker(new URL("./source.ts", import.meta.url), { type: "module" });
const told = <T>(message: unknown): Promise<T> =>
  new Promise((resolve) => {
    stream.onmessage = ({ data }) => resolve(data as T);
    stream.postMessage(message);
  });

const bench = {
  /** Makes the scene with the first frame in it; returns how many frames there are. */
  async begin(): Promise<number> {
    if (!map.loaded()) await map.once("idle");
    const make = ways[way];
    if (!make) throw new Error(`no way ${way}`);
    bench.way = make();
    const frames = await told<number>({ url: `/frames-${asked.get("n")}.bin` });
    await bench.way.begin(await told<Frame>({ k: 0 }));
    return frames;
  },
  /** One update: decoded, applied, and drawn. Returns how many pictures have been made. */
  async step(k: number): Promise<number> {
    await bench.way!.update(await told<Frame>({ k }));
    return bench.pictures;
  },
  pictures: 0,
  way: undefined as Way | undefined,
};
map.on("render", () => bench.pictures++);
Object.assign(window, { bench });
