import type { City } from "../../commands/commands";
import { settings } from "../../ui/settings.svelte";

/** The city's name in the reader's language, else the one that it has where it lies; "" on a plain ground. */
export function nameOfCity(city: City): string {
  return city.names?.[settings.language] || city.name;
}
