import "../../ui/controls.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Layouts from "./Layouts.svelte";

/** Draws the editor of what walls show into `target`. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "layouts";
  settings.start("night");
  mountComponent(Layouts, { target });
}
