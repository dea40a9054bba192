import { shapes } from "../shapes";

/** One cell of the atlas in pixels; a shape of 24 by 24 fills `cellShape` of them, the rest is room for its casing. */
const cell = 64;
const cellShape = 40;
const columns = 8;
/** How many pixels away from the edge the distances reach. */
const reach = 12;

/** Which cell a shape lies in. Shapes that this version does not know are circles. */
export const shapeIndex: ReadonlyMap<string, number> = new Map(Object.keys(shapes).map((name, i) => [name, i]));

/** What the shader has to know of the atlas. Lengths are in units of the radius of a shape. */
export const atlasGeometry = {
  columns,
  rows: Math.ceil(Object.keys(shapes).length / columns),
  /** Half a cell. */
  half: cell / cellShape,
  /** The distance between the values 0 and 1. */
  span: (2 * reach) / (cellShape / 2),
} as const;

/** Distances to the edges of all shapes: 255 deep inside, 0 far outside, 127.5 on the edge. */
export function drawAtlas(): { width: number; height: number; data: Uint8Array } {
  const width = cell * columns;
  const height = cell * atlasGeometry.rows;
  const canvas = new OffscreenCanvas(width, height);
  const ctx = canvas.getContext("2d", { willReadFrequently: true })!;
  Object.values(shapes).forEach((path, i) => {
    ctx.save();
    ctx.translate((i % columns) * cell + cell / 2, Math.floor(i / columns) * cell + cell / 2);
    ctx.scale(cellShape / 24, cellShape / 24);
    ctx.translate(-12, -12);
    ctx.fill(new Path2D(path), "evenodd");
    ctx.restore();
  });
  const alpha = ctx.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height);
  const coverage = new Float64Array(cell * cell);
  for (let i = 0; i < shapeIndex.size; i++) {
    const x0 = (i % columns) * cell;
    const y0 = Math.floor(i / columns) * cell;
    for (let y = 0; y < cell; y++) {
      for (let x = 0; x < cell; x++) coverage[y * cell + x] = alpha[((y0 + y) * width + x0 + x) * 4 + 3]! / 255;
    }
    const inside = distances(coverage, cell, false);
    const outside = distances(coverage, cell, true);
    for (let y = 0; y < cell; y++) {
      for (let x = 0; x < cell; x++) {
        const p = y * cell + x;
        const d = inside[p]! - outside[p]!;
        data[(y0 + y) * width + x0 + x] = Math.max(0, Math.min(255, Math.round(127.5 + (d / reach) * 127.5)));
      }
    }
  }
  return { width, height, data };
}

/**
 * The distance of each pixel to the nearest one that is (or is not) covered, after Felzenszwalb and Huttenlocher.
 * Pixels that are covered in part stand for an edge within them.
 */
export function distances(coverage: Float64Array, size: number, toCovered: boolean): Float64Array {
  const grid = new Float64Array(size * size);
  for (let i = 0; i < grid.length; i++) {
    const a = toCovered ? coverage[i]! : 1 - coverage[i]!;
    grid[i] = a >= 1 ? 0 : a <= 0 ? 1e20 : Math.max(0, 0.5 - a) ** 2;
  }
  const f = new Float64Array(size);
  const z = new Float64Array(size + 1);
  const v = new Uint16Array(size);
  for (let x = 0; x < size; x++) transform(grid, x, size, size, f, v, z);
  for (let y = 0; y < size; y++) transform(grid, y * size, 1, size, f, v, z);
  for (let i = 0; i < grid.length; i++) grid[i] = Math.sqrt(grid[i]!);
  return grid;
}

function transform(
  grid: Float64Array,
  offset: number,
  stride: number,
  n: number,
  f: Float64Array,
  v: Uint16Array,
  z: Float64Array,
): void {
  v[0] = 0;
  z[0] = -1e20;
  z[1] = 1e20;
  f[0] = grid[offset]!;
  for (let q = 1, k = 0, s = 0; q < n; q++) {
    f[q] = grid[offset + q * stride]!;
    do {
      const r = v[k]!;
      s = (f[q]! - f[r]! + q * q - r * r) / (q - r) / 2;
    } while (s <= z[k]! && --k > -1);
    k++;
    v[k] = q;
    z[k] = s;
    z[k + 1] = 1e20;
  }
  for (let q = 0, k = 0; q < n; q++) {
    while (z[k + 1]! < q) k++;
    const r = v[k]!;
    grid[offset + q * stride] = f[r]! + (q - r) * (q - r);
  }
}
