import type { City } from "../../commands/commands";
import type { Preset } from "../../preset";
import { settings } from "../../ui/settings.svelte";

/** What the pages need of the city: its place, and the words of its codes. Reactive. */
class Ground {
  city = $state.raw<City | null>(null);
  preset = $state.raw<Preset | null>(null);

  /** The name of an agency in the reader's language. */
  agency(code: string): string {
    return settings.label(this.preset?.agencies.find((agency) => agency.code === code), code);
  }

  /** Names of agencies in a row. */
  agencies(codes: readonly string[]): string {
    return settings.format.list(codes.map((code) => this.agency(code)));
  }
}

/** The one city of this page. */
export const ground = new Ground();

/** A stamp as a moment: the day only when it is another one. "" of nothing. */
export function moment(stamp: string | undefined): string {
  return stamp ? settings.format.moment(Date.parse(stamp), Date.now()) : "";
}

/** How long ago a stamp is, in the largest whole unit. */
export function ago(stamp: string, now: number): string {
  return settings.format.age(Math.max(0, (now - Date.parse(stamp)) / 1000));
}
