import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const name = "virtual:embed-tokens.css";

/**
 * Makes `virtual:embed-tokens.css`: the tokens of `tokens.css`, and its day once more for paper and for devices that are by
 * day. The embed follows the device without a script, and a rule cannot be given a second condition in CSS itself.
 */
export function embedTokens(): Plugin {
  const file = join(import.meta.dirname, "../../tokens.css");
  return {
    name: "rasad-embed-tokens",
    resolveId: (id) => (id === name ? `\0${name}` : null),
    load(id) {
      if (id !== `\0${name}`) return null;
      this.addWatchFile(file);
      const css = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
      const day = /:root\[data-theme="day"\]\s*\{([^}]*)\}/.exec(css)?.[1];
      if (!day) this.error("tokens.css has no day");
      return { code: `${css}\n@media (prefers-color-scheme: light) { :root[data-theme="auto"] {${day}} }\n@media print { :root:root {${day}} }`, moduleType: "css" };
    },
  };
}
