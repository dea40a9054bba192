import "../../ui/controls.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Console from "./Console.svelte";

/** Draws the dispatch console into `target`. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "console";
  settings.start("night");
  mountComponent(Console, { target });
}
