/** What the list says, and so what the map draws: the same as the server's list without a script (server/api/testdata/embed_list.json). */
import type { Language } from "../../preset";
import type { Format } from "../../ui/format";
import { boxOf, meets } from "./geometry";
import { kinds, severities, type Box, type PublicFeature, type PublicKind, type Text } from "./public";
import type { Words } from "./words";

/** What of the public world a page shows. */
export type Filter = Readonly<{ layers: ReadonlySet<PublicKind>; area: Box | null }>;

/** One thing in the list, in words. What is empty is not shown. */
export type Item = Readonly<{
  id: string;
  feature: PublicFeature;
  title: string;
  kind: string;
  severity: string;
  over: string;
  advice: string;
  where: string;
  room: string;
  holds: string;
  counted: string;
  until: string;
  updated: string;
  /** The language of a text that the page's language lacks; "" when it has it. */
  titleLang: string;
  adviceLang: string;
}>;

/** An unknown severity and none are alike. */
const rank = (f: PublicFeature) => {
  const i = severities.indexOf(f.properties.severity ?? "unknown");
  return i < 0 ? severities.length - 1 : i;
};

/** A text, and the language that it is in. */
function said(text: Text | undefined, language: Language): readonly [text: string, lang: string] {
  for (const lang of [language, "en", "fa", "zh"] as const) {
    const s = text?.[lang];
    if (s) return [s, lang === language ? "" : lang];
  }
  return ["", ""];
}

/** Whether a page shows a feature. One that has no public place belongs to every area. */
export function shows({ layers, area }: Filter, { geometry, properties }: PublicFeature): boolean {
  if (!layers.has(properties.kind)) return false;
  const box = geometry && boxOf(geometry, properties.radius_m);
  return !area || !box || meets(area, box);
}

/** The list, the worst first. */
export function listOf(features: Iterable<PublicFeature>, filter: Filter, words: Words, format: Format): readonly Item[] {
  const items = Array.from(features)
    .filter((f) => shows(filter, f))
    .map((f) => itemOf(f, words, format));
  const over = (item: Item) => (item.over ? 1 : 0);
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return items.sort(
    (a, b) =>
      over(a) - over(b) ||
      rank(a.feature) - rank(b.feature) ||
      kinds.indexOf(a.feature.properties.kind) - kinds.indexOf(b.feature.properties.kind) ||
      order(a.title, b.title) ||
      order(a.id, b.id),
  );
}

function itemOf(feature: PublicFeature, words: Words, format: Format): Item {
  const { kind, type, title, advice, severity, status, radius_m: radius = 0, room, updated_at, valid_until } = feature.properties;
  const [name, titleLang] = said(title, format.language);
  const [todo, adviceLang] = said(advice, format.language);
  // With the day, always: a page is kept by caches, on paper and in pictures.
  const moment = (time: string | undefined) => (time ? format.moment(Date.parse(time), 0) : "");
  const when = (key: "embed_until" | "embed_updated", time: string | undefined) => (time ? words(key, { time: moment(time) }) : "");
  const shape = feature.geometry?.type;
  const { from = 0, to = 0 } = room ?? {};
  return {
    id: feature.id,
    feature,
    title: name || type,
    titleLang,
    kind: words(`embed_kind_${kind}`),
    severity: severity && severity !== "unknown" && severities.includes(severity) ? words(`embed_severity_${severity}`) : "",
    over: status === "over" ? words("embed_over") : "",
    advice: todo,
    adviceLang,
    where: !shape
      ? words("embed_where_hidden")
      : shape !== "Point"
        ? words("embed_where_area")
        : radius > 0
          ? words("embed_where_within", { distance: format.distance(radius) })
          : words("embed_where_point"),
    room: room ? words(`embed_room_${room.state}`) : "",
    holds: holds(from, to, words, format),
    counted: room ? (room.counted_at ? words("embed_counted", { time: moment(room.counted_at) }) : words("embed_uncounted")) : "",
    until: when("embed_until", valid_until),
    updated: when("embed_updated", updated_at),
  };
}

function holds(from: number, to: number, words: Words, format: Format): string {
  const inputs = { from: format.number(from), to: format.number(to) };
  if (to > 0) return words(from > 1 ? "embed_holds_between" : "embed_holds_up_to", inputs);
  return from > 0 ? words("embed_holds_from", inputs) : "";
}
