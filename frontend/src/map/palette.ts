/** Colours by the names of `tokens.css`, read where the map stands. */
export type Palette = Readonly<{
  /** The value of a token without its dashes: `color("map-ground")`. */
  color(token: string): string;
  /** Red, green, blue as 0..1. */
  rgb(token: string): readonly [number, number, number];
}>;

/** Reads the tokens as they apply to `element` now. A token that is not there is the colour of `text`. */
export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const cache = new Map<string, string>();
  const color = (token: string): string => {
    let value = cache.get(token);
    if (value === undefined) {
      value = style.getPropertyValue(`--${token}`).trim() || style.getPropertyValue("--text").trim();
      cache.set(token, value);
    }
    return value;
  };
  return { color, rgb: (token) => parseColor(color(token)) };
}

/** `#rgb` or `#rrggbb` as red, green, blue in 0..1; grey for anything else. */
export function parseColor(text: string): readonly [number, number, number] {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text)?.[1];
  if (!hex) return [0.5, 0.5, 0.5];
  const full = hex.length === 3 ? hex.replace(/./g, "$&$&") : hex;
  const n = parseInt(full, 16);
  return [(n >> 16) / 255, ((n >> 8) & 255) / 255, (n & 255) / 255];
}

/** The grey of the same luminance. A ground that is not live loses its colour and keeps its contrast. */
export function grey(color: string): string {
  const [r, g, b] = parseColor(color).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [
    number,
    number,
    number,
  ];
  const y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const v = Math.round(255 * (y <= 0.0031308 ? 12.92 * y : 1.055 * y ** (1 / 2.4) - 0.055));
  return `#${v.toString(16).padStart(2, "0").repeat(3)}`;
}
