/**
 * The shapes that presets name, as SVG paths in a box of 24 by 24 around 12,12. Legends, lists and the map draw from
 * the same paths, so that a shape means the same everywhere. Holes need the fill rule "evenodd".
 */

const polygon = (n: number, radius: number, turn: number, cy = 12): string =>
  "M" +
  Array.from({ length: n }, (_, i) => {
    const a = ((i / n + turn) * 2 - 0.5) * Math.PI;
    return `${round(12 + radius * Math.cos(a))} ${round(cy + radius * Math.sin(a))}`;
  }).join("L") +
  "Z";

const round = (v: number) => Math.round(v * 100) / 100;

const circle = (radius: number): string =>
  `M12 ${12 - radius}a${radius} ${radius} 0 1 1 0 ${2 * radius}a${radius} ${radius} 0 1 1 0 ${-2 * radius}Z`;

const star = (): string =>
  "M" +
  Array.from({ length: 10 }, (_, i) => {
    const a = (i / 5 - 0.5) * Math.PI;
    const r = i % 2 ? 4.9 : 10.8;
    return `${round(12 + r * Math.cos(a))} ${round(12.6 + r * Math.sin(a))}`;
  }).join("L") +
  "Z";

const square = "M3.8 3.8H20.2V20.2H3.8Z";
const diamond = "M12 1.4 22.6 12 12 22.6 1.4 12Z";
const triangle = "M12 1.8 22.6 20.6H1.4Z";

/** The path of each shape by its name. */
export const shapes: Readonly<Record<string, string>> = {
  circle: circle(9),
  ring: circle(9.6) + circle(5.2),
  dot: circle(5.5),
  square,
  square_outline: square + "M8 8H16V16H8Z",
  rounded_square: "M7.5 3.5H16.5a4 4 0 0 1 4 4V16.5a4 4 0 0 1-4 4H7.5a4 4 0 0 1-4-4V7.5a4 4 0 0 1 4-4Z",
  diamond,
  diamond_outline: diamond + "M12 7.4 16.6 12 12 16.6 7.4 12Z",
  triangle,
  triangle_down: "M12 22.2 1.4 3.4H22.6Z",
  triangle_outline: triangle + "M12 9.4 15.6 16.2H8.4Z",
  pentagon: polygon(5, 10.4, 0, 12.6),
  hexagon: polygon(6, 10.2, 0),
  octagon: polygon(8, 10.6, 1 / 16),
  star: star(),
  cross: "M6.2 2.2 12 8 17.8 2.2 21.8 6.2 16 12 21.8 17.8 17.8 21.8 12 16 6.2 21.8 2.2 17.8 8 12 2.2 6.2Z",
  plus: "M8.6 2.2H15.4V8.6H21.8V15.4H15.4V21.8H8.6V15.4H2.2V8.6H8.6Z",
  bar: "M1.8 8H22.2V16H1.8Z",
  chevron_up: "M12 3.2 22.4 15 18 20 12 13.2 6 20 1.6 15Z",
  chevron_double_up: "M12 1.6 21.6 11.2 18 14.4 12 8.4 6 14.4 2.4 11.2ZM12 11.6 19.2 18.8 15.6 22.4 12 18.8 8.4 22.4 4.8 18.8Z",
  chevron_right: "M20.8 12 9 22.4 4 18 10.8 12 4 6 9 1.6Z",
  chevron_left: "M3.2 12 15 1.6 20 6 13.2 12 20 18 15 22.4Z",
  shield: "M12 1.8 20.8 4.8V11.4C20.8 16.6 17.2 20.4 12 22.4 6.8 20.4 3.2 16.6 3.2 11.4V4.8Z",
  drop: "M12 1.4C16.4 6.8 19.2 10.4 19.2 14.6A7.2 7.2 0 0 1 4.8 14.6C4.8 10.4 7.6 6.8 12 1.4Z",
  house: "M12 2.2 22.4 11.2H19.4V21H4.6V11.2H1.6Z",
  half_circle: "M1.8 17a10.2 10.2 0 0 1 20.4 0Z",
};

/** The path of a shape; a circle for names that this version does not know. */
export function shapePath(name: string): string {
  return shapes[name] ?? shapes["circle"]!;
}
