import { byCode, type Language, type Preset, type Theme } from "../preset";
import { shapePath } from "../shapes";
import { flag, geometry, text, type LngLat } from "../world/feature";
import type { World } from "../world/world";
import { drawImage, incidentSize, type ImageMaker } from "./images";
import { incidents } from "./operations";
import type { Palette } from "./palette";
import { mercatorX, mercatorY } from "./units";

/** Where a map looks: the middle in mercator units of 0..1, and how many pixels of the page one such unit is. */
export type Place = Readonly<{ x: number; y: number; pixelsPerUnit: number }>;

/** The ground without operations as it was drawn at a place. Streets do not change: it may be as old as the view. */
export type Ground = Readonly<{ picture: OffscreenCanvas; place: Place }>;

/** What a stand-in draws now. */
export type StandInLook = Readonly<{
  world: World;
  preset: Preset;
  palette: Palette;
  theme: Theme;
  language: Language;
  scale: number;
  sensitive: "shown" | "dimmed" | "hidden";
  /** False: the ground is grey. */
  live: boolean;
  units: boolean;
  incidents: boolean;
  hazards: boolean;
}>;

const drawEveryMs = 500;

/**
 * Draws the operations of now over the last ground, without the GPU: what a wall shows while the context of its map is lost,
 * or when the browser gives it none any more. It knows symbols and places only; names, clusters and motion are the map's.
 */
export class StandIn {
  readonly #canvas: HTMLCanvasElement;
  readonly #look: () => StandInLook;
  readonly #pictures = new Map<string, OffscreenCanvas>();
  #ground: Ground | null = null;
  #place: Place;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Draws into `canvas`, which covers the map; `place` is where it looks until a ground is kept. */
  constructor(canvas: HTMLCanvasElement, place: Place, look: () => StandInLook) {
    this.#canvas = canvas;
    this.#place = place;
    this.#look = look;
    canvas.hidden = true;
  }

  /** Keeps the ground, so that it can be shown when the map cannot. */
  keep(ground: Ground): void {
    this.#ground = ground;
    this.#place = ground.place;
  }

  get shown(): boolean {
    return this.#timer !== undefined;
  }

  /** Covers the map, and follows the world until `hide`. */
  show(): void {
    if (this.shown) return;
    this.#draw();
    this.#canvas.hidden = false;
    this.#timer = setInterval(() => this.#draw(), drawEveryMs);
  }

  hide(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#canvas.hidden = true;
    this.#canvas.width = this.#canvas.height = 0; // a 4K picture is 33 MB
    this.#pictures.clear();
  }

  #draw(): void {
    const look = this.#look();
    const { world, preset, palette, scale } = look;
    const ratio = Math.min(2, devicePixelRatio);
    const width = this.#canvas.parentElement?.clientWidth ?? 0;
    const height = this.#canvas.parentElement?.clientHeight ?? 0;
    if (width === 0 || height === 0) return;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    // Drawn by the processor: whatever took the context of the map would take this one too.
    const ctx = this.#canvas.getContext("2d", { willReadFrequently: true })!;
    ctx.scale(ratio, ratio);
    ctx.lineJoin = "round";
    ctx.fillStyle = palette.color("map-ground");
    ctx.fillRect(0, 0, width, height);
    const { x, y, pixelsPerUnit } = this.#place;
    if (this.#ground) {
      ctx.filter = look.live ? "none" : "grayscale(1)";
      ctx.drawImage(this.#ground.picture, 0, 0, width, height);
      ctx.filter = "none";
    }
    const screen = ([lng, lat]: LngLat): readonly [number, number] => [
      width / 2 + (mercatorX(lng * 1e7) - x) * pixelsPerUnit,
      height / 2 + (mercatorY(lat * 1e7) - y) * pixelsPerUnit,
    ];
    if (look.hazards) this.#hazards(ctx, look, screen);
    if (look.units) {
      for (const unit of world.features("unit")) {
        const at = world.fix(unit)?.at;
        if (!at) continue;
        const status = byCode(preset.statuses, text(unit, "status"));
        const mark = flag(unit, "distress") ? (byCode(preset.flags, "distress") ?? status) : status;
        const size = (flag(unit, "distress") ? 15 : status?.busy ? 13 : 9) * scale;
        const [px, py] = screen(at);
        if (px < -size || py < -size || px > width + size || py > height + size) continue;
        ctx.save();
        ctx.translate(px - size / 2, py - size / 2);
        ctx.scale(size / 24, size / 24);
        const path = new Path2D(shapePath(mark?.shape ?? "circle"));
        ctx.lineWidth = 6;
        ctx.strokeStyle = palette.color("symbol-casing");
        ctx.stroke(path);
        ctx.fillStyle = palette.color(mark?.token ?? "status-unknown");
        ctx.fill(path, "evenodd");
        ctx.restore();
      }
    }
    if (look.incidents) this.#incidents(ctx, look, screen);
  }

  #hazards(ctx: CanvasRenderingContext2D, { world, palette, scale }: StandInLook, screen: (at: LngLat) => readonly [number, number]): void {
    ctx.strokeStyle = palette.color("hazard");
    ctx.lineWidth = 2 * scale;
    const line = (points: readonly (readonly number[])[]) => {
      points.forEach(([lng = 0, lat = 0], i) => ctx[i === 0 ? "moveTo" : "lineTo"](...screen([lng, lat])));
    };
    for (const hazard of world.features("hazard")) {
      const shape = hazard.props["active"] === false ? null : geometry(hazard);
      if (!shape) continue;
      ctx.beginPath();
      if (shape.type === "Polygon") shape.coordinates.forEach(line);
      else if (shape.type === "MultiPolygon") shape.coordinates.forEach((part) => part.forEach(line));
      else if (shape.type === "LineString") line(shape.coordinates);
      ctx.stroke();
    }
  }

  #incidents(ctx: CanvasRenderingContext2D, look: StandInLook, screen: (at: LngLat) => readonly [number, number]): void {
    const maker: ImageMaker = look;
    for (const { geometry: shape, properties } of incidents({ ...look, selected: "" }).features.sort((a, b) => a.properties!["rank"] - b.properties!["rank"])) {
      if (shape.type !== "Point") continue;
      const [lng = 0, lat = 0] = shape.coordinates;
      const icon = String(properties?.["icon"]);
      let picture = this.#pictures.get(icon);
      if (!picture) {
        const drawn = drawImage(icon, maker);
        if (!drawn) continue;
        picture = new OffscreenCanvas(drawn.data.width, drawn.data.height);
        picture.getContext("2d", { willReadFrequently: true })!.putImageData(drawn.data, 0, 0);
        this.#pictures.set(icon, picture);
      }
      const size = (incidentSize(look.preset, icon.split("|")[2] ?? "") + 8) * look.scale;
      const [px, py] = screen([lng, lat]);
      ctx.drawImage(picture, px - size / 2, py - size / 2, size, size);
    }
  }
}
