/** The words of a line that fits, for lines of a width. A word that is longer than a line is broken by its letters. */
export function wrap(text: string, widest: number, measure: (text: string) => number): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    // Chinese has no spaces: it may break between any two of its characters.
    const pieces = paragraph.match(/[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]|[^\s\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+\s*|\s+/gu) ?? [];
    let line = "";
    for (const piece of pieces) {
      if (line === "" || measure((line + piece).trimEnd()) <= widest) line += piece;
      else {
        lines.push(line.trimEnd());
        line = piece.trimStart();
      }
      while (measure(line.trimEnd()) > widest && line.length > 1) {
        let fits = line.length - 1;
        while (fits > 1 && measure(line.slice(0, fits)) > widest) fits--;
        lines.push(line.slice(0, fits));
        line = line.slice(fits);
      }
    }
    lines.push(line.trimEnd());
  }
  return lines;
}
