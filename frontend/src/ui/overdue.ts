import { liveMaxS } from "../world/liveness";

/** Far longer than any screen hangs. */
const foreverMs = 24 * 3600_000;
/** What is drawn is seen so much later where a machine has too much to do. */
const paintMs = 600;
const watched = new Set<Animation>();

/**
 * Makes an element appear by itself once nobody has called `heard` in time. The browser's compositor does it, so it happens
 * where a page hangs as well: a picture that stands still must not go on saying LIVE.
 */
export function overdue(element: HTMLElement): { destroy: () => void } {
  const due = (liveMaxS * 1000 - paintMs) / foreverMs;
  const animation = element.animate([{ opacity: 0 }, { opacity: 0, offset: due }, { opacity: 1, offset: due * 1.001 }, { opacity: 1 }], {
    duration: foreverMs,
    fill: "forwards",
  });
  watched.add(animation);
  return {
    destroy: () => {
      watched.delete(animation);
      animation.cancel();
    },
  };
}

/** Says how old the data of a live picture are, ms. */
export function heard(ageMs: number): void {
  // Not by currentTime, which begins when the compositor has time for it, nor by the time of the last picture, which may be old.
  const start = performance.now() - ageMs;
  for (const animation of watched) animation.startTime = start;
}
