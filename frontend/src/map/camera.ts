import type { LngLatBoundsLike, Map as MapLibre, PaddingOptions } from "maplibre-gl";
import type { LngLat } from "../world/feature";

/** West, south, east, north in degrees. */
export type Bounds = readonly [west: number, south: number, east: number, north: number];

/** Whether the view looks after itself. */
export type CameraState = Readonly<{ following: boolean; /** A person moved it by hand just now. */ gesture: boolean }>;

/** One incident alone is shown with the part of the city that its units come from. */
const incidentZoomMost = 13;
const fitMs = 900;
/** Several incidents at once are one movement. */
const settleMs = 300;

/** How much of the map panels cover, in pixels of the page. */
export type Padding = Readonly<{ top: number; right: number; bottom: number; left: number }>;

/**
 * Moves the view. It fits the incidents when their set changes, and at no other time; a gesture of a person locks it,
 * because nothing must jump while someone points at it; one control resumes.
 */
export class Camera {
  readonly #map: MapLibre;
  readonly #incidents: () => readonly LngLat[];
  readonly #home: Bounds | null;
  #following: boolean;
  #set = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #padding: Padding = { top: 0, right: 0, bottom: 0, left: 0 };
  readonly #listeners = new Set<(state: CameraState) => void>();

  constructor(map: MapLibre, home: Bounds | null, following: boolean, incidents: () => readonly LngLat[]) {
    this.#map = map;
    this.#home = home;
    this.#following = following;
    this.#incidents = incidents;
    // A panel that came or went leaves another map to fit into.
    map.on("resize", () => {
      if (this.#following) this.#fitIncidents(0);
    });
    for (const gesture of ["dragstart", "zoomstart", "rotatestart", "pitchstart"] as const) {
      map.on(gesture, (event) => {
        if (!("originalEvent" in event) || !event.originalEvent) return;
        this.follow(false);
        this.#tell(true);
      });
    }
  }

  get following(): boolean {
    return this.#following;
  }

  onChange(listener: (state: CameraState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resumes (and fits at once) or locks. */
  follow(on: boolean): void {
    if (on) this.#fitIncidents(fitMs);
    if (on === this.#following) return;
    this.#following = on;
    clearTimeout(this.#timer);
    this.#tell(false);
  }

  #tell(gesture: boolean): void {
    for (const listener of this.#listeners) listener({ following: this.#following, gesture });
  }

  /** Says which incidents there are. The same set moves nothing, however it was changed inside. */
  incidentsAre(keys: readonly string[]): void {
    const set = [...keys].sort().join("\n");
    if (set === this.#set) return;
    this.#set = set;
    if (!this.#following) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#following) this.#fitIncidents(fitMs);
    }, settleMs);
  }

  setPadding(padding: Padding): void {
    this.#padding = padding;
    if (this.#following) this.#fitIncidents(0);
  }

  /** The city, or nothing when it has no bounds. */
  fitHome(ms = fitMs): void {
    if (this.#home) this.fit(this.#home, ms, 20, 0);
  }

  fitIncidents(): void {
    this.#fitIncidents(fitMs);
  }

  /** Fits an area; symbols and names of what lies at its edge have `marginMost` pixels, or less on a small map. */
  fit([west, south, east, north]: Bounds, ms = fitMs, zoomMost = incidentZoomMost, marginMost = 80): void {
    const bounds: LngLatBoundsLike = [west, south, east, north];
    const canvas = this.#map.getCanvas();
    const margin = Math.min(marginMost, 0.08 * Math.min(canvas.clientWidth, canvas.clientHeight));
    const p = this.#padding;
    // Panels that cover nearly everything would leave nothing to fit into.
    const across = Math.min(1, (canvas.clientWidth * 0.7) / Math.max(1, p.left + p.right + 2 * margin));
    const down = Math.min(1, (canvas.clientHeight * 0.7) / Math.max(1, p.top + p.bottom + 2 * margin));
    const padding: PaddingOptions = {
      left: (p.left + margin) * across,
      right: (p.right + margin) * across,
      top: (p.top + margin) * down,
      bottom: (p.bottom + margin) * down,
    };
    this.#map.fitBounds(bounds, { padding, maxZoom: zoomMost, duration: ms, linear: true });
  }

  /** Shows an area as it was taken from a map: all of it, and no more than the shape of this map makes necessary. */
  show([west, south, east, north]: Bounds, ms = fitMs): void {
    this.#map.fitBounds([west, south, east, north], { padding: 0, duration: ms, linear: true });
  }

  /** Moves to a place; from afar also nearer. Locks, because a person asked for it. */
  fly(at: LngLat, zoom?: number): void {
    this.follow(false);
    const p = this.#padding;
    this.#map.easeTo({
      center: [at[0], at[1]],
      zoom: zoom ?? Math.max(this.#map.getZoom(), 14),
      offset: [(p.left - p.right) / 2, (p.top - p.bottom) / 2],
      duration: fitMs,
    });
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  #fitIncidents(ms: number): void {
    const places = this.#incidents();
    if (places.length === 0) {
      this.fitHome(ms);
      return;
    }
    const lngs = places.map(([lng]) => lng);
    const lats = places.map(([, lat]) => lat);
    this.fit([Math.min(...lngs), Math.min(...lats), Math.max(...lngs), Math.max(...lats)], ms);
  }
}
