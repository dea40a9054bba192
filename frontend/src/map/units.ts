import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from "maplibre-gl";
import { headingUnknown, speedUnknown } from "../stream/wire";
import { flag, text, type Feature, type FeatureId } from "../world/feature";
import type { Change, World } from "../world/world";
import { byCode, type Preset } from "../preset";
import { blendOver, link, relativeTo, uniforms } from "./gl";
import type { Palette } from "./palette";
import { drawAtlas, shapeIndex } from "./sdf";
import { fragmentShader, paletteSize, vertexShader } from "./shader";

/** Mercator units of 0..1 around the globe, from degrees in 1e-7. */
export const mercatorX = (lngE7: number): number => lngE7 / 3.6e9 + 0.5;
export const mercatorY = (latE7: number): number => {
  const lat = Math.max(-85.051129, Math.min(85.051129, latE7 / 1e7));
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / (2 * Math.PI);
};

/** Degrees of a mercator place. */
export const degreesOf = ({ x, y }: Readonly<{ x: number; y: number }>): readonly [lng: number, lat: number] => [
  (x - 0.5) * 360,
  (2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2) * (180 / Math.PI),
];

/** How far from its middle a series of `mercatorNear` is good, degrees in 1e-7. */
const nearE7 = 2_500_000;

/**
 * `mercatorY` for a city around a latitude, by the first terms of its series: off by less than a millimetre, and without the
 * logarithm and the tangent that cost more than everything else about a move. Farther away it is `mercatorY` itself.
 */
export function mercatorNear(middleE7: number): (latE7: number) => number {
  const radians = Math.PI / 1.8e9;
  const [sec, tan] = [1 / Math.cos(middleE7 * radians), Math.tan(middleE7 * radians)];
  const y = mercatorY(middleE7);
  const turn = -1 / (2 * Math.PI);
  const a = turn * radians * sec;
  const b = (turn * radians ** 2 * sec * tan) / 2;
  const c = (turn * radians ** 3 * sec * (1 + 2 * tan * tan)) / 6;
  const d = (turn * radians ** 4 * sec * tan * (5 + 6 * tan * tan)) / 24;
  return (latE7) => {
    const x = latE7 - middleE7;
    return x > -nearE7 && x < nearE7 ? y + x * (a + x * (b + x * (c + x * d))) : mercatorY(latE7);
  };
}

/** In which order units are drawn, the last on top. */
export const tier = { quiet: 0, available: 1, busy: 2, distress: 3 } as const;
const tiers = 4;

/** Bits of the marks of a unit, as the shader knows them. */
const bitDistress = 1;
const bitSelected = 2;
const bitStale = 4;
const bitQuiet = 8;
/** From this zoom on it matters which way a unit that waits is turned. */
const headingsZoom = 13.5;

/** Sizes in pixels at scale 1. */
const sizes = { quiet: 8.5, available: 9.5, busy: 13, distress: 15, selected: 18 } as const;
/** Available units are many: they are small and dim. */
const opacities = [150, 180, 255, 255] as const;
const staleOpacity = 140;
/** A fix that is older than this many times its limit has nearly faded: the last known place, and no more. */
const lostAfter = 5;
const lostOpacity = 90;

/** Motion between two fixes lasts as long as the fixes lie apart, within these bounds: a unit must not lag far behind. */
const motionMinS = 0.1;
const motionMaxS = 2;
/** Nothing on wheels goes this far in a moment, about 1,500 m in mercator units: such a unit is set there, not moved. */
const jump = 1500 / 30_000_000;

/** What a unit looks like, from its properties: everything that does not change when it moves. */
type Look = { shape: number; color: number; tier: number; staleMs: number };

/** A unit near a point of the screen. */
export type Near = Readonly<{ id: FeatureId; distance: number }>;

/**
 * Draws all units in one instanced call, and answers where they are on the screen. Positions go from the columns of
 * the world into the buffer of the GPU, through no object.
 */
export class UnitLayer implements CustomLayerInterface {
  readonly id = "units";
  readonly type = "custom";
  readonly renderingMode = "2d";

  /** Units in the order in which they are drawn. */
  count = 0;
  ids = new Uint32Array(0);
  tier = new Uint8Array(0);
  /** Hidden units are drawn by somebody else: a cluster. */
  hidden = new Uint8Array(0);
  /** Offsets in pixels at scale 1: units of one spot are laid out around it. */
  offsets = new Float32Array(0);
  readonly #index = new Map<number, number>();
  /** The place in the order by the row of the world; -1 for what is no unit. */
  #indexOfRow = new Int32Array(0);
  #mercatorY = mercatorY;
  #places = new Float64Array(0);
  #times = new Float64Array(0);
  #fixTimes = new Float64Array(0);
  #heading = new Int16Array(0);
  #speed = new Float32Array(0);
  #shape = new Uint8Array(0);
  #color = new Uint8Array(0);
  #staleMs = new Float32Array(0);
  #stale = new Uint8Array(0);

  readonly #world: World;
  #preset: Preset;
  #palette: Palette;
  readonly #now: () => number;
  #pixelScale = 1;
  #visible = true;
  #selected = 0;
  #tokens: string[] = [];
  readonly #looks = new WeakMap<Feature, Look>();

  #map: MapLibre | null = null;
  #gl: WebGL2RenderingContext | null = null;
  #program: WebGLProgram | null = null;
  #vao: WebGLVertexArrayObject | null = null;
  #buffers: { instances: WebGLBuffer; marks: WebGLBuffer; quad: WebGLBuffer } | null = null;
  #texture: WebGLTexture | null = null;
  #uniforms: Record<string, WebGLUniformLocation | null> = {};
  #instances = new Float32Array(0);
  #marks = new Uint8Array(0);
  #capacity = 0;
  #stalePlaces = true;
  #rebuild = true;
  /** Mercator origin of the buffer: float32 is exact to millimetres near it only. */
  #origin: readonly [number, number] = [0.5, 0.5];
  /** Moment that the times of the buffer are relative to, ms of performance.now. */
  #epoch = 0;
  #movingUntil = 0;
  /** Fastest unit of these two seconds and of those before, mercator units a second: no motion lasts longer. */
  #fastest = 0;
  #fastestBefore = 0;
  #fastestSince = 0;
  #matrix: Float64Array = new Float64Array(16);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #renderAsked = 0;
  #latency = 16;
  /** When the last picture was made, ms of performance.now. */
  #drawnAt = 0;
  #stop: (() => void) | undefined;
  /** Whether units move between fixes; without it they are set where the fix is. */
  motion = true;
  /** Milliseconds of this thread spent for the last frame of the stream, and for the last picture. */
  readonly cost = { update: 0, render: 0 };

  constructor(world: World, preset: Preset, palette: Palette, now: () => number) {
    this.#world = world;
    this.#preset = preset;
    this.#palette = palette;
    this.#now = now;
    this.#stop = world.onFrame((change) => this.#onFrame(change));
  }

  // ---- What the map tells ----

  setPalette(palette: Palette, preset: Preset): void {
    this.#palette = palette;
    this.#preset = preset;
    this.#repaint();
  }

  setScale(scale: number): void {
    this.#pixelScale = scale;
    this.#repaint();
  }

  setVisible(visible: boolean): void {
    this.#visible = visible;
    this.#repaint();
  }

  /** The unit that is drawn larger, on top and ringed; 0 none. */
  select(id: number): void {
    this.#selected = id;
    this.#rebuild = true;
    this.#repaint();
  }

  /** Says that `hidden` or `offsets` were written. */
  layoutChanged(): void {
    this.#stalePlaces = true;
    this.#repaint();
  }

  /** Draws fixes by their age now. Call about once a second. */
  age(): void {
    const now = this.#now();
    if (Number.isNaN(now)) return;
    let changed = false;
    for (let i = 0; i < this.count; i++) {
      const stale = staleness(now - this.#fixTimes[i]!, this.#staleMs[i]!);
      if (stale !== this.#stale[i]) {
        this.#stale[i] = stale;
        changed = true;
      }
    }
    if (changed) this.layoutChanged();
  }

  /** Makes everything that is waiting, so that `ids`, `tier` and positions are those of the world. */
  settle(): void {
    if (this.#rebuild) this.#build();
  }

  // ---- Where units are ----

  /** Mercator place that is shown now. */
  shown(i: number, at = performance.now()): readonly [number, number] {
    const t = this.#share(i, at);
    const places = this.#places;
    const p = i * 4;
    const x = places[p]!;
    const y = places[p + 1]!;
    return [x + (places[p + 2]! - x) * t, y + (places[p + 3]! - y) * t];
  }

  /** Mercator place of the last fix. */
  fixed(i: number): readonly [number, number] {
    return [this.#places[i * 4 + 2]!, this.#places[i * 4 + 3]!];
  }

  /** The place in the order of drawing; -1 when the unit is not drawn. */
  indexOf(id: number): number {
    return this.#index.get(id) ?? -1;
  }

  /** Metres a second by the last fix; NaN unknown. */
  speedOf(i: number): number {
    return this.#speed[i]!;
  }

  isStale(i: number): boolean {
    return this.#stale[i] !== 0;
  }

  /** Token of the colour of the unit's status. */
  tokenOf(i: number): string {
    return this.#tokens[this.#color[i]!] ?? "status-unknown";
  }

  /** Places of the page of a mercator point, by the matrix of the last picture. Reused: copy what you keep. */
  toScreen(x: number, y: number, out: { x: number; y: number }): boolean {
    const m = this.#matrix;
    const w = m[3]! * x + m[7]! * y + m[15]!;
    if (w <= 0 || !this.#map) return false;
    const canvas = this.#map.getCanvas();
    out.x = (((m[0]! * x + m[4]! * y + m[12]!) / w) * 0.5 + 0.5) * canvas.clientWidth;
    out.y = (0.5 - ((m[1]! * x + m[5]! * y + m[13]!) / w) * 0.5) * canvas.clientHeight;
    return true;
  }

  /** Units whose symbol lies within `radius` pixels of a point of the page, nearest first. */
  pick(x: number, y: number, radius: number): Near[] {
    this.settle();
    const at = performance.now();
    const found: { id: FeatureId; distance: number }[] = [];
    const screen = { x: 0, y: 0 };
    if (!this.#visible) return found;
    for (let i = 0; i < this.count; i++) {
      if (this.hidden[i]) continue;
      const [mx, my] = this.shown(i, at);
      if (!this.toScreen(mx, my, screen)) continue;
      const dx = screen.x + this.offsets[i * 2]! * this.#pixelScale - x;
      const dy = screen.y + this.offsets[i * 2 + 1]! * this.#pixelScale - y;
      const distance = Math.hypot(dx, dy);
      if (distance <= radius) found.push({ id: this.ids[i] as FeatureId, distance });
    }
    return found.sort((a, b) => a.distance - b.distance || a.id - b.id);
  }

  // ---- The world ----

  #onFrame(change: Change): void {
    const began = performance.now();
    if (change.keyframe || change.put.some(isUnit) || change.drop.some(isUnit)) this.#rebuild = true;
    let atOnce = this.#rebuild;
    if (!this.#rebuild && change.movedCount > 0) {
      const now = this.#now();
      const { moved, movedCount } = change;
      const indexOfRow = this.#indexOfRow;
      for (let k = 0; k < movedCount; k++) {
        const row = moved[k]!;
        const i = row < indexOfRow.length ? indexOfRow[row]! : -1;
        if (i >= 0 && this.#moveTo(i, row, began, now)) atOnce = true;
      }
      this.#stalePlaces = true;
    }
    if (atOnce) this.#repaint();
    else if (change.movedCount > 0) this.#keepMoving(began);
    this.cost.update = performance.now() - began;
  }

  /**
   * Starts the motion of a unit to the place of its row. `at` is of this machine's clock, `now` of the server's. Returns
   * whether that shows at once: a motion begins where the unit stands, and can wait until it has gone half a pixel.
   */
  #moveTo(i: number, row: number, at: number, now: number): boolean {
    const { rows } = this.#world;
    const places = this.#places;
    const x = mercatorX(rows.lng[row]!);
    const y = this.#mercatorY(rows.lat[row]!);
    const p = i * 4;
    const t = this.#share(i, at);
    const fromX = places[p]! + (places[p + 2]! - places[p]!) * t;
    const fromY = places[p + 1]! + (places[p + 3]! - places[p + 1]!) * t;
    const far = Math.sqrt((x - fromX) * (x - fromX) + (y - fromY) * (y - fromY));
    const apart = (rows.time[row]! - this.#fixTimes[i]!) / 1000;
    let duration = 0;
    if (this.motion && apart > 0 && far < jump) {
      duration = apart < motionMinS ? motionMinS : apart > motionMaxS ? motionMaxS : apart;
      const until = at + duration * 1000;
      if (until > this.#movingUntil) this.#movingUntil = until;
      if (far > this.#fastest * duration) this.#fastest = far / duration;
    }
    places[p] = fromX;
    places[p + 1] = fromY;
    places[p + 2] = x;
    places[p + 3] = y;
    this.#times[i * 2] = at;
    this.#times[i * 2 + 1] = duration * 1000;
    const stale = this.#stale[i];
    this.#setFix(i, row, now);
    return (duration === 0 && far > 0) || stale !== this.#stale[i];
  }

  #setFix(i: number, row: number, now: number): void {
    const { rows } = this.#world;
    const time = rows.time[row]!;
    const speed = rows.speed[row]!;
    const heading = rows.heading[row]!;
    this.#fixTimes[i] = time;
    this.#speed[i] = speed === speedUnknown ? NaN : speed / 10;
    // Who stands still has no direction of travel, whatever the receiver makes of its noise.
    this.#heading[i] = heading === headingUnknown || speed === speedUnknown || speed < 10 ? -1 : heading;
    this.#stale[i] = staleness(now - time, this.#staleMs[i]!);
  }

  #share(i: number, at: number): number {
    const duration = this.#times[i * 2 + 1]!;
    const gone = at - this.#times[i * 2]!;
    return gone >= duration ? 1 : gone <= 0 ? 0 : gone / duration;
  }

  /** Puts all units in the order of drawing. Motion that is under way goes on. */
  #build(): void {
    this.#rebuild = false;
    const { rows } = this.#world;
    const units = this.#world.features("unit");
    const old = {
      index: new Map(this.#index),
      places: this.#places,
      times: this.#times,
      offsets: this.offsets,
      hidden: this.hidden,
      fixTimes: this.#fixTimes,
    };
    const n = units.length;
    this.ids = new Uint32Array(n);
    this.tier = new Uint8Array(n);
    this.hidden = new Uint8Array(n);
    this.offsets = new Float32Array(n * 2);
    this.#places = new Float64Array(n * 4);
    this.#times = new Float64Array(n * 2);
    this.#fixTimes = new Float64Array(n);
    this.#heading = new Int16Array(n);
    this.#speed = new Float32Array(n);
    this.#shape = new Uint8Array(n);
    this.#color = new Uint8Array(n);
    this.#staleMs = new Float32Array(n);
    this.#stale = new Uint8Array(n);
    this.#indexOfRow = new Int32Array(rows.length).fill(-1);
    this.#index.clear();

    // A counting sort by tier keeps units of one tier in the order of their ids, so nothing flickers. The selected one is last.
    const looks: Look[] = new Array(n);
    const placed: Feature[] = [];
    const starts = new Int32Array(tiers + 2);
    for (const unit of units) {
      if (rows.time[unit.row] === 0) continue;
      const look = this.#look(unit);
      looks[placed.length] = look;
      placed.push(unit);
      starts[(unit.id === this.#selected ? tiers : look.tier) + 1]!++;
    }
    for (let k = 1; k < starts.length; k++) starts[k]! += starts[k - 1]!;
    this.count = placed.length;
    // Once: a unit whose place is worked out anew must not seem to have moved.
    if (this.#mercatorY === mercatorY && placed.length > 0) this.#mercatorY = mercatorNear(rows.lat[placed[0]!.row]!);
    const at = performance.now();
    const now = this.#now();
    for (let k = 0; k < placed.length; k++) {
      const unit = placed[k]!;
      const look = looks[k]!;
      const i = starts[unit.id === this.#selected ? tiers : look.tier]!++;
      const { row } = unit;
      this.ids[i] = unit.id;
      this.tier[i] = look.tier;
      this.#index.set(unit.id, i);
      this.#shape[i] = look.shape;
      this.#color[i] = look.color;
      this.#staleMs[i] = look.staleMs;
      this.#indexOfRow[row] = i;
      const was = old.index.get(unit.id);
      if (was === undefined) {
        const x = mercatorX(rows.lng[row]!);
        const y = this.#mercatorY(rows.lat[row]!);
        this.#places.set([x, y, x, y], i * 4);
        this.#setFix(i, row, now);
        continue;
      }
      this.#places.set(old.places.subarray(was * 4, was * 4 + 4), i * 4);
      this.#times.set(old.times.subarray(was * 2, was * 2 + 2), i * 2);
      this.offsets.set(old.offsets.subarray(was * 2, was * 2 + 2), i * 2);
      this.hidden[i] = old.hidden[was]!;
      this.#fixTimes[i] = old.fixTimes[was]!;
      if (this.#fixTimes[i] !== rows.time[row]! || this.#moved(i, row)) this.#moveTo(i, row, at, now);
      else this.#setFix(i, row, now);
    }
    this.#stalePlaces = true;
  }

  #moved(i: number, row: number): boolean {
    const { rows } = this.#world;
    const [x, y] = this.fixed(i);
    return x !== mercatorX(rows.lng[row]!) || y !== this.#mercatorY(rows.lat[row]!);
  }

  #look(unit: Feature): Look {
    let look = this.#looks.get(unit);
    if (look) return look;
    const preset = this.#preset;
    const status = byCode(preset.statuses, text(unit, "status"));
    const distress = flag(unit, "distress");
    const mark = distress ? (byCode(preset.flags, "distress") ?? status) : status;
    const staleS = byCode(preset.unit_kinds, text(unit, "type"))?.stale_after_s ?? preset.stale_after_s;
    look = {
      shape: shapeIndex.get(mark?.shape ?? "circle") ?? 0,
      color: this.#colorOf(mark?.token ?? "status-unknown"),
      tier: distress ? tier.distress : status?.busy ? tier.busy : status?.dispatchable ? tier.available : tier.quiet,
      staleMs: staleS * 1000,
    };
    this.#looks.set(unit, look);
    return look;
  }

  #colorOf(token: string): number {
    const known = this.#tokens.indexOf(token);
    if (known >= 0) return known;
    if (this.#tokens.length >= paletteSize) return this.#colorOf("status-unknown");
    return this.#tokens.push(token) - 1;
  }

  // ---- The GPU ----

  onAdd(map: MapLibre, gl: WebGLRenderingContext | WebGL2RenderingContext): void {
    this.#map = map;
    this.#gl = gl as WebGL2RenderingContext;
    this.#prepare(this.#gl);
  }

  onRemove(): void {
    clearTimeout(this.#timer);
    const gl = this.#gl;
    if (!gl) return;
    gl.deleteProgram(this.#program);
    gl.deleteVertexArray(this.#vao);
    gl.deleteTexture(this.#texture);
    if (this.#buffers) for (const buffer of Object.values(this.#buffers)) gl.deleteBuffer(buffer);
    this.#gl = null;
  }

  /** Stops listening to the world. */
  destroy(): void {
    this.#stop?.();
    this.#stop = undefined;
    clearTimeout(this.#timer);
  }

  #prepare(gl: WebGL2RenderingContext): void {
    this.#program = link(gl, vertexShader, fragmentShader);
    this.#uniforms = uniforms(
      gl,
      this.#program,
      ...["matrix", "viewport", "now", "pixels", "bearing", "near", "atlas", "colors", "casing", "selection"],
    );
    const quad = gl.createBuffer();
    const instances = gl.createBuffer();
    const marks = gl.createBuffer();
    this.#buffers = { quad, instances, marks };
    this.#capacity = 0;
    this.#vao = gl.createVertexArray();
    gl.bindVertexArray(this.#vao);
    gl.bindBuffer(gl.ARRAY_BUFFER, quad);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, instances);
    const stride = floatsPerUnit * 4;
    const attribute = (location: number, size: number, offset: number) => {
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, gl.FLOAT, false, stride, offset * 4);
      gl.vertexAttribDivisor(location, 1);
    };
    attribute(1, 4, 0);
    attribute(2, 2, 4);
    attribute(4, 4, 6);
    gl.bindBuffer(gl.ARRAY_BUFFER, marks);
    gl.enableVertexAttribArray(3);
    gl.vertexAttribPointer(3, 4, gl.UNSIGNED_BYTE, false, 4, 0);
    gl.vertexAttribDivisor(3, 1);
    gl.bindVertexArray(null);

    const { width, height, data } = drawAtlas();
    this.#texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.#texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, width, height, 0, gl.RED, gl.UNSIGNED_BYTE, data);
    for (const [name, value] of [
      [gl.TEXTURE_MIN_FILTER, gl.LINEAR],
      [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
      [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    ] as const) {
      gl.texParameteri(gl.TEXTURE_2D, name, value);
    }
    this.#stalePlaces = true;
  }

  /** Writes the buffers of the GPU anew: all of them, because one upload is cheaper than many. */
  #upload(gl: WebGL2RenderingContext, at: number): void {
    const n = this.count;
    if (this.#instances.length < n * floatsPerUnit) {
      this.#instances = new Float32Array(Math.ceil(n * 1.5) * floatsPerUnit);
      this.#marks = new Uint8Array(Math.ceil(n * 1.5) * 4);
    }
    this.#epoch = at;
    const [ox, oy] = (this.#origin = n > 0 ? [this.#places[2]!, this.#places[3]!] : this.#origin);
    // Locals, because private names are looked up anew in every turn of a loop.
    const [out, marks, places, times, tiers] = [this.#instances, this.#marks, this.#places, this.#times, this.tier];
    const [ids, stales, headings, offsets, hidden] = [this.ids, this.#stale, this.#heading, this.offsets, this.hidden];
    const [shapes, colors, chosen] = [this.#shape, this.#color, this.#selected];
    for (let i = 0, o = 0, p = 0, q = 0; i < n; i++, o += floatsPerUnit, p += 4, q += 2) {
      out[o] = places[p]! - ox;
      out[o + 1] = places[p + 1]! - oy;
      out[o + 2] = places[p + 2]! - ox;
      out[o + 3] = places[p + 3]! - oy;
      out[o + 4] = (times[q]! - at) / 1000;
      out[o + 5] = times[q + 1]! / 1000;
      const t = tiers[i]!;
      const selected = ids[i] === chosen;
      const stale = stales[i] !== 0;
      out[o + 6] = stale ? -1 : headings[i]!;
      out[o + 7] = offsets[q]!;
      out[o + 8] = offsets[q + 1]!;
      out[o + 9] = selected ? sizes.selected : sizeOfTier[t]!;
      marks[p] = shapes[i]!;
      marks[p + 1] = colors[i]!;
      const opacity = selected ? 255 : stale && t !== tier.distress ? (stales[i] === 2 ? lostOpacity : staleOpacity) : opacities[t]!;
      marks[p + 2] = hidden[i] && !selected ? 0 : opacity;
      marks[p + 3] = (t === tier.distress ? bitDistress : 0) | (selected ? bitSelected : 0) | (stale ? bitStale : 0) | (t < tier.busy && !selected ? bitQuiet : 0);
    }
    const { instances, marks: marksBuffer } = this.#buffers!;
    const grow = n > this.#capacity;
    if (grow) this.#capacity = Math.ceil(n * 1.5);
    gl.bindBuffer(gl.ARRAY_BUFFER, instances);
    if (grow) gl.bufferData(gl.ARRAY_BUFFER, this.#capacity * floatsPerUnit * 4, gl.DYNAMIC_DRAW);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, out, 0, n * floatsPerUnit);
    gl.bindBuffer(gl.ARRAY_BUFFER, marksBuffer);
    if (grow) gl.bufferData(gl.ARRAY_BUFFER, this.#capacity * 4, gl.DYNAMIC_DRAW);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, marks, 0, n * 4);
    this.#stalePlaces = false;
  }

  render(context: WebGLRenderingContext | WebGL2RenderingContext, args: CustomRenderMethodInput): void {
    const began = performance.now();
    if (this.#renderAsked > 0) {
      this.#latency = this.#latency * 0.7 + (began - this.#renderAsked) * 0.3;
      this.#renderAsked = 0;
    }
    const main = args.defaultProjectionData.mainMatrix as ArrayLike<number>;
    for (let i = 0; i < 16; i++) this.#matrix[i] = main[i]!;
    this.settle();
    const gl = context as WebGL2RenderingContext;
    if (gl !== this.#gl || !this.#program || gl.isContextLost() || !this.#visible) return;
    gl.bindVertexArray(null);
    if (this.#stalePlaces || began - this.#epoch > 600_000) this.#upload(gl, began);

    const u = this.#uniforms;
    gl.useProgram(this.#program);
    gl.uniformMatrix4fv(u["matrix"]!, false, relativeTo(this.#matrix, ...this.#origin));
    gl.uniform2f(u["viewport"]!, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.uniform1f(u["now"]!, (began - this.#epoch) / 1000);
    gl.uniform1f(u["pixels"]!, this.#pixelScale * (this.#map?.getPixelRatio() ?? 1));
    gl.uniform1f(u["bearing"]!, ((this.#map?.getBearing() ?? 0) * Math.PI) / 180);
    gl.uniform1f(u["near"]!, (this.#map?.getZoom() ?? 0) >= headingsZoom ? 1 : 0);
    const colors = new Float32Array(paletteSize * 3);
    this.#tokens.forEach((token, i) => colors.set(this.#palette.rgb(token), i * 3));
    gl.uniform3fv(u["colors"]!, colors);
    gl.uniform3fv(u["casing"]!, this.#palette.rgb("symbol-casing"));
    gl.uniform3fv(u["selection"]!, this.#palette.rgb("selection"));
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#texture);
    gl.uniform1i(u["atlas"]!, 0);
    blendOver(gl);
    gl.bindVertexArray(this.#vao);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.count);
    gl.bindVertexArray(null);
    this.cost.render = performance.now() - began;
    this.#drawnAt = began;
    this.#keepMoving(began);
  }

  /**
   * Asks for the next picture while something moves: when the fastest unit has gone half a pixel, and never so often
   * that drawing takes more than half of the time. A wall of a whole city needs two pictures a second, a street sixty,
   * however often the stream brings new fixes.
   */
  #keepMoving(at: number): void {
    if (!this.#map) return;
    if (at >= this.#movingUntil) {
      this.#fastest = this.#fastestBefore = 0;
      return;
    }
    // Frames that came late together look like haste, which must not stay.
    if (at - this.#fastestSince > motionMaxS * 1000) {
      this.#fastestBefore = this.#fastest;
      this.#fastest = 0;
      this.#fastestSince = at;
    }
    const fastest = Math.max(this.#fastest, this.#fastestBefore);
    const canvas = this.#map.getCanvas();
    const pixelsPerUnit = (Math.hypot(this.#matrix[0]!, this.#matrix[1]!) / 2) * canvas.clientWidth;
    const halfPixel = fastest > 0 ? 500 / (fastest * pixelsPerUnit) : 1000;
    const wait = Math.max(16, Math.min(1000, Math.max(halfPixel, 2 * this.#latency)));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#repaint(), Math.max(0, this.#drawnAt + wait - at));
  }

  #repaint(): void {
    if (!this.#map) return;
    this.#renderAsked ||= performance.now();
    this.#map.triggerRepaint();
  }
}

const floatsPerUnit = 10;
const sizeOfTier = [sizes.quiet, sizes.available, sizes.busy, sizes.distress] as const;

/** 0 fresh, 1 stale, 2 lost. */
function staleness(ageMs: number, staleMs: number): number {
  return ageMs > staleMs * lostAfter ? 2 : ageMs > staleMs ? 1 : 0;
}

function isUnit(feature: Feature): boolean {
  return feature.kind === "unit";
}
