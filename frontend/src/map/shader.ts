import { atlasGeometry } from "./sdf";

/** Colours that the shader knows by number: the tokens of statuses and their order in the uniform. */
export const paletteSize = 16;

const f = (v: number) => v.toFixed(6);

/**
 * One quad for each unit. Two places and a time: the GPU moves the unit between two fixes and never beyond the second.
 * Plain uniforms only: MapLibre does not rebind its uniform blocks after a layer that binds its own.
 */
export const vertexShader = `#version 300 es
layout(location=0) in vec2 corner;
layout(location=1) in vec4 places;   // from, to: mercator relative to the origin
layout(location=2) in vec2 times;    // seconds: begin, duration
layout(location=3) in vec4 marks;    // shape, colour, opacity 0..255, bits
layout(location=4) in vec4 extras;   // heading in degrees or -1, offset in pixels, size in pixels
uniform mat4 matrix;
uniform vec2 viewport;
uniform float now;
uniform float pixels;                // device pixels of one pixel at scale 1
uniform float bearing;               // of the map, radians
uniform float near;                  // 1: the directions of units that wait are shown too
out vec2 at;
flat out vec4 kind;
flat out vec2 nose;
flat out float radius;
void main() {
  float t = times.y > 0.0 ? clamp((now - times.x) / times.y, 0.0, 1.0) : 1.0;
  vec4 clip = matrix * vec4(mix(places.xy, places.zw, t), 0.0, 1.0);
  int bits = int(marks.w + 0.5);
  radius = extras.w * 0.5 * pixels;
  bool headed = extras.x >= 0.0 && ((bits & 8) == 0 || near > 0.5);
  float reach = (bits & 3) != 0 || headed ? 2.4 : ${f(atlasGeometry.half)};
  at = corner * reach;
  kind = marks;
  float heading = radians(extras.x) - bearing;
  nose = !headed ? vec2(0.0) : vec2(sin(heading), -cos(heading));
  vec2 shift = (extras.yz * pixels + at * radius) * 2.0 / viewport;
  gl_Position = marks.z < 0.5 ? vec4(2.0, 2.0, 2.0, 1.0) : clip + vec4(shift.x, -shift.y, 0.0, 0.0) * clip.w;
}`;

/** `at` is in units of the radius of the shape, y down. */
export const fragmentShader = `#version 300 es
precision highp float;
in vec2 at;
flat in vec4 kind;
flat in vec2 nose;
flat in float radius;
uniform sampler2D atlas;
uniform vec3 colors[${paletteSize}];
uniform vec3 casing;
uniform vec3 selection;
uniform float pixels;
out vec4 color;
float shape(vec2 p) {
  if (max(abs(p.x), abs(p.y)) > ${f(atlasGeometry.half)} * 0.97) return 9.0;
  float n = floor(kind.x + 0.5);
  vec2 cell = vec2(mod(n, ${f(atlasGeometry.columns)}), floor(n / ${f(atlasGeometry.columns)}));
  vec2 uv = (cell + 0.5 + p / ${f(atlasGeometry.half * 2)}) / vec2(${f(atlasGeometry.columns)}, ${f(atlasGeometry.rows)});
  return (0.5 - texture(atlas, uv).r) * ${f(atlasGeometry.span)};
}
void main() {
  int bits = int(kind.w + 0.5);
  bool distress = (bits & 1) != 0, selected = (bits & 2) != 0, stale = (bits & 4) != 0;
  vec3 ink = colors[int(kind.y + 0.5)];
  float soft = 0.75 / radius, edge = 1.7 * pixels / radius;
  float body = shape(at);
  float d = body;
  if (nose != vec2(0.0)) {
    float along = dot(at, nose), across = abs(dot(at, vec2(-nose.y, nose.x)));
    // The nose grows out of the shape: a loose dart beside each of a thousand units would be confetti.
    d = min(d, max(0.55 - along, (along - 1.9) * 0.55 + across * 0.84));
  }
  vec3 fill = ink;
  // A stale fix is hollow as well as faint: the place is the last known one, not the present one.
  if (stale) fill = mix(ink, casing, 1.0 - smoothstep(-soft, soft, body + 2.2 * pixels / radius));
  float inner = 1.0 - smoothstep(-soft, soft, d);
  float outer = 1.0 - smoothstep(edge - soft, edge + soft, d);
  vec3 rgb = mix(casing, fill, inner);
  float a = max(inner, outer * 0.95);
  if (distress || selected) {
    float r = length(at), w = 1.5 * pixels / radius;
    float ring = abs(r - 1.85) - w;
    float ringCase = ring - 1.4 * pixels / radius;
    float in2 = 1.0 - smoothstep(-soft, soft, ring), out2 = 1.0 - smoothstep(-soft, soft, ringCase);
    vec3 ringInk = selected ? selection : ink;
    rgb = mix(mix(rgb, casing, out2 * (1.0 - a)), ringInk, in2 * (1.0 - inner));
    a = max(a, max(in2, out2 * 0.9));
  }
  a *= kind.z / 255.0;
  if (a < 0.004) discard;
  color = vec4(rgb * a, a);
}`;
