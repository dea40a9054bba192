import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Language } from "../../preset";
import { formatOf } from "../../ui/format";
import { listOf, type Item } from "./list";
import { kinds, type Box, type PublicFeature } from "./public";
import { wordsOf, type Word } from "./words";

const frontend = join(import.meta.dirname, "../../..");
type Want = Readonly<Record<string, string>>;
type Case = Readonly<{ name: string; zone: string; layers: readonly string[]; area: Box | null; features: readonly PublicFeature[]; want: Readonly<Record<Language, readonly Want[]>> }>;
const { cases } = JSON.parse(readFileSync(join(frontend, "../server/api/testdata/embed_list.json"), "utf8")) as { cases: readonly Case[] };
const words = (language: Language) => wordsOf(JSON.parse(readFileSync(join(frontend, `messages/embed/${language}.json`), "utf8")) as Record<Word, string>);

/** An item as the table has it. */
function written({ feature: _, titleLang, adviceLang, ...item }: Item): Want {
  return Object.fromEntries(Object.entries({ ...item, title_lang: titleLang, advice_lang: adviceLang }).filter(([, text]) => text !== ""));
}

test("there is a table", () => {
  expect(cases.length).toBeGreaterThan(3);
});

describe.each(["fa", "zh", "en"] as const)("in %s the script's list is the server's", (language) => {
  test.each(cases.map((c) => [c.name, c] as const))("%s", (_, c) => {
    const filter = { layers: new Set(kinds.filter((kind) => c.layers.length === 0 || c.layers.includes(`${kind}s`))), area: c.area };
    const got = listOf([...c.features].reverse(), filter, words(language), formatOf(language, c.zone));
    expect(got.map(written)).toEqual(c.want[language]);
  });
});

test("every feature is in the list once, whatever the order in which it came", () => {
  const all = cases.flatMap((c, i) => c.features.map((f) => ({ ...f, id: `${f.id}-${i}` })));
  const list = (features: readonly PublicFeature[]) => listOf(features, { layers: new Set(kinds), area: null }, words("en"), formatOf("en", "UTC")).map((item) => item.id);
  const ids = list(all);
  expect(ids.toSorted()).toEqual(all.map((f) => f.id).toSorted());
  expect(list(all.toReversed())).toEqual(ids);
});
