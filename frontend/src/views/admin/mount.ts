import "../../ui/controls.css";
import "./pages.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Admin from "./Admin.svelte";

/** Draws the pages of those who run the installation into `target`. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "admin";
  settings.start("night");
  mountComponent(Admin, { target });
}
