import "../../ui/controls.css";
import "./brief.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Start from "./Start.svelte";
import { installWorker } from "./worker";

/** Draws the brief into `target`: by day, because tablets are read in daylight, unless somebody asked for night. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "brief";
  const manifest = document.createElement("link");
  manifest.rel = "manifest";
  manifest.href = "/brief.webmanifest";
  document.head.append(manifest);
  settings.start("day");
  mountComponent(Start, { target });
  installWorker();
}
