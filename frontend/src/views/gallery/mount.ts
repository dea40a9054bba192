import "../../ui/controls.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Gallery from "./Gallery.svelte";

/** Draws every component of the screens into `target`, in all languages and themes. It shows nothing of a city. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "gallery";
  settings.start("night");
  mountComponent(Gallery, { target });
}
