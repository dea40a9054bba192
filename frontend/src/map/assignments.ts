import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from "maplibre-gl";
import { blendOver, link, relativeTo, uniforms } from "./gl";
import type { Palette } from "./palette";
import type { UnitLayer } from "./units";

/** A line from a unit to a place, mercator. */
export type Line = Readonly<{ unit: number; x: number; y: number; preview: boolean }>;

const vertexShader = `#version 300 es
layout(location=0) in vec2 corner;  // along 0..1, across -1..1
layout(location=1) in vec4 ends;
layout(location=2) in float preview;
uniform mat4 matrix;
uniform vec2 viewport;
uniform float pixels;
out vec2 at;
flat out float dashed;
void main() {
  vec4 a = matrix * vec4(ends.xy, 0.0, 1.0), b = matrix * vec4(ends.zw, 0.0, 1.0);
  vec2 run = (b.xy / b.w - a.xy / a.w) * 0.5 * viewport;
  float length = max(1e-3, length(run));
  vec2 normal = vec2(-run.y, run.x) / length;
  float half_width = 3.0 * pixels;
  vec4 here = mix(a, b, corner.x);
  at = vec2(corner.x * length, corner.y * half_width) / pixels;
  dashed = preview;
  gl_Position = here + vec4(normal * corner.y * half_width * 2.0 / viewport, 0.0, 0.0) * here.w;
}`;

const fragmentShader = `#version 300 es
precision highp float;
in vec2 at;
flat in float dashed;
uniform vec3 ink, ghost, casing;
out vec4 color;
void main() {
  bool preview = dashed > 0.5;
  float d = abs(at.y);
  float line = 1.0 - smoothstep(0.4, 1.1, d - (preview ? 0.7 : 0.0));
  float edge = (1.0 - smoothstep(1.4, 2.6, d)) * (preview ? 0.5 : 0.3);
  if (preview) line *= step(mod(at.x, 10.0), 6.0);
  float a = max(line * (preview ? 1.0 : 0.42), edge);
  if (a < 0.01) discard;
  color = vec4(mix(casing, preview ? ghost : ink, line) * a, a);
}`;

/**
 * Thin lines from units to the incidents that they are assigned to. They are drawn by hand because they have to end
 * where their unit is in this very picture, not where it was half a second ago.
 */
export class AssignmentLayer implements CustomLayerInterface {
  readonly id = "assignments";
  readonly type = "custom";
  readonly renderingMode = "2d";
  readonly #units: UnitLayer;
  #lines: readonly Line[] = [];
  #palette: Palette;
  #scale = 1;
  #map: MapLibre | null = null;
  #gl: WebGL2RenderingContext | null = null;
  #program: WebGLProgram | null = null;
  #vao: WebGLVertexArrayObject | null = null;
  #quad: WebGLBuffer | null = null;
  #ends: WebGLBuffer | null = null;
  #uniforms: Record<string, WebGLUniformLocation | null> = {};
  #data = new Float32Array(0);

  constructor(units: UnitLayer, palette: Palette) {
    this.#units = units;
    this.#palette = palette;
  }

  setLines(lines: readonly Line[]): void {
    this.#lines = lines;
    this.#map?.triggerRepaint();
  }

  setPalette(palette: Palette): void {
    this.#palette = palette;
  }

  setScale(scale: number): void {
    this.#scale = scale;
  }

  onAdd(map: MapLibre, context: WebGLRenderingContext | WebGL2RenderingContext): void {
    const gl = context as WebGL2RenderingContext;
    this.#map = map;
    this.#gl = gl;
    this.#program = link(gl, vertexShader, fragmentShader);
    this.#uniforms = uniforms(gl, this.#program, "matrix", "viewport", "pixels", "ink", "ghost", "casing");
    this.#vao = gl.createVertexArray();
    this.#quad = gl.createBuffer();
    this.#ends = gl.createBuffer();
    gl.bindVertexArray(this.#vao);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#quad);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, -1, 1, -1, 0, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#ends);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.FLOAT, false, 20, 0);
    gl.vertexAttribDivisor(1, 1);
    gl.enableVertexAttribArray(2);
    gl.vertexAttribPointer(2, 1, gl.FLOAT, false, 20, 16);
    gl.vertexAttribDivisor(2, 1);
    gl.bindVertexArray(null);
  }

  onRemove(): void {
    const gl = this.#gl;
    if (!gl) return;
    gl.deleteProgram(this.#program);
    gl.deleteVertexArray(this.#vao);
    gl.deleteBuffer(this.#quad);
    gl.deleteBuffer(this.#ends);
    this.#gl = null;
  }

  render(context: WebGLRenderingContext | WebGL2RenderingContext, args: CustomRenderMethodInput): void {
    const gl = context as WebGL2RenderingContext;
    if (gl !== this.#gl || this.#lines.length === 0 || gl.isContextLost()) return;
    const units = this.#units;
    units.settle();
    if (this.#data.length < this.#lines.length * 5) this.#data = new Float32Array(this.#lines.length * 10);
    const { x: ox, y: oy } = this.#lines[0]!;
    const now = performance.now();
    let n = 0;
    for (const { unit, x, y, preview } of this.#lines) {
      const i = units.indexOf(unit);
      if (i < 0) continue;
      const [ux, uy] = units.shown(i, now);
      this.#data.set([ux - ox, uy - oy, x - ox, y - oy, preview ? 1 : 0], 5 * n++);
    }
    const u = this.#uniforms;
    gl.useProgram(this.#program);
    gl.uniformMatrix4fv(u["matrix"]!, false, relativeTo(args.defaultProjectionData.mainMatrix as ArrayLike<number>, ox, oy));
    gl.uniform2f(u["viewport"]!, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.uniform1f(u["pixels"]!, this.#scale * (this.#map?.getPixelRatio() ?? 1));
    gl.uniform3fv(u["ink"]!, this.#palette.rgb("assignment"));
    gl.uniform3fv(u["ghost"]!, this.#palette.rgb("preview"));
    gl.uniform3fv(u["casing"]!, this.#palette.rgb("symbol-casing"));
    blendOver(gl);
    gl.bindVertexArray(this.#vao);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#ends);
    gl.bufferData(gl.ARRAY_BUFFER, this.#data.subarray(0, n * 5), gl.DYNAMIC_DRAW);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, n);
    gl.bindVertexArray(null);
  }
}
