/** The icons of maki (CC0), which presets name, as SVG paths in a box of 15 by 15. */
const files = import.meta.glob<string>("../../node_modules/@mapbox/maki/icons/*.svg", {
  query: "?raw",
  import: "default",
  eager: true,
});

const paths = new Map<string, string>();
for (const [file, svg] of Object.entries(files)) {
  const name = file.slice(file.lastIndexOf("/") + 1, -".svg".length);
  const found = Array.from(svg.matchAll(/<path[^>]*\sd="([^"]+)"/g), (match) => match[1]!);
  // Line breaks within a path are written as character references.
  paths.set(name, found.join(" ").replace(/&#x[0-9a-f]+;/gi, " ").trim());
}

/** The path of an icon; that of a plain marker for names that this version does not know. */
export function iconPath(name: string): string {
  return paths.get(name) ?? paths.get("marker")!;
}
