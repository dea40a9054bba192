import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "svelte/compiler";
import { describe, expect, test } from "vitest";

const frontend = join(import.meta.dirname, "../..");
const languages = ["fa", "zh", "en"] as const;
type Catalogue = Readonly<Record<string, string>>;
// One folder for each group of screens; what they share lies beside the folders.
const groups = ["", ...readdirSync(join(frontend, "messages"), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))];
const catalogues = Object.fromEntries(
  languages.map((language) => {
    const all: Record<string, string> = {};
    for (const group of groups) {
      const some = JSON.parse(readFileSync(join(frontend, "messages", group, `${language}.json`), "utf8")) as Record<string, string>;
      delete some["$schema"];
      for (const key of Object.keys(some)) if (key in all) throw new Error(`${key} stands in two catalogues`);
      Object.assign(all, some);
    }
    return [language, all];
  }),
) as Record<(typeof languages)[number], Catalogue>;

function filesUnder(folder: string, ext: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return name === "paraglide" ? [] : filesUnder(path, ext);
    return name.endsWith(ext) ? [path] : [];
  });
}
const placeholders = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]!).sort();

describe("the catalogues", () => {
  test("are not empty: a plugin that is not found compiles nothing without an error", () => {
    expect(Object.keys(catalogues.en).length).toBeGreaterThan(200);
  });

  test.each(["fa", "zh"] as const)("%s has every message of en and no other, full, with the same placeholders", (language) => {
    expect(Object.keys(catalogues[language]).sort()).toEqual(Object.keys(catalogues.en).sort());
    for (const [key, text] of Object.entries(catalogues[language])) {
      expect(text.trim(), key).not.toBe("");
      expect(placeholders(text), key).toEqual(placeholders(catalogues.en[key]!));
    }
  });

  test("Persian is written in Persian letters, Chinese in Chinese", () => {
    const letters = { fa: /[\u0600-\u06ff]/, zh: /[\u4e00-\u9fff]/ };
    for (const language of ["fa", "zh"] as const) {
      for (const [key, text] of Object.entries(catalogues[language])) {
        const words = text.replace(/\{\w+\}/g, "").replace(/[^\p{L}]/gu, "");
        if (words) expect(letters[language].test(text), `${language} ${key}: ${text}`).toBe(true);
      }
    }
    for (const [key, text] of Object.entries(catalogues.fa)) expect(text, `${key}: Arabic ي or ك`).not.toMatch(/[يك]/);
  });

  test("every message is used, and every one that is used exists", () => {
    const code = [...filesUnder(join(frontend, "src"), ".svelte"), ...filesUnder(join(frontend, "src"), ".ts")]
      .filter((file) => !file.endsWith(".test.ts"))
      .map((file) => readFileSync(file, "utf8"))
      .filter((text) => /import \{[^}]*\bm\b[^}]*\} from ".*messages"/.test(text))
      .join("\n");
    const used = new Set([...code.matchAll(/\bm\.(\w+)/g)].map((m) => m[1]!));
    for (const key of used) expect(catalogues.en, `m.${key}`).toHaveProperty([key]);
    // Made from codes at run time.
    const made = ["embed_", "state_", "problem_", "role_", "kind_", "action_", "did_", "scope_", "audience_help_", "alarm_", "reason_", "basis_", "source_", "cover_of_", "brief_settled_", "brief_public_", "brief_never_", "brief_precision_", "brief_confirmed", "brief_reported", "brief_estimated", "incident_name", "incident_priority", "incident_description"];
    const idle = Object.keys(catalogues.en).filter((key) => !used.has(key) && !made.some((prefix) => key.startsWith(prefix)));
    expect(idle).toEqual([]);
  });

  test("every word of the embed is said by its script or by the server, and every one that is said exists", () => {
    const script = filesUnder(join(frontend, "src/views/embed"), ".ts").filter((file) => !file.endsWith(".test.ts"));
    const code = [...script, ...filesUnder(join(frontend, "../server"), ".go")].map((file) => readFileSync(file, "utf8")).join("\n");
    const whole = new Set([...code.matchAll(/\bembed_[\w]+\b/g)].map((m) => m[0]));
    // Made from codes at run time: `embed_kind_${kind}`.
    const made = [...whole].filter((name) => name.endsWith("_"));
    const words = Object.keys(catalogues.en).filter((key) => key.startsWith("embed_"));
    // The server's page names some without the prefix.
    expect(words.filter((key) => !whole.has(key) && !code.includes(`"${key.slice("embed_".length)}"`) && !made.some((prefix) => key.startsWith(prefix)))).toEqual([]);
    // The Go files of the embed have that name as well.
    const files = /^embed_(list|preset|test|page|picture)$/;
    expect([...whole].filter((name) => !words.includes(name) && !files.test(name) && !words.some((key) => key.startsWith(name)))).toEqual([]);
  });

  test("every refusal of the rules and every state of the server can be said", () => {
    const folder = join(frontend, "../server");
    expect(existsSync(folder)).toBe(true);
    const go = filesUnder(folder, ".go")
      .filter((file) => !file.endsWith("_test.go"))
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    const refusals = new Set([...go.matchAll(/refuse\(geo\.\w+, "([a-z-]+[a-z])"/g)].map((m) => m[1]!));
    const problems = new Set([...go.matchAll(/StatusServiceUnavailable, "([a-z-]+)"/g)].map((m) => m[1]!));
    expect(refusals.size).toBeGreaterThan(10);
    expect(problems.size).toBeGreaterThan(3);
    // Of calls that no screen makes.
    const elsewhere = new Set(["bad-args", "bad-key", "rule-owned"]);
    for (const code of [...refusals, ...problems]) {
      if (!elsewhere.has(code)) expect(catalogues.en, code).toHaveProperty([`problem_${code.replaceAll("-", "_")}`]);
    }
  });
});

type Node = Readonly<{ type: string; data?: string; name?: string; value?: unknown; expression?: unknown }>;

/** Texts that people would read and that stand in the markup itself. */
function hardCoded(source: string): string[] {
  const found: string[] = [];
  const spoken = new Set(["title", "placeholder", "alt", "label", "aria-label", "aria-description", "aria-roledescription"]);
  const walk = (node: unknown, inside: string): void => {
    if (Array.isArray(node)) return node.forEach((child) => walk(child, inside));
    if (typeof node !== "object" || node === null) return;
    const n = node as Node;
    // Names of keys are the same on every keyboard.
    if (n.type === "Text" && n.data && inside !== "kbd" && /\p{L}{2,}/u.test(n.data) && !inside.startsWith("attr:")) found.push(n.data.trim());
    if (n.type === "Attribute" && n.name && spoken.has(n.name) && Array.isArray(n.value)) {
      for (const part of n.value as Node[]) if (part.type === "Text" && part.data && /\p{L}/u.test(part.data)) found.push(`${n.name}="${part.data}"`);
    }
    const next = n.type === "Attribute" ? `attr:${n.name}` : n.type === "RegularElement" ? (n.name ?? "") : inside;
    for (const [key, child] of Object.entries(n)) if (key !== "metadata") walk(child, next);
  };
  walk(parse(source, { modern: true }).fragment, "");
  return found;
}

describe("no text that a person reads stands in a component", () => {
  test("the check finds one", () => {
    expect(hardCoded(`<p>Hello <b>{name}</b></p><input placeholder="Name" class="wide" />`)).toEqual(["Hello", 'placeholder="Name"']);
    expect(hardCoded(`<p class="big">{m.hello()} · <kbd>Esc</kbd></p>`)).toEqual([]);
  });
  test.each(filesUnder(join(frontend, "src"), ".svelte").map((file) => [file.slice(frontend.length + 5), file]))("%s", (_, file) => {
    expect(hardCoded(readFileSync(file, "utf8"))).toEqual([]);
  });
});

describe("style", () => {
  const sources = [...filesUnder(join(frontend, "src/views"), ".svelte"), ...filesUnder(join(frontend, "src/ui"), ".svelte"), ...filesUnder(join(frontend, "src/ui"), ".css")];
  test.each(sources.map((file) => [file.slice(frontend.length + 5), file]))("%s: no colour of its own, no left or right", (_, file) => {
    const text = readFileSync(file, "utf8");
    const css = file.endsWith(".css") ? text : [...text.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((m) => m[1]!).join("\n");
    const rules = css.replace(/\/\*[\s\S]*?\*\//g, "");
    expect(rules).not.toMatch(/#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch|oklab)a?\(\s*[\d.]/i);
    expect(rules).not.toMatch(/\b(?:margin|padding|border|inset)-(?:left|right|top|bottom)\b/);
    expect(rules).not.toMatch(/text-align:\s*(?:left|right)/);
  });
});
