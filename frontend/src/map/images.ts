import { iconPath } from "../icons";
import { byCode, scaleValue, type Preset, type Theme } from "../preset";
import { shapePath } from "../shapes";
import { glyphIn } from "../symbols";
import type { Palette } from "./palette";

/**
 * Pictures are made when the style first asks for them, from a name that says everything:
 * `incident|type|priority`, `site|type`, `shelter|type|status`, `hazard|type`, `hatch|hard`, `closure|closed`,
 * `donut|token:count,token:count`.
 */
export type ImageMaker = Readonly<{ preset: Preset; palette: Palette; theme: Theme; scale: number }>;

/** A picture and how many of its pixels make one pixel of the page. */
export type Picture = Readonly<{ data: ImageData; pixelRatio: number }>;

/** Sizes of incidents by how bad their priority is among the values of its scale, in pixels at scale 1. */
const incidentSizes = [26, 30, 36, 44] as const;

/** The diameter of an incident of that priority, in pixels at scale 1. */
export function incidentSize(preset: Preset, priority: string): number {
  const ranks = (byCode(preset.scales, "priority")?.values ?? []).map((v) => v.rank).sort((a, b) => a - b);
  const rank = scaleValue(preset, "priority", priority)?.rank;
  if (rank === undefined || ranks.length < 2) return incidentSizes[1];
  const share = ranks.indexOf(rank) / (ranks.length - 1);
  return incidentSizes[Math.round(share * (incidentSizes.length - 1))]!;
}

/** Draws the picture of that name; null when the name is none of ours. */
export function drawImage(name: string, maker: ImageMaker): Picture | null {
  const [what, a = "", b = ""] = name.split("|");
  switch (what) {
    case "incident":
      return incident(maker, a, b);
    case "site":
      return plate(maker, byCode(maker.preset.site_kinds, a)?.icon ?? "marker", "site-plate", "site", 20);
    case "shelter":
      return shelter(maker, a, b);
    case "hazard":
      return hazard(maker, a);
    case "hatch":
      return hatch(maker, a === "hard");
    case "closure":
      return closure(maker, a === "closed");
    case "donut":
      return donut(maker, a);
    default:
      return null;
  }
}

const ratio = 2;

/** A canvas of `size` pixels at scale 1, drawn in a box of `size` by `size`. */
function picture({ scale }: ImageMaker, size: number, draw: (ctx: OffscreenCanvasRenderingContext2D) => void): Picture {
  const pixels = Math.max(1, Math.round(size * scale * ratio));
  const canvas = new OffscreenCanvas(pixels, pixels);
  const ctx = canvas.getContext("2d")!;
  ctx.scale(pixels / size, pixels / size);
  ctx.lineJoin = "round";
  draw(ctx);
  return { data: ctx.getImageData(0, 0, pixels, pixels), pixelRatio: ratio };
}

/** Draws a path of a box of `box` by `box` into the square around x, y. */
function place(
  ctx: OffscreenCanvasRenderingContext2D,
  path: string,
  box: number,
  x: number,
  y: number,
  size: number,
  draw: (p: Path2D) => void,
): void {
  ctx.save();
  ctx.translate(x - size / 2, y - size / 2);
  ctx.scale(size / box, size / box);
  draw(new Path2D(path));
  ctx.restore();
}

function incident(maker: ImageMaker, type: string, priority: string): Picture {
  const { preset, palette, theme } = maker;
  const value = scaleValue(preset, "priority", priority);
  const color = value?.color[theme] ?? palette.color("status-unknown");
  const shape = value?.shape ?? "rounded_square";
  const icon = byCode(preset.incident_types, type)?.icon ?? "marker";
  const size = incidentSize(preset, priority);
  const outer = size + 8;
  return picture(maker, outer, (ctx) => {
    const mid = outer / 2;
    place(ctx, shapePath(shape), 24, mid, mid, size, (p) => {
      const pixel = 24 / size;
      ctx.strokeStyle = palette.color("symbol-casing");
      ctx.lineWidth = 6 * pixel;
      ctx.stroke(p);
      ctx.fillStyle = color;
      ctx.fill(p, "evenodd");
    });
    const [dy, share] = glyphIn(shape);
    place(ctx, iconPath(icon), 15, mid, mid + dy * size, size * share, (p) => {
      ctx.fillStyle = palette.color("symbol-ink");
      ctx.fill(p);
    });
  });
}

function plate(maker: ImageMaker, icon: string, back: string, front: string, size: number): Picture {
  const { palette } = maker;
  const outer = size + 4;
  return picture(maker, outer, (ctx) => {
    ctx.beginPath();
    ctx.roundRect(2, 2, size, size, 5);
    ctx.lineWidth = 3;
    ctx.strokeStyle = palette.color("symbol-casing");
    ctx.stroke();
    ctx.fillStyle = palette.color(back);
    ctx.fill();
    ctx.lineWidth = 1;
    ctx.strokeStyle = palette.color("line-strong");
    ctx.stroke();
    place(ctx, iconPath(icon), 15, outer / 2, outer / 2, size * 0.68, (p) => {
      ctx.fillStyle = palette.color(front);
      ctx.fill(p);
    });
  });
}

function shelter(maker: ImageMaker, type: string, status: string): Picture {
  const { preset, palette } = maker;
  const size = 22;
  const outer = size + 10;
  const state = byCode(preset.shelter_statuses, status);
  const color = palette.color(state?.token ?? "shelter-unknown");
  const icon = byCode(preset.shelter_kinds, type)?.icon ?? "shelter";
  return picture(maker, outer, (ctx) => {
    const mid = outer / 2;
    ctx.beginPath();
    ctx.roundRect(5, 5, size, size, 6);
    ctx.lineWidth = 5;
    ctx.strokeStyle = palette.color("symbol-casing");
    ctx.stroke();
    ctx.fillStyle = palette.color("site-plate");
    ctx.fill();
    ctx.lineWidth = 2;
    ctx.strokeStyle = color;
    if (!state?.admits) ctx.setLineDash([3, 2]); // not a place to send people to
    ctx.stroke();
    place(ctx, iconPath(icon), 15, mid, mid, size * 0.64, (p) => {
      ctx.fillStyle = color;
      ctx.fill(p);
    });
    place(ctx, shapePath(state?.shape ?? "circle"), 24, outer - 6, 6, 11, (p) => {
      ctx.setLineDash([]);
      ctx.lineWidth = 6;
      ctx.strokeStyle = palette.color("symbol-casing");
      ctx.stroke(p);
      ctx.fillStyle = color;
      ctx.fill(p, "evenodd");
    });
  });
}

function hazard(maker: ImageMaker, type: string): Picture {
  const { preset, palette } = maker;
  const size = 26;
  const outer = size + 6;
  return picture(maker, outer, (ctx) => {
    const mid = outer / 2;
    place(ctx, shapePath("diamond"), 24, mid, mid, size, (p) => {
      ctx.strokeStyle = palette.color("symbol-casing");
      ctx.lineWidth = 4;
      ctx.stroke(p);
      ctx.fillStyle = palette.color("site-plate");
      ctx.fill(p);
      ctx.strokeStyle = palette.color("hazard");
      ctx.lineWidth = 2;
      ctx.stroke(p);
    });
    place(ctx, iconPath(byCode(preset.hazard_types, type)?.icon ?? "danger"), 15, mid, mid, size * 0.48, (p) => {
      ctx.fillStyle = palette.color("hazard");
      ctx.fill(p);
    });
  });
}

/** Slanted lines; close ones where nobody drives through. */
function hatch(maker: ImageMaker, hard: boolean): Picture {
  const size = hard ? 12 : 20;
  return picture(maker, size, (ctx) => {
    ctx.strokeStyle = maker.palette.color("hazard");
    ctx.globalAlpha = hard ? 0.34 : 0.26;
    ctx.lineWidth = hard ? 1.5 : 1.2;
    ctx.beginPath();
    for (const shift of [-size, 0, size]) {
      ctx.moveTo(shift - 1, size + 1);
      ctx.lineTo(shift + size + 1, -1);
    }
    ctx.stroke();
  });
}

/** The sign on a closed street is a cross in a circle, on a slow one a triangle that stands on its point. */
function closure(maker: ImageMaker, closed: boolean): Picture {
  const { palette } = maker;
  const size = 18;
  const outer = size + 4;
  return picture(maker, outer, (ctx) => {
    const mid = outer / 2;
    place(ctx, shapePath(closed ? "circle" : "triangle_down"), 24, mid, mid, size, (p) => {
      ctx.lineWidth = 5;
      ctx.strokeStyle = palette.color("symbol-casing");
      ctx.stroke(p);
      ctx.fillStyle = palette.color(closed ? "hazard" : "site-plate");
      ctx.fill(p);
      ctx.lineWidth = 2.4;
      ctx.strokeStyle = palette.color(closed ? "closure-bar" : "hazard");
      ctx.stroke(p);
    });
    if (!closed) return;
    place(ctx, shapePath("cross"), 24, mid, mid, size * 0.5, (p) => {
      ctx.fillStyle = palette.color("symbol-casing");
      ctx.fill(p);
    });
  });
}

/**
 * A ring of the statuses of the units in a cluster, with room for their number. Units that wait are a thin line, those
 * that work a thick one: a city in which nothing happens is quiet to look at, however many units it has.
 */
function donut(maker: ImageMaker, shares: string): Picture {
  const { palette, preset } = maker;
  const working = new Set(preset.statuses.filter((status) => status.busy).map((status) => status.token));
  const parts = shares.split(",").map((part) => {
    const [token = "", count = "0"] = part.split(":");
    return { token, count: Number(count), working: working.has(token) };
  });
  const total = parts.reduce((sum, part) => sum + part.count, 0);
  const size = total > 99 ? 36 : total > 19 ? 31 : 26;
  const outer = size + 8;
  return picture(maker, outer, (ctx) => {
    const mid = outer / 2;
    const radius = size / 2 - 2;
    ctx.beginPath();
    ctx.arc(mid, mid, radius + 2.5, 0, 7);
    ctx.fillStyle = palette.color("cluster-plate");
    ctx.fill();
    let angle = -Math.PI / 2;
    for (const part of parts) {
      const next = angle + (part.count / total) * 2 * Math.PI;
      ctx.beginPath();
      ctx.arc(mid, mid, radius, angle, next);
      ctx.strokeStyle = palette.color(part.token);
      ctx.lineWidth = part.working ? 5 : 1.6;
      ctx.globalAlpha = part.working ? 1 : 0.75;
      ctx.stroke();
      angle = next;
    }
  });
}
