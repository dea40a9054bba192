import type { Language, Preset } from "../../preset";
import { number, text, time, type Feature } from "../../world/feature";

/** A number that somebody reported, in words that a screen can show. */
export type ReportedFigure = Readonly<{
  name: string;
  label: string;
  value: number;
  unit: string;
  /** Unix ms. */
  asOf: number;
  source: string;
  confirmed: "confirmed" | "reported" | "estimated";
  definition: string;
  feature: Feature;
}>;

/** The figures in the order of the preset, those of nobody's list after them by name. One without a number or a time is none. */
export function figuresOf(features: readonly Feature[], preset: Preset, language: Language): readonly ReportedFigure[] {
  const rows = preset.figures ?? [];
  const order = (name: string) => {
    const i = rows.findIndex((row) => row.code === name);
    return i < 0 ? rows.length : i;
  };
  return features
    .flatMap((feature): ReportedFigure[] => {
      const name = text(feature, "name");
      const row = rows.find(({ code }) => code === name);
      const [value, asOf] = [number(feature, "value"), time(feature, "as_of")];
      if (Number.isNaN(value) || Number.isNaN(asOf)) return [];
      const sure = text(feature, "confirmed");
      return [
        {
          ...{ name, value, asOf, feature, source: text(feature, "source") },
          label: row?.label[language] ?? (text(feature, "label") || name),
          unit: row?.unit[language] ?? text(feature, "unit"),
          definition: row?.definition[language] ?? text(feature, "definition"),
          confirmed: sure === "confirmed" || sure === "estimated" ? sure : "reported",
        },
      ];
    })
    .sort((a, b) => order(a.name) - order(b.name) || (a.name < b.name ? -1 : 1));
}

/** Decisions that are open, the one that is due first on top, those without a time last. */
export function decisionsOf(features: readonly Feature[]): readonly Readonly<{ feature: Feature; due: number }>[] {
  return features
    .filter((feature) => text(feature, "status") === "open")
    .map((feature) => ({ feature, due: time(feature, "due") }))
    .sort((a, b) => (Number.isNaN(a.due) ? Infinity : a.due) - (Number.isNaN(b.due) ? Infinity : b.due) || a.feature.id - b.feature.id);
}
