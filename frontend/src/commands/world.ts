/**
 * The world of the installation that this page shows, as `?world=` of its address says; empty: the home world. It is not
 * remembered: a screen that shows another city than its address would be believed.
 */
export function pageWorld(search: string = globalThis.location?.search ?? ""): string {
  return new URLSearchParams(search).get("world") ?? "";
}

/** An address on this origin in the world of this page. One that names a world keeps it. */
export function inWorld(address: string, world: string = pageWorld()): string {
  if (world === "" || /[?&]world=/.test(address)) return address;
  return `${address}${address.includes("?") ? "&" : "?"}world=${encodeURIComponent(world)}`;
}
