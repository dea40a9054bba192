import "../../ui/controls.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Start from "./Start.svelte";

/** Draws the start page into `target`. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "start";
  settings.start("night");
  mountComponent(Start, { target });
}
