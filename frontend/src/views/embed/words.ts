/** The words of the embed: one catalogue, of the language of the page, and no more of the translations than that. */
import type en from "../../../messages/embed/en.json";
import type { Language } from "../../preset";

/** The names of all words. */
export type Word = Exclude<keyof typeof en, "$schema">;
/** A text by its name, with its {parameters} filled in. */
export type Words = (name: Word, inputs?: Readonly<Record<string, string>>) => string;

const catalogues = import.meta.glob<Readonly<Record<Word, string>>>("../../../messages/embed/*.json", { import: "default" });

/** Loads the words of a language. */
export async function loadWords(language: Language): Promise<Words> {
  return wordsOf(await catalogues[`../../../messages/embed/${language}.json`]!());
}

/** The words of a catalogue. */
export function wordsOf(catalogue: Readonly<Record<Word, string>>): Words {
  return (name, inputs = {}) => catalogue[name].replace(/\{(\w+)\}/g, (_, key: string) => inputs[key] ?? "");
}
