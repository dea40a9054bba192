import "../../ui/controls.css";
import "../admin/pages.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Setup from "./Setup.svelte";

/** Draws the page of a one-time link into `target`: the first account, or a first password. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "setup";
  settings.start("night");
  mountComponent(Setup, { target });
}
