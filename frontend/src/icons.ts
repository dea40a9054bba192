/**
 * The glyphs that presets name, as SVG paths in a box of 15 by 15: those of maki (CC0), and in `symbols/` those of our own
 * for what maki has no sign for. One of ours goes before one of maki's.
 */
const maki = import.meta.glob<string>("../../node_modules/@mapbox/maki/icons/*.svg", { query: "?raw", import: "default", eager: true });
const own = import.meta.glob<string>("./symbols/*.svg", { query: "?raw", import: "default", eager: true });

const paths = new Map<string, string>();
for (const [file, svg] of [...Object.entries(maki), ...Object.entries(own)]) {
  const name = file.slice(file.lastIndexOf("/") + 1, -".svg".length);
  const found = Array.from(svg.matchAll(/<path[^>]*\sd="([^"]+)"/g), (match) => match[1]!);
  // Line breaks within a path are written as character references.
  paths.set(name, found.join(" ").replace(/&#x[0-9a-f]+;/gi, " ").trim());
}

/** The path of a glyph; that of a plain marker for names that this version does not know. */
export function iconPath(name: string): string {
  return paths.get(name) ?? paths.get("marker")!;
}

/** The names of our own glyphs. */
export const ownIcons: readonly string[] = Object.keys(own).map((file) => file.slice(file.lastIndexOf("/") + 1, -".svg".length));
