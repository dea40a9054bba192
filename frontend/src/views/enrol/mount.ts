import "../../ui/controls.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Enrol from "./Enrol.svelte";

/** Draws into `target` what a wall shows that nobody has admitted yet. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "wall";
  settings.start("night");
  mountComponent(Enrol, { target });
}
