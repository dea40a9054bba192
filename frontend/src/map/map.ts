import * as maplibregl from "maplibre-gl";
import type { GeoJSONSource, LayerSpecification, Map as MapLibre, RasterTileSource, StyleSpecification, VectorTileSource } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { Protocol } from "pmtiles";
import { KeptBasemap } from "./basemap";
import { baseFaces, loadFonts } from "../fonts";
import { scaleValue, type Language, type Preset, type Theme } from "../preset";
import { text, type Feature, type Kind, type LngLat } from "../world/feature";
import type { World } from "../world/world";
import { AssignmentLayer } from "./assignments";
import { Camera, type Bounds, type CameraState, type Padding } from "./camera";
import { foldSigns, layOutCrowd, type Cluster } from "./crowd";
import { drawImage, incidentSize, type ImageMaker } from "./images";
import { aboveCoverage, aboveUnits, coverageLayer, firstOperation, mapLayers, source, type LayerSwitches } from "./layers";
import "./map.css";
import { GroundLayer } from "./ground";
import * as operations from "./operations";
import { readPalette, type Palette } from "./palette";
import type { Ground, Place } from "./stand-in";
import { degreesOf, mercatorX, mercatorY, tier, UnitLayer } from "./units";

export type { Bounds, CameraState, LayerSwitches, Padding };
export type { DraftShape, RouteLine } from "./operations";

maplibregl.setWorkerUrl(workerUrl);
const tiles = new Protocol();
maplibregl.addProtocol("pmtiles", tiles.tile);

/** How a map begins. */
export type MapOptions = Readonly<{
  preset: Preset;
  language: Language;
  theme: Theme;
  /** The server's clock, Unix ms; NaN while it is not known. */
  now: () => number;
  /** The scale factor of everything that is drawn; default 1. */
  scale?: number;
  /** Whether a person may move it; default true. */
  interactive?: boolean;
  /** Address of the basemap (PMTiles); null or absent: a plain ground. */
  basemap?: string | null;
  /** Address of the ground that is not covered (GeoJSON); null or absent: none. */
  mask?: string | null;
  /** What the city covers. */
  bounds?: Bounds | null;
  center?: LngLat;
  zoom?: number;
  /** How much of the map panels cover, in pixels of the page. */
  padding?: Padding;
  /** Whether the view fits the incidents when their set changes; default true. */
  follow?: boolean;
  layers?: Partial<LayerSwitches>;
  /** Up to this many units on the screen are drawn one by one; default 300. */
  separateMax?: number;
  /** Whose data the basemap is; default OpenStreetMap's. Always visible. */
  attribution?: string;
  /** What a screen reader calls the map, in the language of the page. */
  title?: string;
  /** Sensitive incidents; default shown. */
  sensitive?: "shown" | "dimmed" | "hidden";
  /** How much of the coverage is seen, 0 to 1: less where nobody asked for it. Default 0.6. */
  coverageOpacity?: number;
  /** Called with a copy of the ground without operations each time that it changed: what a stand-in shows when the map cannot. */
  onGround?: (ground: Ground) => void;
}>;

/** What a person pointed at. */
export type Pick = Readonly<{
  kind: Kind;
  key: string;
  at: LngLat;
  /** Keys of what lies under it as well, nearest first. */
  others: readonly string[];
}>;

/** A place that a person pointed at. */
export type PointedAt = Readonly<{ at: LngLat; x: number; y: number; button: "primary" | "secondary" }>;

/** Where a view is: its middle, its zoom, and how it is turned, in degrees. */
export type CameraPlace = Readonly<{ center: LngLat; zoom: number; bearing: number }>;

/** What tests and a wall's health report ask. */
export type MapStats = Readonly<{
  /** Everything that there is to draw is drawn. */
  idle: boolean;
  units: number;
  clusters: number;
  zoom: number;
  /** Milliseconds of this thread for the last frame of the stream in the layer of units, and for its last picture. */
  updateMs: number;
  renderMs: number;
  /** Pictures drawn since the map was made. */
  pictures: number;
  contextLosses: number;
  /** The GPU took the context away and has not given it back. */
  contextLost: boolean;
  /** The ground is not drawn yet: the map was just made, or lost everything that it had. */
  bare: boolean;
  /** Errors of the map, the newest last. */
  errors: readonly string[];
}>;

/** A map on the page. */
export type MapView = Readonly<{
  /** Marks a feature; null marks nothing. Does not move the view. */
  select(key: string | null): void;
  /** Moves to a feature or a place, and locks the view. */
  fly(to: string | LngLat, zoom?: number): void;
  fit(what: "incidents" | "city" | Bounds): void;
  /** Shows an area as it was taken from a map, without room around. Locks the view. */
  show(area: Bounds): void;
  /** Resumes fitting the incidents, or locks the view where it is. */
  follow(on: boolean): void;
  onCamera(listener: (state: CameraState) => void): () => void;
  /** Where the view is, to be given to another map. */
  view(): CameraPlace;
  /** Puts the view where another map is, at once. Locks it, unless the other map leads and this one follows its incidents as before. */
  setView(at: CameraPlace, lock?: boolean): void;
  /** Every movement of the view, whoever moved it. */
  onMove(listener: (at: CameraPlace) => void): () => void;
  /** A click: what it hit, or null for the ground. */
  onPick(listener: (pick: Pick | null) => void): () => void;
  /** A click of either button, wherever it was; a long press is a secondary one. Comes after `onPick`. */
  onPoint(listener: (point: PointedAt) => void): () => void;
  setTheme(theme: Theme): void;
  setLanguage(language: Language): void;
  setScale(scale: number): void;
  /** False: the ground goes grey; shapes and words of operations stay. */
  setLive(live: boolean): void;
  setLayers(layers: Partial<LayerSwitches>): void;
  setPadding(padding: Padding): void;
  setSensitive(sensitive: "shown" | "dimmed" | "hidden"): void;
  /** Keys of the incidents that nobody has acknowledged: each has a ring that breathes, unless the reader wants no motion. */
  setFresh(keys: readonly string[]): void;
  /** Ghost lines of an assignment that is being chosen. */
  setPreview(preview: operations.Preview | null): void;
  /** The ways of units that are being thought of. */
  setRoutes(routes: readonly operations.RouteLine[]): void;
  /** Tiles of what cannot be reached in time, by the template of their address; null shows none. Another address reloads them. */
  setCoverage(tiles: string | null): void;
  /** What is being drawn. While it is not a ghost a click picks nothing and zooms to nothing: it is a point. */
  setDraft(draft: operations.DraftShape | null): void;
  /** Where the pointer is; null when it left. */
  onHover(listener: (at: LngLat | null) => void): () => void;
  /** Moves the view by pixels of the page, and locks it. */
  pan(x: number, y: number): void;
  /** Zooms by steps, around a place when one is given, and locks the view. */
  zoom(by: number, around?: LngLat): void;
  /** The name of the street that is drawn at a place, in the language of the map; "" when none is, or it has none. */
  streetAt(at: LngLat): string;
  /** Where the map looks now. */
  place(): Place;
  /** Metres that a pixel of the page is wide in the middle of the map. */
  metresPerPixel(): number;
  /** Pixels of the page, relative to the map. */
  project(at: LngLat): readonly [x: number, y: number];
  unproject(point: readonly [x: number, y: number]): LngLat;
  stats(): MapStats;
  destroy(): void;
}>;

const beatMs = 1000;
/** So many tiles out of view stay at hand, to move back to. */
const tilesKept = 24;
/** So long after it failed, a part of the ground is asked for again. */
const groundAgainMs = 5000;
/** Labels follow their units this often. */
const callsignsMs = 500;
const callsignsMost = 60;
const callsignsZoom = 14;
/** Slow layers are made anew at most this often. */
const slowMs = 100;
const ringsMost = 400;
const pickRadius = 12;
const pickRadiusTouch = 24;

const allLayers: LayerSwitches = { units: true, incidents: true, hazards: true, shelters: true, sites: true, labels: true };

/**
 * Puts a map of the world into `container` and keeps it current until `destroy`. Colours come from the tokens as they
 * apply to the container; set `data-theme` on the page before `setTheme`.
 */
export function createMap(container: HTMLElement, world: World, options: MapOptions): MapView {
  return new View(container, world, options).handle;
}

class View {
  readonly handle: MapView;
  readonly #container: HTMLElement;
  readonly #world: World;
  readonly #preset: Preset;
  readonly #map: MapLibre;
  readonly #units: UnitLayer;
  readonly #assignments: AssignmentLayer;
  readonly #camera: Camera;
  readonly #options: MapOptions;
  #palette: Palette;
  #theme: Theme;
  #language: Language;
  #scale: number;
  #live = true;
  #layers: LayerSwitches;
  #sensitive: "shown" | "dimmed" | "hidden";
  #selected = "";
  #preview: operations.Preview | null = null;
  #fresh: ReadonlySet<string> = new Set();
  #routes: readonly operations.RouteLine[] = [];
  #draft: operations.DraftShape | null = null;
  #coverage: string | null = null;
  #applied: readonly LayerSpecification[] = [];
  #clusters: readonly Cluster[] = [];
  #folded: ReadonlyMap<number, number> | null = null;
  #loaded = false;
  #faces = baseFaces;
  #pictures = 0;
  #contextLosses = 0;
  #contextLost = false;
  #bare = true;
  /** When a part of the ground failed to come, of the monotonic clock; NaN: none did. Which tiles: the others stay as they are. */
  #groundFailed = NaN;
  #maskFailed = false;
  readonly #tilesFailed = new Map<string, { x: number; y: number; z: number }>();
  #laidOut = false;
  #breath = false;
  /** What is to be copied of the ground, when it has come to rest. */
  readonly #ground: GroundLayer | null;
  #groundStale = true;
  readonly #errors: string[] = [];
  readonly #dirty = new Set<string>();
  #slowTimer: ReturnType<typeof setTimeout> | undefined;
  #slowAt = 0;
  readonly #stops: (() => void)[] = [];
  readonly #pickListeners = new Set<(pick: Pick | null) => void>();
  readonly #pointListeners = new Set<(point: PointedAt) => void>();
  readonly #hoverListeners = new Set<(at: LngLat | null) => void>();

  constructor(container: HTMLElement, world: World, options: MapOptions) {
    this.#container = container;
    this.#world = world;
    this.#options = options;
    this.#preset = options.preset;
    this.#theme = options.theme;
    this.#language = options.language;
    this.#scale = options.scale ?? 1;
    this.#layers = { ...allLayers, ...options.layers };
    this.#sensitive = options.sensitive ?? "shown";
    this.#palette = readPalette(container);
    container.classList.add("rasad-map");

    this.#applied = mapLayers(this.#look());
    const bounds = options.bounds ?? null;
    this.#map = new maplibregl.Map({
      container,
      style: this.#style(),
      ...(options.center || !bounds
        ? { center: [...(options.center ?? [0, 20])] as [number, number], zoom: options.zoom ?? (options.center ? 12 : 1.5) }
        : { bounds: [...bounds] as [number, number, number, number], fitBoundsOptions: { padding: 20 } }),
      attributionControl: false,
      locale: { "Map.Title": options.title ?? "" },
      interactive: options.interactive ?? true,
      pitchWithRotate: false,
      touchPitch: false,
      maxPitch: 0,
      fadeDuration: 0,
      renderWorldCopies: false,
      // The usual 4,096 would blur a wall of two 4K displays side by side, each of which draws the map of both.
      maxCanvasSize: [8192, 8192],
      // For each of fifteen sources: by default a large wall would keep hundreds of tiles of each that nobody looks at.
      maxTileCacheSize: tilesKept,
      validateStyle: false,
      reduceMotion: matchMedia("(prefers-reduced-motion: reduce)").matches,
    });
    const map = this.#map;
    map.addControl(
      new maplibregl.AttributionControl({
        compact: false,
        customAttribution: options.attribution ?? "© OpenStreetMap contributors",
      }),
    );
    this.#units = new UnitLayer(world, this.#preset, this.#palette, options.now);
    this.#units.motion = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#units.setScale(this.#scale);
    this.#units.setVisible(this.#layers.units);
    this.#assignments = new AssignmentLayer(this.#units, this.#palette);
    this.#assignments.setScale(this.#scale);
    this.#camera = new Camera(map, bounds, options.follow ?? true, () => this.#incidentPlaces());
    if (options.padding) this.#camera.setPadding(options.padding);

    // Nobody stands before a wall to move it again: it keeps its ground.
    if (options.onGround && options.basemap) KeptBasemap.serve(tiles, new URL(options.basemap, location.href).href);
    this.#ground = options.onGround ? new GroundLayer(options.onGround, () => this.#place()) : null;

    // Also after the context of the GPU was lost: the style comes back, what was put into it by hand does not.
    map.on("style.load", () => this.#install());
    map.setMissingStyleImageResolver((id) => this.#addImage(id));
    map.on("render", () => this.#pictures++);
    map.on("error", ({ error, ...what }) => {
      const { sourceId: from, tile } = what as { sourceId?: string; tile?: { tileID: { canonical: { x: number; y: number; z: number; key: string } } } };
      if (from === source.basemap || from === source.mask) {
        if (from === source.mask) this.#maskFailed = true;
        else if (tile) this.#tilesFailed.set(tile.tileID.canonical.key, tile.tileID.canonical);
        if (Number.isNaN(this.#groundFailed)) this.#groundFailed = performance.now();
      }
      this.#errors.push(String(error?.message ?? error));
      if (this.#errors.length > 20) this.#errors.shift();
    });
    let style = map.style;
    map.on("webglcontextlost", () => {
      this.#contextLosses++;
      this.#contextLost = this.#bare = true;
      this.#loaded = false; // there is no style until it is loaded again
      // MapLibre destroys the style with its context, but leaves it listening to what all maps share (as of 6.17), and with it
      // all that waits for its workers: half a megabyte a loss. Removing it once more lets go of it.
      if (!map.style) style._remove(false);
    });
    map.on("webglcontextrestored", () => {
      this.#contextLost = false;
      style = map.style;
    });
    for (const moved of ["moveend", "resize"] as const) {
      map.on(moved, () => {
        this.#groundStale = true;
        this.#layOut();
      });
    }
    map.on("click", (event) => this.#click(event, "primary"));
    map.on("contextmenu", (event) => this.#click(event, "secondary"));
    if (options.interactive ?? true) this.#hover();
    this.#keepFocus();

    this.#watch();
    const beat = setInterval(() => this.#beat(), beatMs);
    const labels = setInterval(() => this.#follow(), callsignsMs);
    this.#stops.push(() => clearInterval(beat), () => clearInterval(labels), () => clearTimeout(this.#slowTimer), keepWorkers());
    if (this.#language === "zh") void this.#loadFonts();

    this.handle = {
      select: (key) => this.#select(key ?? ""),
      fly: (to, zoom) => this.#fly(to, zoom),
      fit: (what) => {
        if (what === "incidents") this.#camera.fitIncidents();
        else if (what === "city") this.#camera.fitHome();
        else this.#camera.fit(what);
      },
      show: (area) => {
        this.#camera.follow(false);
        this.#camera.show(area);
      },
      follow: (on) => this.#camera.follow(on),
      onCamera: (listener) => this.#camera.onChange(listener),
      view: () => this.#view(),
      setView: ({ center, zoom, bearing }, lock = true) => {
        if (lock) this.#camera.follow(false);
        map.jumpTo({ center: [center[0], center[1]], zoom, bearing });
      },
      onMove: (listener) => {
        const moved = () => listener(this.#view());
        map.on("move", moved);
        return () => map.off("move", moved);
      },
      onPick: (listener) => add(this.#pickListeners, listener),
      onPoint: (listener) => add(this.#pointListeners, listener),
      setTheme: (theme) => {
        this.#theme = theme;
        this.#palette = readPalette(container);
        this.#units.setPalette(this.#palette, this.#preset);
        this.#assignments.setPalette(this.#palette);
        this.#restyle(true);
      },
      setLanguage: (language) => {
        this.#language = language;
        void this.#loadFonts().then(() => {
          this.#restyle(false);
          this.#mark(...Object.values(source));
          this.#layOut();
        });
      },
      setScale: (scale) => {
        this.#scale = scale;
        this.#units.setScale(scale);
        this.#assignments.setScale(scale);
        this.#restyle(true);
        this.#layOut();
      },
      setLive: (live) => {
        if (live === this.#live) return;
        this.#live = live;
        this.#restyle(false);
      },
      setLayers: (layers) => {
        this.#layers = { ...this.#layers, ...layers };
        this.#units.setVisible(this.#layers.units);
        this.#restyle(false);
        this.#assign();
      },
      setPadding: (padding) => this.#camera.setPadding(padding),
      setSensitive: (sensitive) => {
        this.#sensitive = sensitive;
        if (this.#loaded) this.#fold();
        this.#mark(source.incidents, source.fresh);
        this.#camera.incidentsAre(this.#openIncidents().map((f) => f.key));
        this.#assign();
      },
      setFresh: (keys) => {
        if (keys.length === this.#fresh.size && keys.every((key) => this.#fresh.has(key))) return;
        this.#fresh = new Set(keys);
        if (this.#loaded) this.#fold();
        this.#mark(source.fresh);
      },
      setPreview: (preview) => {
        this.#preview = preview;
        this.#assign();
      },
      setRoutes: (routes) => {
        this.#routes = routes;
        this.#mark(source.routes);
      },
      setCoverage: (tiles) => {
        if (tiles === this.#coverage) return;
        this.#coverage = tiles;
        this.#cover();
      },
      setDraft: (draft) => {
        this.#draft = draft;
        const drawing = draft !== null && !draft.ghost;
        if (drawing) map.doubleClickZoom.disable();
        else map.doubleClickZoom.enable();
        map.getCanvas().style.cursor = drawing ? "crosshair" : "";
        // A line that lags behind the pointer cannot be drawn with.
        if (this.#loaded) map.getSource<GeoJSONSource>(source.draft)?.setData(operations.draft(draft));
      },
      onHover: (listener) => add(this.#hoverListeners, listener),
      pan: (x, y) => {
        this.#camera.follow(false);
        map.panBy([x, y], { duration: 0 });
      },
      zoom: (by, around) => {
        this.#camera.follow(false);
        map.easeTo({ zoom: map.getZoom() + by, duration: 0, ...(around ? { around: [around[0], around[1]] } : {}) });
      },
      streetAt: (at) => {
        if (!this.#loaded) return "";
        const { x, y } = map.project([at[0], at[1]]);
        const layers = map.getLayersOrder().filter((id) => /^road-(?!.*casing)/.test(id));
        for (const reach of [2, 8, 16]) {
          const box: [[number, number], [number, number]] = [
            [x - reach, y - reach],
            [x + reach, y + reach],
          ];
          for (const { properties } of map.queryRenderedFeatures(box, { layers })) {
            const name: unknown = properties[`name_${this.#language}`] ?? properties["name"] ?? properties["ref"];
            if (typeof name === "string" && name) return name;
          }
        }
        return "";
      },
      place: () => this.#place(),
      metresPerPixel: () => (40_075_016.7 * Math.cos((map.getCenter().lat * Math.PI) / 180)) / (512 * 2 ** map.getZoom()),
      project: (at) => {
        const { x, y } = map.project([at[0], at[1]]);
        return [x, y];
      },
      unproject: ([x, y]) => {
        const { lng, lat } = map.unproject([x, y]);
        return [lng, lat];
      },
      stats: () => ({
        idle: this.#idle(),
        units: this.#units.count,
        clusters: this.#clusters.length,
        zoom: map.getZoom(),
        updateMs: this.#units.cost.update,
        renderMs: this.#units.cost.render,
        pictures: this.#pictures,
        contextLosses: this.#contextLosses,
        contextLost: this.#contextLost,
        bare: this.#isBare(),
        errors: [...this.#errors],
      }),
      destroy: () => {
        for (const stop of this.#stops) stop();
        this.#camera.destroy();
        this.#units.destroy();
        map.remove();
        container.classList.remove("rasad-map");
      },
    };
  }

  // ---- The look ----

  #look() {
    const { basemap, mask } = this.#options;
    return {
      palette: this.#palette,
      language: this.#language,
      scale: this.#scale,
      live: this.#live,
      basemap: !!basemap,
      mask: !!mask,
      layers: this.#layers,
    };
  }

  #place(): Place {
    const { lng, lat } = this.#map.getCenter();
    return { x: mercatorX(lng * 1e7), y: mercatorY(lat * 1e7), pixelsPerUnit: 512 * 2 ** this.#map.getZoom() };
  }

  #style(): StyleSpecification {
    const { basemap, mask } = this.#options;
    const slow = Object.values(source).filter((id) => id !== source.basemap && id !== source.mask);
    const empty = { type: "FeatureCollection", features: [] } as const;
    return {
      version: 8,
      sources: {
        ...(basemap && {
          [source.basemap]: { type: "vector", url: `pmtiles://${new URL(basemap, location.href).href}` },
        }),
        ...(mask && { [source.mask]: { type: "geojson", data: new URL(mask, location.href).href, tolerance: 0 } }),
        ...Object.fromEntries(slow.map((id) => [id, { type: "geojson", data: empty, maxzoom: 18, tolerance: 0.1 }])),
      } as StyleSpecification["sources"],
      "font-faces": baseFaces as NonNullable<StyleSpecification["font-faces"]>,
      layers: [...this.#applied],
    };
  }

  #install(): void {
    const map = this.#map;
    for (const layer of [this.#assignments, this.#units]) {
      if (!map.getLayer(layer.id)) map.addLayer(layer, aboveUnits);
    }
    if (this.#ground && !map.getLayer(this.#ground.id)) map.addLayer(this.#ground, firstOperation);
    this.#loaded = true;
    this.#cover();
    this.#setFaces();
    this.#restyle(false);
    this.#mark(...Object.values(source));
    this.#layOut();
  }

  /** Shows the coverage, or takes it away. Tiles that are there stay until those of the new address have come. */
  #cover(): void {
    const map = this.#map;
    if (!this.#loaded) return;
    const tiles = this.#coverage;
    const there = map.getSource<RasterTileSource>(coverageLayer);
    if (!tiles) {
      if (map.getLayer(coverageLayer)) map.removeLayer(coverageLayer);
      if (there) map.removeSource(coverageLayer);
    } else if (there) there.setTiles([tiles]);
    else {
      const { bounds } = this.#options;
      map.addSource(coverageLayer, {
        ...{ type: "raster", tiles: [tiles], tileSize: 256, minzoom: 6, maxzoom: 15 },
        ...(bounds ? { bounds: [...bounds] as [number, number, number, number] } : {}),
      });
      // Colour belongs to what happens; a gap is where it does not.
      const paint = { "raster-fade-duration": 0, "raster-resampling": "nearest", "raster-opacity": this.#options.coverageOpacity ?? 0.6 } as const;
      map.addLayer({ id: coverageLayer, type: "raster", source: coverageLayer, paint }, aboveCoverage(this.#applied));
    }
  }

  /** Sets what differs between the look that is and the one that should be. */
  #restyle(images: boolean): void {
    const map = this.#map;
    if (!this.#loaded) return;
    // The names and values come from layers of the right type; the setters know only one property at a time.
    const paint = map.setPaintProperty.bind(map) as Setter;
    const layout = map.setLayoutProperty.bind(map) as Setter;
    const next = mapLayers(this.#look());
    next.forEach((layer, i) => {
      const was = this.#applied[i];
      if (!was || was.id !== layer.id) return; // the list is the same for every look of one map
      const change = (
        before: Readonly<Record<string, unknown>>,
        after: Readonly<Record<string, unknown>>,
        set: (name: string, value: unknown) => void,
      ) => {
        for (const [name, value] of Object.entries(after)) {
          if (JSON.stringify(before[name]) !== JSON.stringify(value)) set(name, value);
        }
      };
      change(was.paint ?? {}, layer.paint ?? {}, (name, value) => paint(layer.id, name, value));
      change(("layout" in was && was.layout) || {}, ("layout" in layer && layer.layout) || {}, (name, value) =>
        layout(layer.id, name, value),
      );
    });
    this.#applied = next;
    this.#groundStale = true;
    if (!images) return;
    for (const id of map.listImages()) {
      if (!id.includes("|")) continue;
      map.removeImage(id);
      this.#addImage(id);
    }
  }

  #addImage(id: string): void {
    const maker: ImageMaker = { preset: this.#preset, palette: this.#palette, theme: this.#theme, scale: this.#scale };
    const picture = drawImage(id, maker);
    if (picture && !this.#map.hasImage(id)) this.#map.addImage(id, picture.data, { pixelRatio: picture.pixelRatio });
  }

  async #loadFonts(): Promise<void> {
    this.#faces = await loadFonts(this.#language);
    if (this.#loaded) this.#setFaces();
  }

  /** Rings of clusters come in many patterns: those that nobody shows any more must not pile up in a month. */
  #forgetImages(): void {
    const rings = this.#map.listImages().filter((id) => id.startsWith("donut|"));
    if (rings.length <= ringsMost) return;
    const used = new Set(this.#clusters.map((cluster) => cluster.icon));
    for (const id of rings) if (!used.has(id)) this.#map.removeImage(id);
  }

  #setFaces(): void {
    if (this.#faces === baseFaces) return;
    this.#map.setFontFaces(this.#faces as Parameters<MapLibre["setFontFaces"]>[0]);
  }

  #isBare(): boolean {
    const map = this.#map;
    const there = (id: string) => !map.getSource(id) || map.isSourceLoaded(id);
    if (this.#bare && this.#loaded && there(source.basemap) && there(source.mask)) this.#bare = false;
    return this.#bare;
  }

  /** Asks again for what did not come: the server was away just then, and nobody moves this map. */
  #mendGround(): void {
    const map = this.#map;
    const { basemap, mask } = this.#options;
    if (!this.#loaded || !(performance.now() - this.#groundFailed > groundAgainMs)) return;
    this.#groundFailed = NaN;
    this.#groundStale = true;
    const ground = map.getSource<VectorTileSource>(source.basemap);
    if (ground?.loaded()) {
      if (this.#tilesFailed.size > 0) map.refreshTiles(source.basemap, [...this.#tilesFailed.values()]);
    } else if (ground && basemap) ground.setUrl(`pmtiles://${new URL(basemap, location.href).href}`);
    this.#tilesFailed.clear();
    if (mask && this.#maskFailed) map.getSource<GeoJSONSource>(source.mask)?.setData(new URL(mask, location.href).href);
    this.#maskFailed = false;
  }

  /** What follows moving units is never at rest, and does not count. */
  #idle(): boolean {
    const map = this.#map;
    if (!this.#loaded || !this.#laidOut || map.isMoving()) return false;
    const still: string[] = [source.basemap, source.mask, source.incidents, source.hazards, source.shelters, source.sites, source.routes];
    if (this.#coverage) still.push(coverageLayer);
    return still.every((id) => !this.#dirty.has(id) && (!map.getSource(id) || map.isSourceLoaded(id)));
  }

  // ---- The world ----

  #watch(): void {
    const on = (kind: Kind, ...sources: string[]) =>
      this.#stops.push(this.#world.onFeatures(kind, () => this.#mark(...sources)));
    on("incident", source.incidents, source.fresh, source.selection);
    on("hazard", source.hazards, source.hazardLabels);
    on("shelter", source.shelters);
    on("site", source.sites);
    this.#stops.push(
      this.#world.onFeatures("incident", () => {
        if (this.#loaded) this.#fold();
        this.#camera.incidentsAre(this.#openIncidents().map((f) => f.key));
        this.#assign();
      }),
      this.#world.onFeatures("unit", () => {
        if (!this.#laidOut) this.#layOut();
      }),
      this.#world.onFrame((change) => {
        // An incident may move too. It is rare, so all are made anew.
        const { rows } = this.#world;
        for (let i = 0; i < change.movedCount; i++) {
          const f = this.#world.byId(rows.id[change.moved[i]!]!);
          if (!f || f.kind === "unit") continue;
          this.#mark(...slowSources(f.kind));
          if (f.kind === "incident") this.#assign();
        }
        if (change.keyframe) this.#layOut();
      }),
    );
    this.#camera.incidentsAre(this.#openIncidents().map((f) => f.key));
    this.#assign();
  }

  #assign(): void {
    const shown = this.#layers.units && this.#layers.incidents && this.#layers.assignments !== false;
    this.#assignments.setLines(shown ? operations.assignments(this.#slow(), this.#preview) : []);
  }

  #slow(): operations.Slow {
    return {
      world: this.#world,
      preset: this.#preset,
      language: this.#language,
      selected: this.#selected,
      sensitive: this.#sensitive,
      folded: this.#folded,
    };
  }

  #openIncidents(): readonly Feature[] {
    return operations.openIncidents(this.#slow());
  }

  #incidentPlaces(): readonly LngLat[] {
    return this.#openIncidents().flatMap((f) => {
      const at = this.#world.fix(f)?.at;
      return at ? [at] : [];
    });
  }

  #mark(...sources: string[]): void {
    for (const id of sources) this.#dirty.add(id);
    if (!this.#loaded || this.#slowTimer !== undefined || this.#dirty.size === 0) return;
    const wait = Math.max(0, this.#slowAt + slowMs - performance.now());
    this.#slowTimer = setTimeout(() => {
      this.#slowTimer = undefined;
      this.#slowAt = performance.now();
      this.#renew();
    }, wait);
  }

  #renew(): void {
    const slow = this.#slow();
    const place = (unit: Feature) => this.#placeOf(unit);
    for (const id of this.#dirty) {
      const target = this.#map.getSource<GeoJSONSource>(id);
      if (!target || id === source.mask || id === source.basemap) continue;
      switch (id) {
        case source.incidents:
          target.setData(operations.incidents(slow));
          break;
        case source.fresh:
          target.setData(operations.fresh(slow, this.#fresh));
          break;
        case source.hazards:
          target.setData(operations.hazards(slow));
          break;
        case source.hazardLabels:
          target.setData(operations.hazardLabels(slow));
          break;
        case source.routes:
          target.setData(operations.routes(this.#routes));
          break;
        case source.draft:
          target.setData(operations.draft(this.#draft));
          break;
        case source.shelters:
          target.setData(operations.shelters(slow));
          break;
        case source.sites:
          target.setData(operations.sites(slow));
          break;
        case source.selection:
          target.setData(operations.selection(slow, place));
          break;
        case source.clusters:
          target.setData(this.#clusterData());
          this.#forgetImages();
          break;
        case source.callsigns:
          target.setData(this.#callsignData());
          break;
      }
    }
    this.#dirty.clear();
  }

  /** Where a unit is shown now, degrees. */
  #placeOf(unit: Feature): LngLat | null {
    this.#units.settle();
    const i = this.#units.indexOf(unit.id);
    if (i < 0) return null;
    const [x, y] = this.#units.shown(i);
    return degreesOf({ x, y });
  }

  // ---- Units ----

  #beat(): void {
    if (document.hidden) return;
    this.#units.age();
    if (!this.#map.isMoving()) this.#layOut();
    this.#breathe();
    this.#mendGround();
    if (this.#ground && this.#groundStale && this.#idle()) {
      this.#groundStale = false;
      this.#ground.copy();
    }
  }

  /** One step a second: enough to be seen, and two pictures instead of a hundred. */
  #breathe(): void {
    if (!this.#loaded || this.#fresh.size === 0 || !this.#units.motion) return;
    this.#breath = !this.#breath;
    this.#map.setPaintProperty("fresh", "circle-stroke-opacity", this.#breath ? 0.25 : 1);
  }

  #follow(): void {
    if (document.hidden || !this.#loaded) return;
    if (this.#showsCallsigns() || this.#selected) this.#mark(source.callsigns);
    if (this.#selected) this.#mark(source.selection);
  }

  #layOut(): void {
    if (!this.#loaded) return;
    const { west, east, north, south } = edges(this.#map);
    this.#fold();
    this.#clusters = layOutCrowd(this.#units, {
      view: { west, east, north, south },
      pixelsPerUnit: 512 * 2 ** this.#map.getZoom(),
      scale: this.#scale,
      separateMax: this.#options.separateMax ?? 300,
      language: this.#language,
      selected: this.#world.get(this.#selected)?.id ?? 0,
      incidents: this.#layers.incidents ? this.#incidentSymbols() : [],
    });
    this.#laidOut = true;
    this.#mark(source.clusters, source.callsigns);
  }

  /** Decides which incidents stand for others at this zoom. */
  #fold(): void {
    const before = this.#folded;
    const signs = this.#incidentSymbols(true);
    const next = foldSigns(signs, 512 * 2 ** this.#map.getZoom(), this.#scale);
    if (before && before.size === next.size && [...next].every(([id, more]) => before.get(id) === more)) return;
    this.#folded = next;
    this.#mark(source.incidents);
  }

  #incidentSymbols(all = false) {
    return this.#openIncidents().flatMap((f) => {
      const at = this.#world.fix(f)?.at;
      if (!at || (!all && this.#folded && !this.#folded.has(f.id))) return [];
      const priority = text(f, "priority");
      const size = incidentSize(this.#preset, priority);
      const rank = scaleValue(this.#preset, "priority", priority)?.rank ?? 0;
      const keep = f.key === this.#selected || this.#fresh.has(f.key);
      return [{ id: f.id, x: mercatorX(at[0] * 1e7), y: mercatorY(at[1] * 1e7), size, rank, keep }];
    });
  }

  #clusterData(): GeoJSON.FeatureCollection {
    return {
      type: "FeatureCollection",
      features: this.#clusters.map(({ x, y, icon, text: number, quiet }) => ({
        type: "Feature",
        geometry: { type: "Point", coordinates: [...degreesOf({ x, y })] },
        properties: { icon, text: number, quiet },
      })),
    };
  }

  #showsCallsigns(): boolean {
    return this.#map.getZoom() >= callsignsZoom;
  }

  /** Names of the units that matter, where there is room: the selected one, those in distress, those that work. */
  #callsignData(): GeoJSON.FeatureCollection {
    const units = this.#units;
    units.settle();
    const { west, east, north, south } = edges(this.#map);
    const selected = this.#world.get(this.#selected)?.id ?? 0;
    const near = this.#showsCallsigns();
    const features: GeoJSON.Feature[] = [];
    const now = performance.now();
    for (let i = units.count - 1; i >= 0 && features.length < callsignsMost; i--) {
      const id = units.ids[i]!;
      const t = units.tier[i]!;
      const matters = t === tier.distress || (near && t >= tier.busy);
      // Where units are laid out side by side there is no room for names between them.
      const crowded = units.offsets[i * 2] !== 0 || units.offsets[i * 2 + 1] !== 0;
      if (id !== selected && (units.hidden[i] || !matters || crowded)) continue;
      const [x, y] = units.shown(i, now);
      if (x < west || x > east || y < north || y > south) continue;
      const feature = this.#world.byId(id);
      if (!feature) continue;
      const big = id === selected || t === tier.distress;
      const em = 12;
      const aside = this.#scale / (512 * 2 ** this.#map.getZoom());
      const at: [number, number] = [x + units.offsets[i * 2]! * aside, y + units.offsets[i * 2 + 1]! * aside];
      features.push({
        type: "Feature",
        id,
        geometry: { type: "Point", coordinates: [...degreesOf({ x: at[0], y: at[1] })] },
        properties: {
          text: text(feature, "name") || feature.key,
          order: id === selected ? 0 : 4 - t,
          offset: (big ? 17 : 8) / em,
        },
      });
    }
    return { type: "FeatureCollection", features };
  }

  #select(key: string): void {
    this.#selected = key;
    const feature = this.#world.get(key);
    this.#units.select(feature?.kind === "unit" ? feature.id : 0);
    this.#mark(source.selection, source.callsigns, source.hazards);
    this.#layOut();
  }

  #view(): CameraPlace {
    const { lng, lat } = this.#map.getCenter();
    return { center: [lng, lat], zoom: this.#map.getZoom(), bearing: this.#map.getBearing() };
  }

  #fly(to: string | LngLat, zoom?: number): void {
    if (typeof to !== "string") {
      this.#camera.fly(to, zoom);
      return;
    }
    const feature = this.#world.get(to);
    const at = feature && this.#world.fix(feature)?.at;
    if (at) this.#camera.fly(at, zoom);
  }

  // ---- The pointer ----

  /** What lies under a point of the map, the one that is meant first. */
  #under(x: number, y: number, radius: number): Feature[] {
    if (!this.#loaded) return [];
    const found = new Map<Feature, number>();
    const offer = (feature: Feature | undefined, distance: number) => {
      if (feature && distance < (found.get(feature) ?? Infinity)) found.set(feature, distance);
    };
    for (const { id, distance } of this.#units.pick(x, y, radius)) offer(this.#world.byId(id), distance);
    const layers = ["incidents", "shelters", "sites", "hazard-label", "hazard-line", "closure-casing"].filter((id) => this.#map.getLayer(id));
    const box: [[number, number], [number, number]] = [
      [x - radius, y - radius],
      [x + radius, y + radius],
    ];
    for (const hit of this.#map.queryRenderedFeatures(box, { layers })) {
      const feature = this.#world.byId(Number(hit.id));
      const at = feature && this.#world.fix(feature)?.at;
      if (!at) continue;
      const point = this.#map.project([at[0], at[1]]);
      const size = feature.kind === "incident" ? incidentSize(this.#preset, text(feature, "priority")) : 18;
      // A large symbol is hit anywhere on it, but what lies right under the pointer is meant before it.
      offer(feature, Math.max(4, Math.hypot(point.x - x, point.y - y) - (size * this.#scale) / 2 + 4));
    }
    if (found.size === 0) {
      for (const hit of this.#map.queryRenderedFeatures([x, y], { layers: ["hazard-fill"] })) {
        offer(this.#world.byId(Number(hit.id)), radius);
      }
    }
    return [...found].sort((a, b) => a[1] - b[1] || a[0].id - b[0].id).map(([feature]) => feature);
  }

  #click(event: maplibregl.MapMouseEvent, button: "primary" | "secondary"): void {
    const { x, y } = event.point;
    const touch = "pointerType" in event.originalEvent && event.originalEvent.pointerType === "touch";
    if (button === "primary" && !this.#drawing()) {
      const hits = this.#under(x, y, (touch ? pickRadiusTouch : pickRadius) * this.#scale);
      const first = hits[0];
      if (!first && this.#zoomToCluster(x, y)) return;
      const pick = first
        ? { kind: first.kind, key: first.key, at: this.#world.fix(first)!.at, others: hits.slice(1).map((f) => f.key) }
        : null;
      for (const listener of this.#pickListeners) listener(pick);
    }
    const at: LngLat = [event.lngLat.lng, event.lngLat.lat];
    for (const listener of this.#pointListeners) listener({ at, x, y, button });
  }

  #drawing(): boolean {
    return this.#draft !== null && !this.#draft.ghost;
  }

  #zoomToCluster(x: number, y: number): boolean {
    if (!this.#loaded) return false;
    const hit = this.#map.queryRenderedFeatures([x, y], { layers: ["clusters"] })[0];
    if (!hit || hit.geometry.type !== "Point") return false;
    const [lng = 0, lat = 0] = hit.geometry.coordinates;
    this.#camera.fly([lng, lat], this.#map.getZoom() + 1.6);
    return true;
  }

  #hover(): void {
    let last = 0;
    this.#map.on("mouseout", () => this.#hoverListeners.forEach((listener) => listener(null)));
    this.#map.on("mousemove", ({ point, lngLat }) => {
      for (const listener of this.#hoverListeners) listener([lngLat.lng, lngLat.lat]);
      if (this.#drawing()) return;
      if (performance.now() - last < 80 || this.#map.isMoving()) return;
      last = performance.now();
      this.#map.getCanvas().style.cursor = this.#under(point.x, point.y, pickRadius * this.#scale).length ? "pointer" : "";
    });
  }

  /** A click on the map leaves the focus where somebody types. */
  #keepFocus(): void {
    const keep = (event: Event) => {
      const active = document.activeElement;
      if (active instanceof HTMLElement && active.matches("input, textarea, select, [contenteditable]")) event.preventDefault();
    };
    this.#container.addEventListener("mousedown", keep, true);
    this.#stops.push(() => this.#container.removeEventListener("mousedown", keep, true));
  }
}

/** How often the workers of all maps are asked whether they live, and how long they may take to say so. */
const workersEveryMs = 5000;
const workersAnswerMs = 8000;
let maps = 0;
/** Counts the watches: only the newest goes on. */
let watches = 0;

/**
 * A browser that is short of memory ends workers and tells nobody: without them a map keeps what it has, and shows nothing new.
 * They are begun again while any map of the page lives. Returns its own undo.
 */
function keepWorkers(): () => void {
  const look = async (watch: number) => {
    if (maps === 0 || watch !== watches) return;
    const workers = maplibregl.getGlobalDispatcher();
    if (!document.hidden && !(await workers.ping(workersAnswerMs))) await workers.ensureWorkers();
    setTimeout(() => void look(watch), workersEveryMs);
  };
  if (++maps === 1) setTimeout(() => void look(++watches), workersEveryMs);
  return () => void maps--;
}

type Setter = (layer: string, name: string, value: unknown) => void;

function slowSources(kind: Kind): string[] {
  switch (kind) {
    case "incident":
      return [source.incidents, source.fresh, source.selection];
    case "hazard":
      return [source.hazards, source.hazardLabels];
    case "shelter":
      return [source.shelters];
    case "site":
      return [source.sites];
    default:
      return [];
  }
}

function edges(map: MapLibre): { west: number; east: number; north: number; south: number } {
  const bounds = map.getBounds();
  return {
    west: mercatorX(bounds.getWest() * 1e7),
    east: mercatorX(bounds.getEast() * 1e7),
    north: mercatorY(bounds.getNorth() * 1e7),
    south: mercatorY(bounds.getSouth() * 1e7),
  };
}

function add<L>(set: Set<L>, listener: L): () => void {
  set.add(listener);
  return () => set.delete(listener);
}
