/** The page on which a news site makes its embed: choices on one side, what its readers will see on the other, and the code to copy. */
import "./builder.css";
import { formatOf } from "../../ui/format";
import { canDraw, openMap, type EmbedMap } from "./map";
import { addressOf, approvalMost, layers, readOptions, readPage, sizes, textMost, themes, type Layer, type Options } from "./options";
import type { Box } from "./public";
import { button, el } from "./view";
import { loadWords } from "./words";

/** How tall a frame should be for each size of the map, in pixels. */
const heights = { compact: 440, normal: 600, tall: 780 } as const;
/** Widths at which a reader will see it. */
const widths = { phone: 375, desktop: 960 } as const;
/** Somebody who types or drags is not followed by a page that loads with each step. */
const settleMs = 400;
const languageNames = { fa: "فارسی", zh: "中文", en: "English" } as const;

/** The code for a page elsewhere. */
export function snippetOf(origin: string, o: Options, title: string): string {
  const quoted = (text: string) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  return `<iframe src="${quoted(origin + addressOf(o))}" title="${quoted(title)}" width="100%" height="${heights[o.size]}" style="border:0" allow="geolocation" loading="lazy" referrerpolicy="no-referrer"></iframe>`;
}

/** Builds the form in the place of the list. */
export async function build(): Promise<void> {
  const page = readPage(document.documentElement);
  const words = await loadWords(page.language);
  const format = formatOf(page.language, page.zone);
  const list = document.getElementById("list")!;
  document.documentElement.dataset["script"] = "";
  let o: Options = { ...readOptions(location.search), lang: null, world: page.world };
  const city = page.cover ?? page.box;
  let drawn: Box | null = o.area ?? city;

  // ---- What is made ----

  const frame = el("iframe", "", { title: words("embed_build_preview"), allow: "geolocation", "data-testid": "preview" });
  const stage = el("div", "stage", {}, frame);
  const code = el("textarea", "", { id: "code", readonly: "", rows: "5", dir: "ltr", spellcheck: "false", "data-testid": "snippet" });
  const copied = el("span", "quiet", { role: "status" });
  let width: keyof typeof widths = "phone";
  let timer: ReturnType<typeof setTimeout> | undefined;
  function show(): void {
    code.value = snippetOf(location.origin, o, words("embed_title", { city: page.city }));
    frame.height = String(heights[o.size]);
    frame.width = String(widths[width]);
    copied.textContent = "";
    clearTimeout(timer);
    timer = setTimeout(() => {
      // Readers have it in their own language; whoever chooses that is one of them.
      const address = addressOf({ ...o, lang: o.lang ?? page.language });
      if (frame.getAttribute("src") !== address) frame.src = address;
    }, frame.src ? settleMs : 0);
  }
  const set = (change: Partial<Options>): void => {
    o = { ...o, ...change };
    show();
  };

  // ---- The choices ----

  const choice = <T extends string>(id: string, label: string, value: T, values: readonly (readonly [T, string])[], chosen: (value: T) => void): HTMLElement => {
    const select = el("select", "", { id, "data-testid": id }, ...values.map(([v, text]) => el("option", "", v === value ? { value: v, selected: "" } : { value: v }, text)));
    select.addEventListener("change", () => chosen(select.value as T));
    return el("p", "field", {}, el("label", "", { for: id }, label), select);
  };
  const check = (id: string, label: string, on: boolean, changed: (on: boolean) => void): HTMLElement => {
    const box = el("input", "", { type: "checkbox", id, "data-testid": id });
    box.checked = on;
    box.addEventListener("change", () => changed(box.checked));
    return el("p", "check", {}, box, el("label", "", { for: id }, label));
  };
  const group = (label: string, ...children: HTMLElement[]) => el("fieldset", "", {}, el("legend", "", {}, label), ...children);

  const text = el("input", "", { type: "range", id: "text", min: "1", max: String(textMost), step: "0.1", value: String(o.text), "data-testid": "text" });
  const textSays = el("output", "", { for: "text" }, format.percent(o.text));
  text.addEventListener("input", () => {
    textSays.textContent = format.percent(Number(text.value));
    set({ text: Number(text.value) });
  });
  const approval = el("input", "", { type: "text", id: "approval", maxlength: String(approvalMost), value: o.approval, placeholder: page.approval, "data-testid": "approval" });
  approval.addEventListener("input", () => set({ approval: approval.value.trim() }));

  // ---- The area ----

  let map: EmbedMap | null = null;
  let own = false; // the map moves because a number was written
  const sides = (["west", "south", "east", "north"] as const).map((side, i) => {
    const input = el("input", "", { type: "number", id: side, step: "0.001", inputmode: "decimal", dir: "ltr", "data-testid": side });
    input.addEventListener("change", () => {
      const next = [...(drawn ?? [0, 0, 1, 1])] as [number, number, number, number];
      next[i] = Number(input.value);
      if (next[0] < next[2] && next[1] < next[3]) {
        own = true;
        map?.all(next);
        area(next);
      } else write();
    });
    return { input, field: el("p", "field", {}, el("label", "", { for: side }, words(`embed_build_${side}`)), input) };
  });
  const write = () => sides.forEach(({ input }, i) => (input.value = drawn ? drawn[i]!.toFixed(4) : ""));
  const round = (box: Box): Box => box.map((n) => Math.round(n * 1e4) / 1e4) as unknown as Box;
  function area(next: Box): void {
    drawn = round(next);
    write();
    if (!whole.querySelector("input")!.checked) set({ area: drawn });
  }
  const mapBox = el("div", "map", { dir: "ltr", "data-testid": "area-map" });
  const whole = check("city", words("embed_build_area_city"), o.area === null, (on) => {
    areaBox.hidden = on;
    set({ area: on ? null : drawn });
    if (!on) void bringMap();
  });
  const areaBox = el("div", "area", {}, el("p", "quiet", {}, words("embed_build_area_help")), mapBox, el("div", "sides", {}, ...sides.map(({ field }) => field)));
  areaBox.hidden = o.area === null;
  async function bringMap(): Promise<void> {
    if (map || !canDraw()) return;
    map = await openMap(mapBox, { language: page.language, words, ground: page.ground, box: drawn, cooperative: false, lost: () => {}, picked: () => {}, pointed: () => {} });
    map.onMove((byHand) => {
      if (byHand) own = false;
      if (!own && map) area(map.bounds());
    });
  }
  write();

  const form = el(
    "form",
    "choices",
    {},
    group(words("embed_build_layers"), ...layers.map((layer) => check(layer, words(`embed_build_${layer}`), o.layers.includes(layer), (on) => set({ layers: layers.filter((one: Layer) => (one === layer ? on : o.layers.includes(one))) })))),
    group(words("embed_build_area"), whole, areaBox),
    choice("lang", words("embed_build_language"), "", [["", words("embed_build_language_any")], ...Object.entries(languageNames)], (value) => set({ lang: value === "" ? null : (value as keyof typeof languageNames) })),
    choice("theme", words("embed_build_theme"), o.theme, themes.map((theme) => [theme, words(`embed_build_theme_${theme}`)] as const), (theme) => set({ theme })),
    choice("size", words("embed_build_size"), o.size, sizes.map((size) => [size, words(`embed_build_size_${size}`)] as const), (size) => set({ size })),
    el("p", "field", {}, el("label", "", { for: "text" }, words("embed_build_text")), text, textSays),
    check("list-beside", words("embed_build_list"), o.list, (on) => set({ list: on })),
    el("p", "field", {}, el("label", "", { for: "approval" }, words("embed_build_approval")), approval),
  );
  form.addEventListener("submit", (event) => event.preventDefault());

  const wide = (Object.keys(widths) as (keyof typeof widths)[]).map((name) => {
    const b = button("", words(`embed_build_${name}`), () => {
      width = name;
      for (const other of wide) other.setAttribute("aria-pressed", String(other === b));
      show();
    });
    b.setAttribute("aria-pressed", String(name === width));
    b.dataset["testid"] = `preview-${name}`;
    return b;
  });
  const copy = button("primary", words("embed_build_copy"), () => {
    navigator.clipboard?.writeText(code.value).then(
      () => (copied.textContent = words("embed_build_copied")),
      () => byHand(),
    ) ?? byHand();
  });
  copy.dataset["testid"] = "copy";
  const byHand = () => {
    code.focus();
    code.select();
    copied.textContent = words("embed_build_copy_by_hand");
  };

  document.title = words("embed_build_title");
  list.replaceChildren(
    el("h1", "", {}, words("embed_build_title")),
    el("p", "help", {}, words("embed_build_help")),
    el(
      "div",
      "desk",
      {},
      form,
      el(
        "div",
        "made",
        {},
        el("section", "", {}, el("h2", "", {}, el("label", "", { for: "code" }, words("embed_build_code"))), code, el("p", "buttons", {}, copy, copied)),
        el("section", "", {}, el("h2", "", {}, words("embed_build_preview")), el("p", "buttons", { role: "group", "aria-label": words("embed_build_preview") }, ...wide), stage),
      ),
    ),
  );
  // An embed without any layer says nothing: the last one cannot be taken away.
  form.addEventListener("change", () => {
    const boxes = layers.map((layer) => form.querySelector<HTMLInputElement>(`#${layer}`)!);
    const on = boxes.filter((box) => box.checked);
    for (const box of boxes) box.disabled = on.length === 1 && box.checked;
  });
  show();
  if (o.area) void bringMap();
}
