/** Compiles and links a program. Throws with the compiler's words, unless the context is lost and has none. */
export function link(gl: WebGL2RenderingContext, vertex: string, fragment: string): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, code] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, code);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`link a shader: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}

/** The places of uniforms by their names. */
export function uniforms<N extends string>(
  gl: WebGL2RenderingContext,
  program: WebGLProgram,
  ...names: N[]
): Record<N, WebGLUniformLocation | null> {
  return Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)])) as Record<
    N,
    WebGLUniformLocation | null
  >;
}

/** A matrix of MapLibre for places that are relative to an origin: float32 is exact near it only. */
export function relativeTo(matrix: ArrayLike<number>, x: number, y: number): Float32Array {
  const relative = Float32Array.from(matrix);
  for (let r = 0; r < 4; r++) relative[12 + r] = matrix[r]! * x + matrix[4 + r]! * y + matrix[12 + r]!;
  return relative;
}

/** Nothing of what MapLibre's own layers leave set may cut our symbols off. */
export function blendOver(gl: WebGL2RenderingContext): void {
  gl.disable(gl.DEPTH_TEST);
  gl.disable(gl.STENCIL_TEST);
  gl.disable(gl.CULL_FACE);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
}
