import type { MapView } from "./mapping";
import type { Live } from "./live.svelte";

/**
 * What tests may ask a page, at `window.__rasad`. The state word also stands in `document.documentElement.dataset.state`.
 */
export type Probe = Readonly<{
  /** Sequence, state hash (16 hexadecimal digits) and epoch of the world on the screen. */
  seq: () => number;
  hash: () => string;
  epoch: () => string;
  /** Bytes that the stream has brought. */
  bytes: () => number;
  /** The map has drawn everything that it has to draw. */
  mapIdle: () => boolean;
  /** Where a place is on the map, in pixels from its upper left corner. */
  project: (lng: number, lat: number) => readonly [x: number, y: number];
}>;

declare global {
  interface Window {
    __rasad?: Probe;
  }
}

/** Lets tests ask the page. */
export function expose(live: Live, map: () => MapView | null): void {
  const hex = (half: number) => half.toString(16).padStart(8, "0");
  window.__rasad = {
    seq: () => live.world.seq,
    hash: () => hex(live.world.hash.hi) + hex(live.world.hash.lo),
    epoch: () => live.world.epoch,
    bytes: () => live.session.stats().bytes,
    project: (lng, lat) => map()?.project([lng, lat]) ?? [NaN, NaN],
    mapIdle: () => map()?.stats().idle ?? false,
  };
}
