import "../../ui/controls.css";
import "../admin/pages.css";
import { mount as mountComponent } from "svelte";
import { settings } from "../../ui/settings.svelte";
import Account from "./Account.svelte";

/** Draws the page of the own account into `target`. */
export function mount(target: HTMLElement): void {
  document.documentElement.dataset["view"] = "account";
  settings.start("night");
  mountComponent(Account, { target });
}
