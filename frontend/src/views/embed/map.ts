/**
 * The map of the embed: the ground of the wall, and over it what the list says. It is loaded when the list can be read
 * already, and it never moves to where the visitor is: the tiles that it would ask for would say so.
 */
import * as maplibregl from "maplibre-gl";
import type { ExpressionSpecification, GeoJSONSource, LayerSpecification, StyleSpecification } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { loadFonts, mapFont } from "../../fonts";
import { groundLayers, source } from "../../map/layers";
import "../../map/map.css";
import { parseColor, readPalette, type Palette } from "../../map/palette";
import type { Language } from "../../preset";
import { shapePath } from "../../shapes";
import { boxOf, circleRing } from "./geometry";
import type { Here } from "./answer";
import type { Item } from "./list";
import type { Box, Place } from "./public";
import { signOf, type Sign } from "./signs";
import type { Words } from "./words";

maplibregl.setWorkerUrl(workerUrl);

/** How a map begins. */
export type MapOptions = Readonly<{
  language: Language;
  words: Words;
  /** There are tiles of the ground. */
  ground: boolean;
  /** What is shown first; null: the world. */
  box: Box | null;
  /** A finger moves the page and two the map; false on a page that is all map. */
  cooperative: boolean;
  /** The GPU took the map away, or gave it back. */
  lost: (lost: boolean) => void;
  /** Something was pointed at, by its id. */
  picked: (id: string) => void;
  /** The reader pointed at a place, after `point(true)`. */
  pointed: (at: Place) => void;
}>;

/** A map on the page. */
export type EmbedMap = Readonly<{
  setItems(items: readonly Item[]): void;
  /** Resolves when the items are in the picture. The ground alone comes sooner, and says that there is nothing. */
  shown(): Promise<void>;
  setHere(here: Here | null): void;
  /** False: the ground goes grey. */
  setLive(live: boolean): void;
  /** The next tap is a place, and Enter means the middle of the map. */
  point(on: boolean): void;
  /** Brings something of the list into view. */
  show(id: string): void;
  /** What it showed first, or another box. */
  all(box?: Box): void;
  /** Colours come from the tokens; call it when they have changed. */
  restyle(): void;
  zoom(by: number): void;
  bounds(): Box;
  /** Called whenever the view moves; by hand, or because it was told to. */
  onMove(listener: (byHand: boolean) => void): void;
  /** The picture as it is, as a data: address. */
  picture(): string;
  /** It was drawn by night. */
  night(): boolean;
  /** Ids of what is drawn, for tests: the sources' own word. */
  drawn(): readonly string[];
  idle(): boolean;
  project(at: Place): readonly [x: number, y: number];
  destroy(): void;
}>;

/** Ids of the sources that this map adds to the ground's. */
const own = { areas: "areas", signs: "signs", here: "here" } as const;
/** Tiles of the ground end here; the map goes on by enlarging them. */
const tileZoomMax = 14;
const focusZoomMost = 15.5;
const textScale: Readonly<Record<Language, number>> = { fa: 1.14, zh: 1, en: 1 };
const empty = { type: "FeatureCollection", features: [] } as const;

/** Whether this browser can draw a map at all. */
export function canDraw(): boolean {
  try {
    return !!document.createElement("canvas").getContext("webgl2");
  } catch {
    return false;
  }
}

/** Puts a map into `container`. Resolves when there is something to see. */
export async function openMap(container: HTMLElement, options: MapOptions): Promise<EmbedMap> {
  const faces = await loadFonts(options.language);
  const { words, language, ground } = options;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let palette = readPalette(container);
  let live = true;
  let items: readonly Item[] = [];
  let here: Here | null = null;
  let pointing = false;

  const look = () => ({ palette, language, scale: 1, live, basemap: ground, mask: ground, layers: { units: false, incidents: false, hazards: false, shelters: false, sites: false, labels: true } });
  const layers = () => [...groundLayers(look()), ...overlay(palette, language)];
  let applied = layers();
  const style: StyleSpecification = {
    version: 8,
    sources: {
      ...(ground && {
        // Tile by tile: a cache at the edge keeps them for everybody, which it would not do with ranges of one file.
        [source.basemap]: { type: "vector", tiles: [`${location.origin}/tiles/{z}/{x}/{y}.pbf`], maxzoom: tileZoomMax },
        [source.mask]: { type: "geojson", data: `${location.origin}/city/mask.geojson`, tolerance: 0 },
      }),
      ...Object.fromEntries(Object.values(own).map((id) => [id, { type: "geojson", data: empty, maxzoom: 18, tolerance: 0.1 }])),
    } as StyleSpecification["sources"],
    "font-faces": faces as NonNullable<StyleSpecification["font-faces"]>,
    layers: applied,
  };
  const map = new maplibregl.Map({
    container,
    style,
    ...(options.box ? { bounds: [...options.box] as [number, number, number, number], fitBoundsOptions: { padding: 8 } } : { center: [0, 20], zoom: 1 }),
    attributionControl: false, // it stands under the map, where a picture has it too
    cooperativeGestures: options.cooperative,
    locale: {
      "Map.Title": words("embed_map"),
      "CooperativeGesturesHandler.WindowsHelpText": words("embed_gesture_wheel"),
      "CooperativeGesturesHandler.MacHelpText": words("embed_gesture_mac"),
      "CooperativeGesturesHandler.MobileHelpText": words("embed_gesture_touch"),
    },
    maxPitch: 0,
    pitchWithRotate: false,
    touchPitch: false,
    dragRotate: false,
    fadeDuration: 0,
    renderWorldCopies: false,
    validateStyle: false,
    reduceMotion: still,
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();

  const draw = () => {
    map.getSource<GeoJSONSource>(own.areas)?.setData({ type: "FeatureCollection", features: items.flatMap(areaOf) });
    map.getSource<GeoJSONSource>(own.signs)?.setData({ type: "FeatureCollection", features: items.flatMap(signFeature) });
  };
  const drawHere = () => {
    const at = here && [...here.at];
    const ring = here && here.accuracyM > 0 ? [circleRing(here.at, here.accuracyM).map((p) => [...p])] : null;
    map.getSource<GeoJSONSource>(own.here)?.setData({
      type: "FeatureCollection",
      features: [
        ...(ring ? [{ type: "Feature" as const, geometry: { type: "Polygon" as const, coordinates: ring }, properties: {} }] : []),
        ...(at ? [{ type: "Feature" as const, geometry: { type: "Point" as const, coordinates: at }, properties: { text: words("embed_you") } }] : []),
      ],
    });
  };
  map.setMissingStyleImageResolver((name) => {
    const image = imageOf(name, palette, items);
    if (image && !map.hasImage(name)) map.addImage(name, image, { pixelRatio: 2 });
  });
  const restyle = () => {
    palette = readPalette(container);
    const next = layers();
    const paint = map.setPaintProperty.bind(map) as (layer: string, name: string, value: unknown) => void;
    for (const layer of next) for (const [name, value] of Object.entries(layer.paint ?? {})) paint(layer.id, name, value);
    applied = next;
    for (const name of map.listImages()) {
      const image = imageOf(name, palette, items);
      if (image) map.updateImage(name, image);
    }
  };
  // After the context of the GPU was lost the style comes back empty of what was put into it.
  map.on("style.load", () => {
    draw();
    drawHere();
  });
  map.on("webglcontextlost", () => options.lost(true));
  map.on("webglcontextrestored", () => options.lost(false));
  map.on("error", () => {}); // a tile that does not come leaves its ground plain

  const point = (on: boolean) => {
    pointing = on;
    map.getCanvas().style.cursor = on ? "crosshair" : "";
    container.classList.toggle("pointing", on);
    if (on) map.getCanvas().focus();
  };
  const place = (at: maplibregl.LngLat) => {
    point(false);
    options.pointed([at.lng, at.lat]);
  };
  map.on("click", ({ point: { x, y }, lngLat, originalEvent }) => {
    if (pointing) return place(lngLat);
    const reach = "pointerType" in originalEvent && originalEvent.pointerType === "touch" ? 22 : 10;
    const under = (box: [[number, number], [number, number]], among: string[]) => map.queryRenderedFeatures(box, { layers: among })[0];
    const hit = under([[x - reach, y - reach], [x + reach, y + reach]], ["signs"]) ?? under([[x, y], [x, y]], ["areas-fill", "areas-line"]);
    const id: unknown = hit?.properties["key"];
    if (typeof id === "string") options.picked(id);
  });
  map.getCanvas().addEventListener("keydown", (event) => {
    if (!pointing) return;
    if (event.key === "Enter") place(map.getCenter());
    else if (event.key === "Escape") point(false);
  });
  const fit = (box: Box, maxZoom: number) => map.fitBounds([...box] as [number, number, number, number], { padding: 40, maxZoom, ...(still ? { duration: 0 } : { duration: 500 }) });

  // A phone that is turned shows the same again, unless somebody has moved the map.
  let moved = false;
  map.on("movestart", (event) => (moved ||= "originalEvent" in event && event.originalEvent !== undefined));
  map.on("resize", () => {
    if (!moved && options.box) map.fitBounds([...options.box] as [number, number, number, number], { padding: 8, duration: 0 });
  });

  await new Promise<void>((resolve, reject) => {
    map.once("load", () => resolve());
    // Without a ground there is still something to see; without a context there never is.
    setTimeout(resolve, 8000);
    map.once("webglcontextlost", () => reject(new Error("the GPU took the map away")));
  }).catch((error: unknown) => {
    map.remove();
    throw error;
  });

  return {
    setItems(next) {
      items = next;
      draw();
    },
    shown: () =>
      new Promise((resolve) => {
        const look = () => {
          if (!map.isSourceLoaded(own.areas) || !map.isSourceLoaded(own.signs)) return;
          map.off("render", look);
          map.once("render", () => resolve());
          map.triggerRepaint();
        };
        map.on("render", look);
        map.triggerRepaint();
      }),
    setHere(next) {
      here = next;
      drawHere();
    },
    setLive(next) {
      if (live === next) return;
      live = next;
      restyle();
    },
    point,
    show(id) {
      const feature = items.find((item) => item.id === id)?.feature;
      const box = feature?.geometry && boxOf(feature.geometry, feature.properties.radius_m);
      if (!box) return;
      moved = true;
      fit(box, focusZoomMost);
    },
    all: (box) => {
      moved = box !== undefined;
      const to = box ?? options.box;
      if (to) map.fitBounds([...to] as [number, number, number, number], { padding: 8, duration: still ? 0 : 500 });
    },
    restyle,
    zoom: (by) => {
      moved = true;
      map.easeTo({ zoom: map.getZoom() + by, duration: still ? 0 : 250 });
    },
    bounds: () => {
      const b = map.getBounds();
      return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
    },
    onMove: (listener) => void map.on("move", (event) => listener("originalEvent" in event && event.originalEvent !== undefined)),
    picture: () => {
      map.redraw(); // what was drawn is gone from the GPU's buffer by now
      return map.getCanvas().toDataURL("image/jpeg", 0.9);
    },
    // Of what was drawn: on paper the tokens are those of the day already.
    night: () => parseColor(palette.color("map-ground"))[1] < 0.5,
    drawn: () => {
      const ids = Object.values(own).flatMap((id) => map.querySourceFeatures(id).map((f) => String(f.properties["key"] ?? "")));
      return [...new Set(ids)].filter(Boolean).sort();
    },
    idle: () => map.isStyleLoaded() === true && map.areTilesLoaded() && !map.isMoving(),
    project: (at) => {
      const { x, y } = map.project([...at]);
      return [x, y];
    },
    destroy: () => map.remove(),
  };
}

/** What is an area, or a circle because its place is told only roughly. */
function areaOf({ id, over, feature: { geometry, properties } }: Item): GeoJSON.Feature[] {
  const radius = properties.radius_m ?? 0;
  if (!geometry || (geometry.type === "Point" && radius <= 0)) return [];
  const shape = geometry.type === "Point" ? { type: "Polygon" as const, coordinates: [circleRing(geometry.coordinates, radius).map((p) => [...p])] } : (geometry as unknown as GeoJSON.Geometry);
  const rough = geometry.type === "Point";
  return [{ type: "Feature", geometry: shape, properties: { key: id, token: signOf({ id, geometry, properties }).token, danger: properties.kind === "hazard" && !over, rough } }];
}

/** The sign of whatever has a place: in the middle of a circle, on top of an area. */
function signFeature(item: Item, order: number): GeoJSON.Feature[] {
  const { geometry, properties } = item.feature;
  const box = geometry && boxOf(geometry);
  if (!geometry || !box) return [];
  const at = geometry.type === "Point" ? geometry.coordinates : middleOf(geometry, box);
  const icon = `sign|${signOf(item.feature).name}`;
  return [{ type: "Feature", geometry: { type: "Point", coordinates: [...at] }, properties: { key: item.id, icon, text: item.title, order, minor: properties.kind === "site" || properties.kind === "shelter" } }];
}

/** The middle of an area, or half of the way along a line. */
function middleOf(geometry: Exclude<Item["feature"]["geometry"], null>, box: Box): Place {
  if (geometry.type === "LineString") return geometry.coordinates[geometry.coordinates.length >> 1] ?? [box[0], box[1]];
  if (geometry.type === "MultiLineString") return geometry.coordinates[0]?.[(geometry.coordinates[0]?.length ?? 0) >> 1] ?? [box[0], box[1]];
  return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
}

/** What lies over the ground. */
function overlay({ color }: Palette, language: Language): LayerSpecification[] {
  const t = textScale[language];
  const token = (fallback: string): ExpressionSpecification => ["match", ["get", "token"], "act-now", color("act-now"), "attention", color("attention"), color(fallback)];
  const polygon: ExpressionSpecification = ["==", ["geometry-type"], "Polygon"];
  const danger: ExpressionSpecification = ["boolean", ["get", "danger"], false];
  return [
    { id: "areas-fill", type: "fill", source: own.areas, filter: polygon, paint: { "fill-color": token("text-muted"), "fill-opacity": ["case", danger, 0.2, 0.1] } },
    { id: "areas-hatch", type: "fill", source: own.areas, filter: ["all", polygon, danger], paint: { "fill-pattern": ["concat", "hatch|", ["get", "token"]] } },
    { id: "areas-casing", type: "line", source: own.areas, layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-color": color("symbol-casing"), "line-width": ["case", polygon, 4.5, 9], "line-opacity": 0.75 } },
    { id: "areas-line", type: "line", source: own.areas, filter: ["!", ["boolean", ["get", "rough"], false]], layout: { "line-join": "round" }, paint: { "line-color": token("text-muted"), "line-width": ["case", polygon, 2.5, 5] } },
    // A place that is told only roughly has no edge that one could walk to.
    { id: "areas-rough", type: "line", source: own.areas, filter: ["boolean", ["get", "rough"], false], layout: { "line-join": "round" }, paint: { "line-color": token("text-muted"), "line-width": 2, "line-dasharray": [2, 2] } },
    {
      ...{ id: "signs", type: "symbol", source: own.signs },
      layout: {
        "icon-image": ["get", "icon"],
        // All of the list is there at every zoom; from afar, where people go is smaller than what they flee.
        "icon-size": ["interpolate", ["linear"], ["zoom"], 9, ["case", ["get", "minor"], 0.5, 0.8], 13, ["case", ["get", "minor"], 0.8, 1]],
        "icon-allow-overlap": true,
        "icon-ignore-placement": false,
        "symbol-sort-key": ["-", 0, ["get", "order"]],
        "text-field": ["step", ["zoom"], "", 11, ["get", "text"]],
        "text-font": [...mapFont.bold],
        "text-size": 13.5 * t,
        "text-anchor": "top",
        "text-offset": [0, 1.15],
        "text-max-width": 10,
        "text-optional": true,
      },
      paint: { "text-color": color("label"), "text-halo-color": color("label-halo"), "text-halo-width": 2 },
    },
    { id: "here-ring", type: "fill", source: own.here, filter: polygon, paint: { "fill-color": color("accent"), "fill-opacity": 0.18 } },
    { id: "here-edge", type: "line", source: own.here, filter: polygon, paint: { "line-color": color("accent"), "line-width": 1.5 } },
    { id: "here", type: "circle", source: own.here, filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 8, "circle-color": color("accent"), "circle-stroke-color": color("symbol-casing"), "circle-stroke-width": 3 } },
    {
      ...{ id: "here-name", type: "symbol", source: own.here, filter: ["==", ["geometry-type"], "Point"] },
      layout: { "text-field": ["get", "text"], "text-font": [...mapFont.bold], "text-size": 15 * t, "text-anchor": "bottom", "text-offset": [0, -0.8], "text-allow-overlap": true, "text-ignore-placement": true },
      paint: { "text-color": color("label"), "text-halo-color": color("label-halo"), "text-halo-width": 2.5 },
    },
  ];
}

/** Pictures by their names: `sign|shelter-open` of something in the list, `hatch|act-now`. */
function imageOf(name: string, palette: Palette, items: readonly Item[]): ImageData | null {
  const [what, which = ""] = name.split("|");
  if (what === "hatch") return hatch(palette.color(which));
  if (what !== "sign") return null;
  const item = items.find(({ feature }) => signOf(feature).name === which);
  return item ? signImage(signOf(item.feature), palette) : null;
}

/** Two pixels of a picture make one of the page. */
function canvasOf(size: number): OffscreenCanvasRenderingContext2D {
  const ctx = new OffscreenCanvas(size * 2, size * 2).getContext("2d")!;
  ctx.scale(2, 2);
  return ctx;
}

function signImage({ shape, marks, token, hollow }: Sign, { color }: Palette): ImageData {
  const size = 34;
  const ctx = canvasOf(size);
  const k = (size - 4) / 26;
  ctx.translate(2 + k, 2 + k);
  ctx.scale(k, k);
  ctx.lineJoin = "round";
  const outline = new Path2D(shapePath(shape));
  ctx.strokeStyle = color("symbol-casing");
  ctx.lineWidth = 5;
  ctx.stroke(outline);
  ctx.fillStyle = color(hollow ? "surface" : token);
  ctx.fill(outline);
  if (hollow) {
    ctx.strokeStyle = color(token);
    ctx.lineWidth = 2;
    ctx.stroke(outline);
  }
  ctx.fillStyle = color(hollow ? token : "text-inverse");
  ctx.fill(new Path2D(marks));
  return ctx.getImageData(0, 0, size * 2, size * 2);
}

function hatch(stroke: string): ImageData {
  const size = 14;
  const ctx = canvasOf(size);
  ctx.strokeStyle = stroke;
  ctx.globalAlpha = 0.4;
  ctx.lineWidth = 1.4;
  ctx.beginPath();
  for (const shift of [-size, 0, size]) {
    ctx.moveTo(shift - 1, size + 1);
    ctx.lineTo(shift + size + 1, -1);
  }
  ctx.stroke();
  return ctx.getImageData(0, 0, size * 2, size * 2);
}
