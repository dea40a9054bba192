import type { Label, Language, Theme } from "../preset";
import { overwriteGetLocale } from "../paraglide/runtime.js";
import { formatOf, languages, rightToLeft, type Format } from "./format";
import { labelOf } from "./codes";
import { chooseLanguage, chooseTheme } from "./choices";

const languageKey = "rasad.language";
const themeKey = "rasad.theme";

/** What the reader chose, reactive: a change is on the screen at once, without loading anything again. */
class Settings {
  language = $state<Language>("en");
  theme = $state<Theme>("night");
  /** Of the city, from the server. Never the browser's. */
  timeZone = $state("UTC");
  /** Nobody chose a language yet: the first one of the preset applies. */
  languageIsGuess = true;

  /** How numbers, times and dates are written now. */
  get format(): Format {
    return formatOf(this.language, this.timeZone);
  }

  get rtl(): boolean {
    return rightToLeft.has(this.language);
  }

  /** The text of a label in the present language. */
  label(row: Readonly<{ label: Label }> | undefined, code: string): string {
    return labelOf(row, code, this.language);
  }

  /** Reads the address, then what was remembered, then the browser. `theme` is what the view has by itself. */
  start(theme: Theme): void {
    const query = new URLSearchParams(location.search);
    const language = chooseLanguage(query.get("lang"), recall(languageKey), navigator.languages);
    this.language = language.language;
    this.languageIsGuess = language.guess;
    this.theme = chooseTheme(query.get("theme"), recall(themeKey), theme);
    // Messages ask for the language while they are drawn, so every text follows it by itself.
    overwriteGetLocale(() => this.language);
    this.apply();
  }

  setLanguage(language: Language): void {
    this.language = language;
    this.languageIsGuess = false;
    remember(languageKey, language);
    this.apply();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    remember(themeKey, theme);
    this.apply();
  }

  /** The first language of the city, when the browser had none of ours. */
  offerLanguage(language: Language): void {
    if (!this.languageIsGuess || !languages.includes(language)) return;
    this.language = language;
    this.apply();
  }

  apply(): void {
    const root = document.documentElement;
    root.lang = this.language;
    root.dir = this.rtl ? "rtl" : "ltr";
    root.dataset["theme"] = this.theme;
  }
}

function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // kept for this page only
  }
}

/** The one set of settings of this page. */
export const settings = new Settings();
