import { inWorld } from "../../commands/world";
import type { Bounds, MapOptions, MapView } from "../../map/map";
import { settings } from "../../ui/settings.svelte";
import type { Live } from "./live.svelte";

export type { MapView };

/** What every view tells its map. */
export function mapOptions(live: Live, scale: number, interactive: boolean): MapOptions {
  const { city } = live;
  const [west, south, east, north] = city.bbox ?? [];
  const bounds: Bounds | null =
    west !== undefined && south !== undefined && east !== undefined && north !== undefined ? [west, south, east, north] : null;
  const [lng, lat] = city.centre ?? [];
  return {
    preset: live.codes.preset,
    language: settings.language,
    theme: settings.theme,
    scale,
    interactive,
    basemap: city.basemap ? inWorld("/city/basemap.pmtiles") : null,
    mask: city.basemap ? inWorld("/city/mask.geojson") : null,
    bounds,
    ...(!bounds && lng !== undefined && lat !== undefined ? { center: [lng, lat] as const } : {}),
    now: () => live.moment(),
    ...(city.attribution ? { attribution: city.attribution } : {}),
  };
}
