/** Where the glyph lies in a shape, and how much of it it may fill: triangles have their room below. */
const room: Readonly<Record<string, readonly [dy: number, share: number]>> = {
  triangle: [0.12, 0.44],
  triangle_down: [-0.11, 0.42],
  diamond: [0, 0.5],
  star: [0.02, 0.42],
  pentagon: [0.03, 0.52],
  house: [0.08, 0.48],
  drop: [0.1, 0.44],
};

/** The side of the glyph in a shape of size 1, and how far below the middle it lies. The map and the panels agree on it. */
export function glyphIn(shape: string): readonly [dy: number, share: number] {
  return room[shape] ?? [0, 0.58];
}
