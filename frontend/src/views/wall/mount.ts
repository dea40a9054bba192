import "../../ui/controls.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Wall from "./Wall.svelte";

/** Draws the wall into `target`: by night unless somebody asked for day. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "wall";
  settings.start("night");
  mountComponent(Wall, { target });
}
