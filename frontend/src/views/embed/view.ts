/** What the page shows, as elements: the state, the answer and the list. No framework, no markup from strings. */
import type { Format } from "../../ui/format";
import { bearing } from "./geometry";
import { directionOf, nearTo, type Answer, type Here } from "./answer";
import type { Item } from "./list";
import { say, type PublicFeature } from "./public";
import type { State } from "./refresh";
import { drawSign, signOf } from "./signs";
import type { Words } from "./words";

type Child = Node | string | null | false;

/** An element with a class, attributes and children; what is empty or null is left out. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, name = "", attributes: Readonly<Record<string, string>> = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child): child is Node | string => !!child));
  return element;
}

/** A button. */
export function button(name: string, text: string, press: () => void): HTMLButtonElement {
  const b = el("button", name, { type: "button" }, text);
  b.addEventListener("click", press);
  return b;
}

/** Puts children in the place of those that are there. What is the same stays, so that focus and scrolling do. */
export function fill(parent: Element, ...children: Child[]): void {
  const next = children.filter((child): child is Node | string => !!child);
  const same = parent.childNodes.length === next.length && next.every((child, i) => (typeof child === "string" ? parent.childNodes[i]!.textContent === child : parent.childNodes[i]!.isEqualNode(child)));
  if (!same) parent.replaceChildren(...next);
}

/** What words and numbers a view is made of. */
export type Speech = Readonly<{ words: Words; format: Format }>;

/** What the page says of itself. */
export type Standing = Readonly<{
  /** Null: it has just been opened and nothing was heard. */
  state: State | null;
  /** When what it shows was so, Unix ms; NaN: not known. */
  asOf: number;
  ageS: number;
  exercise: boolean;
  simulated: boolean;
}>;

/** Draws the line at the top: a word, a time, and what is wrong. */
export function drawStanding(top: Element, { state, asOf, ageS, exercise, simulated }: Standing, { words, format }: Speech): void {
  const time = Number.isFinite(asOf) ? el("time", "", { datetime: new Date(asOf).toISOString() }, format.clock(asOf)) : null;
  const old = state && state !== "LIVE" && (Number.isFinite(ageS) ? words("embed_state_old", { age: format.age(ageS), time: format.moment(asOf, asOf + ageS * 1000) }) : words("embed_state_never"));
  const [before = "", after = ""] = words("embed_as_of", { time: "\u0000" }).split("\u0000");
  fill(
    top,
    exercise && mark("exercise", words("embed_exercise"), words("embed_exercise_help")),
    simulated && mark("simulated", words("embed_simulated"), words("embed_simulated_help")),
    el("p", "state", { "data-state": state ?? "" }, state && el("strong", "", { "data-testid": "state-word" }, words(`embed_state_${state}`)), time && el("span", "asof", {}, before, time, after)),
    old && el("p", "old", {}, old),
  );
}

const mark = (name: string, word: string, help: string) => el("p", `mark ${name}`, {}, el("strong", "", {}, word), el("span", "", {}, help));

/** A distance with its direction, in words. */
function way(words: Words, format: Format, key: "embed_way" | "embed_away" | "embed_edge_from_inside", metres: number, towards: number): string {
  return words(key, { distance: format.distance(metres), direction: words(`embed_direction_${directionOf(towards)}`) });
}

/** What the answer knows besides. */
export type Telling = Readonly<{ here: Here; /** The page is not LIVE. */ old: boolean; asOf: number; now: number }>;

/** The answer to "am I inside": one voice, the most urgent first. */
export function drawAnswer({ verdict, dangers, shelter }: Answer, { here, old, asOf, now }: Telling, { words, format }: Speech): HTMLElement {
  const first = dangers[0];
  const title = (f: PublicFeature) => say(f.properties.title, format.language) || f.properties.type;
  const within = verdict === "inside" || verdict === "maybe";
  const advice = within && first ? say(first.feature.properties.advice, format.language) : "";
  const until = within && first?.feature.properties.valid_until;
  const also = within ? dangers.slice(1) : [];
  const box = el("div", `verdict ${verdict}`, { "data-testid": "verdict", "data-verdict": verdict }, el("h2", "", {}, words(`embed_verdict_${verdict}`)));
  if (old) box.append(el("p", "old", {}, words("embed_answer_old", { time: format.moment(asOf, now) })));
  if (first) {
    const edge = Number.isNaN(first.towards)
      ? words("embed_edge_here")
      : within
        ? way(words, format, "embed_edge_from_inside", first.metres, first.towards)
        : words("embed_edge_from_outside", { title: title(first.feature), distance: format.distance(first.metres), direction: words(`embed_direction_${directionOf(first.towards)}`) });
    if (within) box.append(el("p", "what", {}, drawSign(signOf(first.feature)), el("strong", "", {}, title(first.feature))));
    if (advice) box.append(el("p", "do", {}, el("span", "label", {}, words("embed_do")), advice));
    box.append(el("p", "edge", { "data-testid": "edge" }, edge));
    if (until) box.append(el("p", "until", {}, words("embed_until", { time: format.moment(Date.parse(until), 0) })));
    if (also.length > 0) box.append(el("p", "also", {}, words("embed_also", { titles: format.list(also.map((d) => title(d.feature))) })));
  } else if (verdict === "none") box.append(el("p", "", {}, words("embed_none_help")));

  const refuge = el("div", "refuge", { "data-testid": "refuge" });
  if (shelter) {
    const { room } = shelter.feature.properties;
    const counted = Date.parse(room?.counted_at ?? "");
    const word = Number.isNaN(counted) ? words("embed_uncounted") : words("embed_counted", { time: words("embed_ago", { time: format.moment(counted, now), age: format.age((now - counted) / 1000) }) });
    refuge.append(
      el("p", "label", {}, words("embed_shelter")),
      el("p", "what", {}, drawSign(signOf(shelter.feature)), el("strong", "", {}, title(shelter.feature))),
      el("p", "", {}, way(words, format, "embed_way", shelter.metres, shelter.towards)),
      el("p", "quiet", {}, word),
    );
  } else refuge.append(el("p", "quiet", {}, words("embed_shelter_none")));
  const basis = here.accuracyM > 0 ? words("embed_accuracy", { distance: format.distance(here.accuracyM) }) : words("embed_pointed");
  return el("div", "told", {}, box, refuge, el("p", "quiet", {}, basis));
}

/** What the list adds when it knows where somebody is. */
function distanceTo(item: Item, here: Here, { words, format }: Speech): string {
  const near = nearTo(here.at, item.feature);
  if (!near) return "";
  if (near.inside) return words("embed_away_inside");
  return way(words, format, "embed_away", near.metres, bearing(here.at, near.edge));
}

/** The list; the classes are those of the server's. `show` brings an item onto the map; null: there is no map. */
export function drawList(items: readonly Item[], here: Here | null, show: ((id: string) => void) | null, speech: Speech): HTMLElement {
  const { words } = speech;
  if (items.length === 0) return el("p", "none", {}, words("embed_none"), " ", el("span", "none-help", {}, words("embed_none_help")));
  const lang = (code: string): Record<string, string> => (code ? { lang: code, dir: "auto" } : {});
  return el(
    "ol",
    "items",
    {},
    ...items.map((item) => {
      const { properties, geometry } = item.feature;
      const line = (name: string, text: string, attributes: Record<string, string> = {}) => text && el("p", name, attributes, text);
      const li = el(
        "li",
        "",
        { id: `item-${item.id}`, tabindex: "-1", "data-id": item.id, "data-kind": properties.kind, "data-severity": properties.severity ?? "unknown", "data-status": properties.status, "data-testid": "item" },
        drawSign(signOf(item.feature)),
        el("h3", "", lang(item.titleLang), item.title),
        el("p", "kind", {}, item.kind, item.severity && " · ", item.severity && el("strong", "", {}, item.severity), item.over && ` · ${item.over}`),
        line("advice", item.advice, lang(item.adviceLang)),
        here && line("away", distanceTo(item, here, speech)),
        line("where", item.where),
        line("room", item.room, { "data-room": properties.room?.state ?? "" }),
        line("holds", item.holds),
        line("counted", item.counted),
        line("until", item.until),
        line("updated", item.updated),
      );
      if (show && geometry) {
        const b = button("show", words("embed_show"), () => show(item.id));
        b.dataset["id"] = item.id;
        b.setAttribute("aria-label", `${words("embed_show")}: ${item.title}`);
        li.append(b);
      }
      return li;
    }),
  );
}
