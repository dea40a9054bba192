import "../../ui/controls.css";
import "./brief.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Start from "./Start.svelte";
import { installWorker } from "./worker";

function link(rel: string, href: string): void {
  const element = document.createElement("link");
  element.rel = rel;
  element.href = href;
  document.head.append(element);
}

/** Draws the brief into `target`: by day, because tablets are read in daylight, unless somebody asked for night. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "brief";
  link("manifest", "/brief.webmanifest");
  link("apple-touch-icon", "/icon-180.png"); // iOS does not read the icons of a manifest that are SVG
  settings.start("day");
  mountComponent(Start, { target });
  installWorker();
}
