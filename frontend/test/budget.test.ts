/** How much a screen costs before it shows anything: over the files of the last build, compressed as the server sends them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";

const dist = process.env["RASAD_DIST"] ?? join(import.meta.dirname, "../dist");
const built = existsSync(join(dist, "index.html"));
const assets = built ? readdirSync(join(dist, "assets")) : [];
const read = (name: string) => readFileSync(join(dist, name));
/** Fonts are compressed already. */
const wire = (name: string) => (name.endsWith(".woff2") ? read(name).length : gzipSync(read(name), { level: 9 }).length);
const sum = (names: Iterable<string>) => [...new Set(names)].reduce((n, name) => n + wire(name), 0);
const found = (pattern: RegExp) => assets.filter((name) => pattern.test(name)).map((name) => `assets/${name}`);

/** The scripts and styles that a view needs to begin, as the entry lists them for it. */
function filesOf(view: string): string[] {
  const html = read("index.html").toString();
  const entry = /src="\/(assets\/[^"]+\.js)"/.exec(html)?.[1];
  if (!entry) throw new Error("index.html has no entry");
  const code = read(entry).toString();
  const known = /__vite__mapDeps[\s\S]*?=\s*(\[[^\]]*\])/.exec(code)?.[1];
  const own = new RegExp(`views/${view}/mount\\.ts[\\s\\S]*?import\\([^)]*?(mount-[\\w-]+\\.js)[^)]*\\)[\\s\\S]*?__vite__mapDeps\\(\\[([\\d,]*)\\]\\)`).exec(code);
  if (!known || !own) throw new Error(`the entry does not say what ${view} needs`);
  const names = [...known.matchAll(/["'`]([^"'`]+)["'`]/g)].map((m) => m[1]!);
  const needs = own[2]!.split(",").filter(Boolean).map((i) => names[Number(i)]!);
  const styles = [...html.matchAll(/href="\/(assets\/[^"]+\.css)"/g)].map((m) => m[1]!);
  return [entry, `assets/${own[1]!}`, ...needs, ...styles];
}

/** The letters that every view loads, and the thread of its stream. */
const common = () => [...found(/^(inter-latin|vazirmatn).*\.woff2$/), ...found(/^worker-.*\.js$/)];

describe.runIf(built)("the files of the last build", () => {
  test("/console begins within 1.2 MB, with its map", () => {
    const files = [...filesOf("console"), ...common(), ...found(/^maplibre-gl-worker-.*\.js$/)];
    expect(files.length).toBeGreaterThan(10);
    expect(sum(files)).toBeLessThan(1_200_000);
  });

  test("/brief leaves room for its data: 700 kB, without the map", () => {
    const files = [...filesOf("brief"), ...common()];
    expect(files.length).toBeGreaterThan(10);
    expect(files.some((name) => /\/map-/.test(name)), "the map is fetched when somebody looks").toBe(false);
    expect(sum(files)).toBeLessThan(700_000);
  });

  test("the embed begins within 30 kB of scripts and styles, with the words of any language, and without its map", () => {
    const html = read("embed.html").toString();
    // What the page links, and what those import at once: no more is needed before the list is current and answers.
    const files = new Set([...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((m) => m[1]!));
    for (const name of files) {
      if (!name.endsWith(".js")) continue;
      for (const [, other] of read(name).toString().matchAll(/(?:from|import)\s*["'`]\.\/([\w.-]+\.js)["'`]/g)) files.add(`assets/${other!}`);
    }
    const words = found(/^(fa|zh|en)-.*\.js$/);
    expect(words.length).toBe(3);
    expect([...files].some((name) => /maplibre|map-|builder|paraglide|svelte/.test(name)), [...files].join()).toBe(false);
    const most = Math.max(...words.map((name) => sum([...files, name])));
    console.log(`embed: ${most} bytes gzipped before the map, in ${files.size + 1} files`);
    expect(most).toBeLessThan(30_000);
    expect(most, "there is something to measure").toBeGreaterThan(5000);
  });

  test("what brings /brief up without a server is all there", () => {
    const worker = read("brief-worker.js").toString();
    const listed = JSON.parse(/=\s*(\["\/[^\]]*\])/.exec(worker)?.[1] ?? /(\["\/[^\]]*\])/.exec(worker)?.[1] ?? "[]") as string[];
    for (const name of listed) expect(existsSync(join(dist, name)), name).toBe(true);
    for (const name of filesOf("brief")) expect(listed, name).toContain(`/${name}`);
  });
});

test("there is a build to measure, or it is said that there is none", () => {
  if (!built) console.warn("NOT MEASURED: frontend/dist is empty; `make build` fills it, and `make test` builds first");
  expect(built || !process.env["CI"], "CI measures what it has built").toBe(true);
});
