import "../../ui/controls.css";
import "../admin/pages.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import SignIn from "./SignIn.svelte";

/** Draws the sign-in page into `target`. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "signin";
  settings.start("night");
  mountComponent(SignIn, { target });
}
