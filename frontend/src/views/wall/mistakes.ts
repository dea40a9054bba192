/** After a mistake the page stays as it is for so long: no more than two beginnings a minute. */
const beginAgainAfterMs = 30_000;

/**
 * Calls `begin` a while after a mistake of ours: an exception, or a promise whose failure nobody expected. A browser tells by the
 * same event that it puts off the news of a size until the next picture, which happens on any busy machine and is no mistake: it
 * comes without an exception. Returns what stops it.
 */
export function afterMistake(begin: () => void): () => void {
  let soon: ReturnType<typeof setTimeout> | undefined;
  const mistake = (event: ErrorEvent | PromiseRejectionEvent): void => {
    if (event.type === "error" && !(event as ErrorEvent).error) return;
    soon ??= setTimeout(begin, beginAgainAfterMs);
  };
  addEventListener("error", mistake);
  addEventListener("unhandledrejection", mistake);
  return () => {
    clearTimeout(soon);
    removeEventListener("error", mistake);
    removeEventListener("unhandledrejection", mistake);
  };
}
