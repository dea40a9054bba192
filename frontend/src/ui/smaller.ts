/**
 * Sets a text in the first of `sizes` (shares of `token`, the largest first) in which it has room in its rows and its width:
 * its end may be what counts. Follows the size of `watched`, which must not depend on the size of the text. Returns what ends it.
 */
export function smaller(box: HTMLElement, token: string, sizes: readonly number[], watched: Element): () => void {
  const fit = () => {
    for (const size of sizes) {
      box.style.fontSize = `calc(var(${token}) * ${size})`;
      if (box.scrollHeight <= box.clientHeight + 1 && box.scrollWidth <= box.clientWidth + 1) break;
    }
  };
  const watch = new ResizeObserver(fit);
  watch.observe(watched);
  return () => watch.disconnect();
}
