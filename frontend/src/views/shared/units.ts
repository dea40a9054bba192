import type { Codes } from "../../ui/codes";
import type { Language } from "../../preset";
import { labelOf } from "../../ui/codes";
import { flag, list, text, type Feature } from "../../world/feature";

/** What the list of units is narrowed to. */
export type UnitFilter = Readonly<{
  /** Every word must be found in the name, key, agency, kind or a capability, in the reader's language or as a code. */
  words: string;
  /** Codes of statuses; empty is all. */
  statuses: ReadonlySet<string>;
}>;

/** Distress first, then by status in the order of its life with the busy before the free, then by name as people count. */
export function unitOrder(codes: Codes): (a: Feature, b: Feature) => number {
  const rank = new Map(codes.statuses.map((s) => [s.code, (s.busy ? 0 : s.dispatchable ? 100 : 200) + s.order]));
  return (a, b) =>
    Number(flag(b, "distress")) - Number(flag(a, "distress")) ||
    (rank.get(text(a, "status")) ?? 300) - (rank.get(text(b, "status")) ?? 300) ||
    compare(sortName(a), sortName(b));
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

const sortNames = new WeakMap<Feature, string>();

/** The name with its numbers of one width, so that Engine 2 comes before Engine 10. A collator is ten times slower at 5,000 units. */
function sortName(unit: Feature): string {
  let name = sortNames.get(unit);
  if (name === undefined) {
    name = `${nameOf(unit)}\n${unit.key}`.replace(/\d+/g, (digits) => digits.padStart(9, "0"));
    sortNames.set(unit, name);
  }
  return name;
}

/** The name of a feature, its key where it has none. */
export function nameOf(feature: Feature): string {
  return text(feature, "name") || feature.key;
}

const searched = new WeakMap<Feature, { language: Language; text: string }>();

function searchText(unit: Feature, codes: Codes, language: Language): string {
  const known = searched.get(unit);
  if (known?.language === language) return known.text;
  const agency = text(unit, "agency");
  const kind = text(unit, "type");
  const words = [
    unit.key,
    nameOf(unit),
    agency,
    labelOf(codes.agency(agency), "", language),
    kind,
    labelOf(codes.unitKind(kind), "", language),
    ...list(unit, "capabilities").flatMap((code) => [code, labelOf(codes.capability(code), "", language)]),
  ];
  const entry = { language, text: fold(words.join(" ")) };
  searched.set(unit, entry);
  return entry.text;
}

/** Narrows a list of units. */
export function filterUnits(units: readonly Feature[], filter: UnitFilter, codes: Codes, language: Language): readonly Feature[] {
  const words = fold(filter.words).split(/\s+/).filter(Boolean);
  if (words.length === 0 && filter.statuses.size === 0) return units;
  return units.filter((unit) => {
    // Someone who needs help is never filtered away.
    if (flag(unit, "distress")) return true;
    if (filter.statuses.size > 0 && !filter.statuses.has(text(unit, "status"))) return false;
    if (words.length === 0) return true;
    const found = searchText(unit, codes, language);
    return words.every((word) => found.includes(word));
  });
}

/** Makes texts comparable: case, width, Arabic forms of Persian letters, digits, and half spaces. */
export function fold(written: string): string {
  return written
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[يى]/g, "ی")
    .replace(/ك/g, "ک")
    .replace(/[۰-۹]/g, (d) => String(d.charCodeAt(0) - 0x06f0))
    .replace(/[٠-٩]/g, (d) => String(d.charCodeAt(0) - 0x0660))
    .replace(/\u200c/g, " ");
}
