import { m } from "../../messages";
import { settings } from "../../ui/settings.svelte";
import { confirmedWord, type Tile } from "./tiles";
import { wrap } from "./wrap";

/** What a picture of the brief says: every number with its moment and its source, because a picture outlives its screen. */
export type Sheet = Readonly<{
  title: string;
  /** "As of Sunday 22 November 2026, 14:32:05 UTC+03:30". */
  asOf: string;
  /** SIMULATED, OLD: what must not be cut off. */
  marks: readonly string[];
  situation: string;
  byline: string;
  level: string;
  tiles: readonly Tile[];
  now: number;
  changesTitle: string;
  changes: readonly string[];
  footer: string;
}>;

const width = 1080;
const edge = 48;

type Style = Readonly<{ size: number; weight: number; color: string; line?: number }>;

/** Draws a brief as a picture of its own: by day, in the reader's language, as long as it has to be. */
export function drawSheet(sheet: Sheet): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const c = canvas.getContext("2d");
  if (!c) throw new Error("this browser draws nothing");
  const before = document.documentElement.dataset["theme"];
  // The tokens of the day, whatever the screen has: it is printed and forwarded.
  document.documentElement.dataset["theme"] = "day";
  const css = getComputedStyle(document.documentElement);
  const token = (name: string) => css.getPropertyValue(`--${name}`).trim();
  const color = { ground: token("ground"), panel: token("surface"), text: token("text"), muted: token("text-muted"), line: token("line-color"), mark: token("act-now"), accent: token("accent"), attention: token("attention") };
  if (before) document.documentElement.dataset["theme"] = before;
  const { rtl } = settings;
  const start = rtl ? width - edge : edge;

  /** Draws once for the height, and once more for the picture. */
  const run = (paint: boolean): number => {
    let y = edge;
    c.textAlign = rtl ? "right" : "left";
    c.textBaseline = "alphabetic";
    const font = ({ size, weight }: Style) => (c.font = `${weight} ${size}px Rasad, system-ui, sans-serif`);
    const write = (text: string, style: Style, x = start, widest = width - 2 * edge): number => {
      font(style);
      const lineHeight = style.size * (style.line ?? 1.45);
      const lines = wrap(text, widest, (t) => c.measureText(t).width);
      // A text keeps its own direction on the side of the page: an English line in a Persian picture ends in its full stop.
      c.direction = /^[^\p{L}]*[\u0590-\u08ff\ufb1d-\ufefc]/u.test(text) || (rtl && !/\p{L}/u.test(text)) ? "rtl" : "ltr";
      lines.forEach((line, i) => {
        if (!paint) return;
        c.fillStyle = style.color;
        c.fillText(line, x, y + style.size + i * lineHeight);
      });
      return lines.length * lineHeight;
    };
    const heading: Style = { size: 24, weight: 700, color: color.muted };

    y += write(sheet.title, { size: 34, weight: 800, color: color.text });
    y += write(sheet.asOf, { size: 28, weight: 700, color: color.accent });
    for (const mark of sheet.marks) y += write(mark, { size: 30, weight: 800, color: color.mark });
    y += 14;
    y += write(sheet.situation, { size: 38, weight: 700, color: color.text });
    if (sheet.byline) y += write(sheet.byline, { size: 24, weight: 400, color: color.muted });
    y += 14;
    if (sheet.level) {
      y += write(m.brief_level(), heading);
      y += write(sheet.level, { size: 32, weight: 700, color: color.text });
      y += 14;
    }
    const gap = 18;
    const columns = 3;
    const box = (width - 2 * edge - (columns - 1) * gap) / columns;
    for (let i = 0; i < sheet.tiles.length; i += columns) {
      const row = sheet.tiles.slice(i, i + columns);
      const draw = (tile: Tile, at: number): number => {
        const x = rtl ? width - edge - at * (box + gap) - 18 : edge + at * (box + gap) + 18;
        const top = y;
        const inner = box - 36;
        y += 16;
        y += write(tile.label, { size: 22, weight: 600, color: color.muted, line: 1.3 }, x, inner);
        y += write(`${tile.confirmed === "estimated" ? "≈ " : ""}${tile.value}`, { size: 46, weight: 800, color: tile.tone ? color.attention : color.text, line: 1.25 }, x, inner);
        if (tile.note) y += write(tile.note, { size: 20, weight: 400, color: color.muted, line: 1.3 }, x, inner);
        if (tile.confirmed) y += write(confirmedWord(tile.confirmed).word, { size: 20, weight: 600, color: color.text, line: 1.3 }, x, inner);
        y += write(`${m.brief_as_of({ time: settings.format.moment(tile.asOf, sheet.now) })} · ${tile.source}`, { size: 18, weight: 400, color: color.muted, line: 1.3 }, x, inner);
        y += 14;
        const height = y - top;
        y = top;
        return height;
      };
      // The tallest of a row gives its height: it is measured before anything of the row is drawn.
      const was = paint;
      paint = false;
      const height = Math.max(...row.map(draw));
      paint = was;
      if (paint) {
        row.forEach((_, at) => {
          const x = rtl ? width - edge - at * (box + gap) - box : edge + at * (box + gap);
          c.fillStyle = color.panel;
          c.fillRect(x, y, box, height);
          c.strokeStyle = color.line;
          c.strokeRect(x, y, box, height);
        });
        row.forEach(draw);
      }
      y += height + gap;
    }
    if (sheet.changes.length > 0) {
      y += write(sheet.changesTitle, heading);
      for (const change of sheet.changes) y += write(`• ${change}`, { size: 26, weight: 500, color: color.text });
      y += 14;
    }
    if (paint) {
      c.fillStyle = color.line;
      c.fillRect(edge, y, width - 2 * edge, 2);
    }
    y += 12;
    y += write(`${sheet.asOf} · ${sheet.footer}`, { size: 20, weight: 400, color: color.muted });
    return y + edge / 2;
  };

  canvas.width = width;
  canvas.height = Math.ceil(run(false));
  c.fillStyle = color.ground;
  c.fillRect(0, 0, canvas.width, canvas.height);
  run(true);
  return canvas;
}

/** Hands the picture to whatever the tablet shares with, or saves it. */
export async function sharePicture(sheet: Sheet): Promise<"shared" | "saved" | "cancelled"> {
  // What the page does not show as well has letters that nobody has fetched; without a server the system's have to do.
  await Promise.allSettled([document.fonts.load("1em Rasad", JSON.stringify(sheet)), document.fonts.ready]);
  const canvas = drawSheet(sheet);
  const blob = await new Promise<Blob>((resolve, reject) => canvas.toBlob((b) => (b ? resolve(b) : reject(new Error("no picture"))), "image/png"));
  const name = `rasad-${new Date(sheet.now).toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "-")}Z.png`;
  const file = new File([blob], name, { type: "image/png" });
  if (navigator.canShare?.({ files: [file] })) {
    try {
      await navigator.share({ files: [file], title: sheet.title, text: sheet.asOf });
      return "shared";
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return "cancelled";
    }
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return "saved";
}
