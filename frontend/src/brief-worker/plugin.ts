import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { transformWithOxc, type Plugin } from "vite";

/** What a chunk of the build says about itself. */
type Chunk = Readonly<{ type: "chunk"; fileName: string; facadeModuleId: string | null; imports: readonly string[]; isEntry: boolean; viteMetadata?: { importedCss: ReadonlySet<string>; importedAssets: ReadonlySet<string> } }>;

/** Fonts that every brief has. */
const fonts = /\/(inter-latin-wght-normal|vazirmatn-arabic-wght-normal)-[^/]+\.woff2$/;

/**
 * Writes `/brief-worker.js` with the list of files that /brief cannot begin without. The map is fetched when somebody
 * looks at it, and is of no use without its tiles: it is not among them.
 */
export function briefWorker(): Plugin {
  return {
    name: "rasad-brief-worker",
    apply: "build",
    async generateBundle(_, bundle) {
      const files = new Set<string>();
      const take = (name: string): void => {
        if (files.has(name)) return;
        files.add(name);
        const chunk = bundle[name] as Chunk | undefined;
        if (chunk?.type !== "chunk") return;
        chunk.imports.forEach(take);
        chunk.viteMetadata?.importedCss.forEach((css) => files.add(css));
      };
      const chunks = Object.values(bundle).filter((file) => file.type === "chunk") as unknown as Chunk[];
      const brief = chunks.find((chunk) => chunk.facadeModuleId?.endsWith("/views/brief/mount.ts"));
      if (!brief) this.error("there is no view brief: its worker would bring up nothing");
      for (const chunk of chunks) if (chunk.isEntry && chunk.facadeModuleId?.endsWith("/index.html")) take(chunk.fileName);
      take(brief.fileName);
      for (const name of Object.keys(bundle)) {
        // The thread that owns the socket is a script of its own.
        if (fonts.test(`/${name}`) || /^assets\/worker-[^/]+\.js$/.test(name)) files.add(name);
      }
      const paths = ["/icon.svg", "/brief.webmanifest", ...[...files].sort().map((name) => `/${name}`)];
      const version = createHash("sha256").update(paths.join("\n")).digest("hex").slice(0, 12);
      const source = readFileSync(join(import.meta.dirname, "worker.ts"), "utf8");
      const { code } = await transformWithOxc(source, "worker.ts", { target: "es2022", sourcemap: false });
      const script = code.replace("export {};", "").replaceAll("__FILES__", JSON.stringify(paths)).replaceAll("__VERSION__", JSON.stringify(version));
      this.emitFile({ type: "asset", fileName: "brief-worker.js", source: script });
    },
  };
}
