import { paraglideVitePlugin } from "@inlang/paraglide-js";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { briefWorker } from "./src/brief-worker/plugin";
import { chineseSlices } from "./src/chinese/plugin";
import { compressed } from "./src/compressed/plugin";
import { embedTokens } from "./src/views/embed/tokens-plugin";

const server = process.env["RASAD_SERVER"] ?? "http://127.0.0.1:8080";

/** Where the server answers in development; in the binary it is the same origin. */
const proxied = ["/api", "/public", "/feeds", "/city", "/tiles", "/healthz", "/readyz"];

export default defineConfig({
  root: import.meta.dirname,
  plugins: [
    paraglideVitePlugin({
      project: "./project.inlang",
      outdir: "./src/paraglide",
      strategy: ["globalVariable", "baseLocale"],
    }),
    svelte(),
    briefWorker(),
    chineseSlices(),
    embedTokens(),
    compressed(),
  ],
  build: {
    // The screens of the house are one page; what news sites embed is another, which shares nothing that it does not need.
    rolldownOptions: { input: ["index.html", "embed.html"].map((file) => `${import.meta.dirname}/${file}`) },
    outDir: "dist",
    emptyOutDir: true, // public/.keep comes back with every build
    target: "es2023",
    // No data: URIs and no inline scripts: the content security policy allows neither.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1600, // MapLibre alone is 1100
  },
  worker: { format: "es" },
  server: {
    proxy: Object.fromEntries(proxied.map((path) => [path, { target: server, ws: true }])),
  },
});
