import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "vite";

/** Fonts and pictures are compressed as they are. */
const text = /\.(js|css|html|svg|json|webmanifest)$/;

/** The page of the embed has places that the server fills: it compresses that page itself. */
const filled = "embed.html";

const brotli = promisify(brotliCompress);
const zip = promisify(gzip);

/**
 * Writes beside each file of the build what goes over the wire in its place: `name.br` for browsers that take Brotli, which are
 * all of them over TLS and on the machine itself, and `name.gz` for the rest. Here it is done once, as well as can be; the server
 * would spend a second of a processor on it at each start.
 */
export function compressed(): Plugin {
  let dist = "";
  return {
    name: "rasad-compressed",
    apply: "build",
    configResolved: ({ root, build }) => void (dist = join(root, build.outDir)),
    async closeBundle() {
      const names = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => text.test(name) && name !== filled);
      await Promise.all(
        names.map(async (name) => {
          const plain = readFileSync(join(dist, name));
          const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
          const forms = { br: await brotli(plain, { params }), gz: await zip(plain, { level: 9 }) };
          for (const [ending, bytes] of Object.entries(forms)) if (bytes.length < plain.length * 0.9) writeFileSync(join(dist, `${name}.${ending}`), bytes);
        }),
      );
    },
  };
}
