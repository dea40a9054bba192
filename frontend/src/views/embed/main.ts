/**
 * The embed begins with a list that the server has written, which can be read already. The script makes it current,
 * answers "am I inside", and at last brings a map where the picture stands. Whatever fails leaves what was there before.
 */
import "virtual:embed-tokens.css";
import "./embed.css";
import { formatOf } from "../../ui/format";
import { answer as answerFor, type Here } from "./answer";
import { listOf } from "./list";
import type { EmbedMap } from "./map";
import { kindsOf, readOptions, readPage } from "./options";
import type { Box, Place } from "./public";
import { Refresher, stateOf, type State } from "./refresh";
import { button, drawAnswer, drawList, drawStanding, el, fill } from "./view";
import { loadWords } from "./words";

/** What tests ask the page. */
declare global {
  interface Window {
    __embed?: Readonly<{ seq(): number; listed(): readonly string[]; drawn(): readonly string[] | null; idle(): boolean; project(at: Place): readonly [number, number] | null }>;
  }
}

/** A page that has just been opened says nothing of itself for so long. */
const patienceMs = 3000;

const html = document.documentElement;
const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`embed.html has no #${id}`);
  return found;
};

async function begin(): Promise<void> {
  const page = readPage(html);
  const options = readOptions(location.search);
  const words = await loadWords(page.language);
  const format = formatOf(page.language, page.zone);
  const speech = { words, format };
  const filter = { layers: kindsOf(options.layers), area: options.area };
  const [top, answerBox, picture, list] = [byId("top"), byId("answer"), byId("picture"), byId("list")];
  html.dataset["script"] = "";
  answerBox.setAttribute("aria-label", words("embed_ask"));
  picture.setAttribute("aria-label", `${words("embed_map")} · ${page.city}`); // the map in it is called a map as well

  let map: EmbedMap | null = null;
  let here: Here | null = null;
  let failed: "denied" | null = null;
  let watching: number | null = null;
  let locating = false;
  let pointing = false;
  const query = page.world ? `?world=${encodeURIComponent(page.world)}` : "";
  const refresher = new Refresher("/public/v1/snapshot.json", query, () => draw());

  // ---- The line at the top ----

  const written = list.querySelector<HTMLTimeElement>(".asof time");
  const begun = performance.now();
  const current = (): State | null => {
    if (refresher.world) return stateOf(refresher.ageS);
    return performance.now() - begun > patienceMs ? "NOT_LIVE" : null;
  };
  let state: State | null = null;
  function tick(): void {
    const was = state;
    state = current();
    const { world, asOf, ageS } = refresher;
    const moment = Number.isFinite(asOf) ? asOf : Date.parse(written?.dateTime ?? "");
    drawStanding(top, { state, asOf: moment, ageS, exercise: world?.exercise ?? false, simulated: world?.simulated ?? false }, speech);
    html.dataset["state"] = state ?? "";
    if (written && Number.isFinite(asOf)) {
      written.dateTime = new Date(asOf).toISOString();
      written.textContent = `${format.date(asOf)} ${format.time(asOf)}`;
    }
    if (state === was) return;
    map?.setLive(state === null || state === "LIVE");
    if (was && state) announce(words(`embed_state_${state}`));
    drawAsk();
  }

  // ---- What a screen reader is told without being asked ----

  const spoken = el("p", "spoken", { role: "status" });
  byId("foot").append(spoken);
  function announce(text: string): void {
    if (spoken.textContent !== text) spoken.textContent = text;
  }

  // ---- Am I inside ----

  const mapped = () => html.classList.contains("mapped");

  function drawAsk(): void {
    const { world } = refresher;
    const told = here && world ? answerFor(world.features.values(), here, page.cover ?? (options.area ? null : page.box), refresher.now) : null;
    const drawn = told && here ? drawAnswer(told, { here, old: state !== "LIVE", asOf: refresher.asOf, now: refresher.now }, speech) : null;
    const where = button(here ? "" : "primary", locating ? words("embed_locating") : here || failed ? words("embed_again") : words("embed_where"), locate);
    where.dataset["testid"] = "where";
    const onMap = mapped() ? button(pointing ? "on" : "", pointing ? words("embed_cancel") : words("embed_point"), () => point(!pointing)) : null;
    onMap?.setAttribute("data-testid", "point");
    const clear = here && button("", words("embed_clear"), forget);
    const focused = document.activeElement instanceof HTMLButtonElement && answerBox.contains(document.activeElement) ? document.activeElement.dataset["testid"] : undefined;
    fill(
      answerBox,
      !drawn && el("h2", "", {}, words("embed_ask")),
      drawn,
      failed === "denied" && !here && el("p", "denied", {}, words("embed_denied"), " ", words(map ? "embed_denied_help" : "embed_denied_list")),
      pointing && el("p", "denied", {}, words("embed_point_help")),
      el("div", "buttons", {}, where, onMap, clear),
      el("p", "private", {}, words("embed_private")),
    );
    // The answer has taken the button's place, and is read from its beginning.
    if (focused) answerBox.querySelector<HTMLElement>(`[data-testid="${focused}"]`)?.focus({ preventScroll: true });
    if (told) {
      const edge = answerBox.querySelector('[data-testid="edge"]')?.textContent ?? "";
      announce(`${words(`embed_verdict_${told.verdict}`)}. ${edge}`);
    }
  }

  function settle(next: Here | null): void {
    here = next;
    map?.setHere(next);
    draw();
  }

  /** Asks the browser. What it says goes to this page's memory and nowhere else, and is forgotten when the page is. */
  function locate(): void {
    stopWatching();
    [locating, failed, pointing] = [true, null, false];
    map?.point(false);
    drawAsk();
    if (!("geolocation" in navigator)) return deny();
    watching = navigator.geolocation.watchPosition(
      ({ coords }) => {
        [locating, failed] = [false, null];
        settle({ at: [coords.longitude, coords.latitude], accuracyM: Math.max(1, coords.accuracy) });
      },
      () => {
        // A position that was there and is not any more stays, with its accuracy; one that never came is said.
        if (!here || locating) deny();
      },
      { enableHighAccuracy: true, timeout: 15_000, maximumAge: 0 },
    );
  }
  function deny(): void {
    stopWatching();
    [locating, failed] = [false, "denied"];
    announce(words("embed_denied"));
    drawAsk();
  }
  function stopWatching(): void {
    if (watching !== null) navigator.geolocation.clearWatch(watching);
    watching = null;
  }
  function forget(): void {
    stopWatching();
    [locating, failed] = [false, null];
    settle(null);
    answerBox.querySelector<HTMLElement>('[data-testid="where"]')?.focus();
  }
  function point(on: boolean): void {
    pointing = on;
    if (on) {
      stopWatching();
      locating = false;
      picture.scrollIntoView({ block: "center" });
    }
    map?.point(on);
    drawAsk();
    if (on) announce(words("embed_point_help"));
  }

  // ---- The list ----

  const h2 = list.querySelector("h2") ?? list.appendChild(el("h2", "", {}, words("embed_list")));
  const items = el("div", "list");
  const details = el("details", "text", {}, el("summary"), items);
  items.append(...Array.from(list.children).filter((child) => child.matches(".items, .none")));
  // The page is current by itself, and what it says of changes stands with each of them.
  for (const old of list.querySelectorAll(".asof > .changed, .asof > .reload")) old.remove();
  h2.after(options.list ? items : details);
  let listed: readonly string[] = [];

  function draw(): void {
    tick();
    drawAsk();
    const { world } = refresher;
    if (!world) return;
    for (const mark of list.querySelectorAll(".marks")) mark.remove(); // the line at the top has them
    const all = listOf(world.features.values(), filter, words, format);
    listed = all.map((item) => item.id);
    const focused = document.activeElement instanceof HTMLElement && items.contains(document.activeElement) ? document.activeElement : null;
    const [id, kind] = [focused?.dataset["id"], focused?.tagName.toLowerCase()];
    fill(items, drawList(all, here, mapped() ? (id) => show(id) : null, speech));
    if (id && kind) items.querySelector<HTMLElement>(`${kind}[data-id="${CSS.escape(id)}"]`)?.focus();
    details.querySelector("summary")!.textContent = words("embed_list_show", { count: format.number(all.length) });
    map?.setItems(all);
    if (mapped()) return;
    if (seqOfPicture !== world.seq) renewPicture(world.seq);
    if (map) void reveal(map);
  }

  function show(id: string): void {
    picture.scrollIntoView({ block: "nearest" });
    map?.show(id);
  }

  function pick(id: string): void {
    details.open = true;
    const item = document.getElementById(`item-${id}`);
    item?.scrollIntoView({ block: "nearest" });
    item?.focus({ preventScroll: true });
  }

  // ---- The picture, and the map in its place ----

  const still = Array.from(picture.children);
  const caption = el("div", "caption", {}, ...Array.from(list.querySelectorAll<HTMLElement>(".approval, .credit")));
  if (caption.childElementCount === 0) caption.append(el("p", "credit", {}, page.credit));
  const box = el("div", "map", { dir: "ltr" });
  picture.append(caption);
  let seqOfPicture = -1;

  const frame = el("div", "still");
  frame.append(...still);
  picture.prepend(frame);

  /** The server's picture of now: where there is no map, the picture and the list say the same. */
  function renewPicture(seq: number): void {
    const first = seqOfPicture < 0;
    seqOfPicture = seq;
    if (!first) address(`v=${seq}`); // the first came with the page
  }
  /** Another address, or the browser shows what it has. */
  function address(mark: string): void {
    for (const image of frame.querySelectorAll("img, source")) {
      for (const name of ["src", "srcset"] as const) {
        const plain = image.getAttribute(name)?.replace(/&v=.*$/, "");
        if (plain) image.setAttribute(name, `${plain}&${mark}`);
      }
    }
  }
  // A picture that does not come leaves its place to the list, and is asked for again: many ask at once after an earthquake.
  let missed = 0;
  const missing = (): void => {
    frame.hidden = true;
    if (!map) setTimeout(() => !map && address(`v=${seqOfPicture}.${missed}`), Math.min(60_000, 3000 * 2 ** missed++) * (1 + Math.random()));
  };
  frame.addEventListener("error", missing, true);
  frame.addEventListener("load", () => ([frame.hidden, missed] = [false, 0]), true);
  const image = frame.querySelector("img");
  if (image?.complete && image.naturalWidth === 0) missing(); // before there was a script to hear of it

  let losses = 0;
  /** Puts the map over the picture, once it says what the picture says. */
  async function reveal(opened: EmbedMap): Promise<void> {
    const before = losses;
    await opened.shown();
    if (mapped() || map !== opened || losses !== before) return;
    html.classList.add("mapped");
    draw();
  }

  async function bringMap(): Promise<void> {
    const { canDraw, openMap } = await import("./map");
    if (!canDraw()) return;
    frame.after(box);
    const home: Box | null = options.area ?? page.box;
    const opened = await openMap(box, {
      language: page.language,
      words,
      ground: page.ground,
      box: home,
      cooperative: true,
      lost(lost) {
        if (!lost) return draw();
        html.classList.remove("mapped");
        renewPicture(refresher.world?.seq ?? 0);
        // A GPU that takes it away again and again is left alone.
        if (++losses > 3) leaveMap();
      },
      picked: pick,
      pointed(at) {
        pointing = false;
        failed = null;
        settle({ at, accuracyM: 0 });
        answerBox.scrollIntoView({ block: "nearest" });
      },
    });
    const control = (name: string, sign: string, press: () => void) => {
      const b = button("", sign, press);
      b.setAttribute("aria-label", name);
      b.title = name;
      return b;
    };
    box.append(el("div", "controls", {}, control(words("embed_zoom_in"), "+", () => opened.zoom(1)), control(words("embed_zoom_out"), "−", () => opened.zoom(-1)), control(words("embed_map_all"), "⤢", () => opened.all())));
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && pointing) point(false);
    });
    map = opened;
    map.setHere(here);
    map.setLive(state === null || state === "LIVE");
    draw();
    // The tokens change with the theme of the device.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => map?.restyle());
    addEventListener("beforeprint", () => {
      if (!map) return;
      printed.src = map.picture();
      printed.classList.toggle("night", map.night());
    });
  }
  const printed = el("img", "printed", { alt: "" });
  box.append(printed);

  function leaveMap(): void {
    map?.destroy();
    map = null;
    box.remove();
    html.classList.remove("mapped");
    draw();
  }

  // ---- When to ask ----

  document.addEventListener("visibilitychange", () => {
    refresher.look(!document.hidden);
    tick();
  });
  for (const event of ["online", "pageshow", "focus"]) {
    addEventListener(event, () => {
      refresher.wake();
      tick();
    });
  }
  new IntersectionObserver(([entry]) => refresher.rest(!entry!.isIntersecting)).observe(document.body);
  setInterval(tick, 1000);
  window.__embed = {
    seq: () => refresher.world?.seq ?? -1,
    listed: () => listed,
    drawn: () => map?.drawn() ?? null,
    idle: () => map?.idle() ?? false,
    project: (at) => map?.project(at) ?? null,
  };

  answerBox.hidden = false;
  refresher.look(!document.hidden);
  draw();
  refresher.start();
  // The list is there: now there is time for the map. A browser that cannot load it keeps the picture.
  const soon = window.requestIdleCallback ?? ((run: () => void) => setTimeout(run, 200));
  soon(() => void bringMap().catch(() => leaveMap()), { timeout: 2000 });
}

if (html.dataset["page"] === "builder") void import("./builder").then((builder) => builder.build());
else void begin();
