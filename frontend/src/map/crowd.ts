import type { Language } from "../preset";
import { tier, type UnitLayer } from "./units";

/** A point of the crowd layer: units that are counted instead of drawn. */
export type Cluster = Readonly<{
  x: number;
  y: number;
  icon: string;
  text: string;
  /** None of its units works: it stands back. */
  quiet: boolean;
}>;

/** Units of one place, before it is known how they are shown. */
type Crowd = { x: number; y: number; members: number[] };

/** What is laid out, and how. */
export type CrowdOptions = Readonly<{
  /** The part of the world that is on the screen, mercator. */
  view: Readonly<{ west: number; east: number; north: number; south: number }>;
  /** Pixels of the page for one mercator unit. */
  pixelsPerUnit: number;
  /** The scale factor. */
  scale: number;
  /** Up to this many units on the screen are drawn one by one. */
  separateMax: number;
  language: Language;
  /** Number of the unit that is selected: never hidden; 0 none. */
  selected: number;
  /** Incidents, whose symbols lie over the units at them. Size in pixels at scale 1. */
  incidents: readonly Readonly<{ x: number; y: number; size: number }>[];
}>;

const cellPixels = 84;
/** Rings that would touch are one: half of the larger ring and of the smaller one. */
const mergePixels = 34;
/** Between the symbol of an incident and a ring. */
const ringGap = 17;
/** From the middle of a ring to that of a unit beside it. */
const ringClear = 23;
/** Two units side by side are easier to read than a ring with a 2 in it. */
const clusterLeast = 3;
/** Symbols closer than this lie on one another. */
const touchPixels = 11;
/** A flower of more units than this is as bad as a heap. */
const flowerMost = 24;
const flowerPixels = 8.6;
/** The golden angle spreads points evenly. */
const goldenAngle = Math.PI * (3 - Math.sqrt(5));
/** Who drives past somebody else is not laid out around him. */
const standingMps = 1.5;

/**
 * Decides who is drawn, who is counted, and who steps aside. Writes `hidden` and `offsets` of the layer and returns the
 * clusters. A wall shows about three hundred separate units; above that, the quiet ones are counted by place first, then
 * the busy ones, never those in distress. Units that stand on one spot are laid out around it like the seeds of a
 * sunflower, so that twelve engines at a fire are twelve.
 */
export function layOutCrowd(units: UnitLayer, o: CrowdOptions): Cluster[] {
  units.settle();
  const { count, hidden, offsets } = units;
  hidden.fill(0, 0, count);
  offsets.fill(0, 0, count * 2);
  const { view } = o;
  const margin = (cellPixels * o.scale) / o.pixelsPerUnit;
  const visible: number[] = [];
  let busy = 0;
  for (let i = 0; i < count; i++) {
    const [x, y] = units.fixed(i);
    const inside =
      x >= view.west - margin && x <= view.east + margin && y >= view.north - margin && y <= view.south + margin;
    if (!inside) continue;
    visible.push(i);
    if (units.tier[i]! >= tier.busy) busy++;
  }
  const crowds: Crowd[] = [];
  let drawn: readonly number[] = visible;
  if (visible.length > o.separateMax) {
    const upTo = busy > o.separateMax ? tier.busy : tier.available;
    drawn = countByCell(units, o, visible, upTo, crowds);
  }
  layOutHeaps(units, o, layOutWreaths(units, o, drawn), crowds);
  const merged = mergeCrowds(crowds, o);
  standAside(merged, o);
  clearNumbers(units, o, drawn, merged);
  units.layoutChanged();
  return merged.map((crowd) => cluster(units, o, crowd));
}

/** Mercator units of a pixel at scale 1, at the last whole zoom: what is judged by it changes only with a whole step. */
function steadyPixel(o: CrowdOptions): number {
  return o.scale / 2 ** Math.floor(Math.log2(o.pixelsPerUnit));
}

/** Makes one crowd of those whose rings would touch, the larger one staying where it is. */
function mergeCrowds(crowds: readonly Crowd[], o: CrowdOptions): Crowd[] {
  const near = mergePixels * steadyPixel(o);
  const merged: Crowd[] = [];
  for (const crowd of [...crowds].sort((a, b) => b.members.length - a.members.length || a.x - b.x)) {
    const host = merged.find(({ x, y }) => Math.hypot(x - crowd.x, y - crowd.y) < near);
    if (host) host.members.push(...crowd.members);
    else merged.push(crowd);
  }
  return merged;
}

/** A ring never hides an incident: it steps aside, away from it. */
function standAside(crowds: readonly Crowd[], o: CrowdOptions): void {
  const pixel = o.scale / o.pixelsPerUnit;
  for (const crowd of crowds) {
    for (const incident of o.incidents) {
      const least = (incident.size / 2 + ringGap) * pixel;
      const dx = crowd.x - incident.x;
      const dy = crowd.y - incident.y;
      const far = Math.hypot(dx, dy);
      if (far >= least) continue;
      // Straight above when they share one place: the name of the incident stands below.
      const [ux, uy] = far > pixel ? [dx / far, dy / far] : [0, -1];
      crowd.x = incident.x + ux * least;
      crowd.y = incident.y + uy * least;
    }
  }
}

/** A unit that stands on the number of a crowd steps out of its ring: one who drives past is gone in a moment. */
function clearNumbers(units: UnitLayer, o: CrowdOptions, drawn: readonly number[], crowds: readonly Crowd[]): void {
  const pixels = o.pixelsPerUnit / o.scale;
  const { hidden, offsets } = units;
  for (const i of crowds.length > 0 ? drawn : []) {
    if (hidden[i] || units.speedOf(i) > standingMps) continue;
    const [x, y] = units.fixed(i);
    for (const crowd of crowds) {
      const dx = (x - crowd.x) * pixels + offsets[i * 2]!;
      const dy = (y - crowd.y) * pixels + offsets[i * 2 + 1]!;
      const far = Math.hypot(dx, dy);
      if (far >= ringClear) continue;
      const turn = far > 1 ? Math.atan2(dy, dx) : units.ids[i]! * goldenAngle;
      offsets[i * 2]! += ringClear * Math.cos(turn) - dx;
      offsets[i * 2 + 1]! += ringClear * Math.sin(turn) - dy;
      break;
    }
  }
}

/** Counts units up to a tier by cells of the world, so that clusters stand still while the map is moved. */
function countByCell(
  units: UnitLayer,
  o: CrowdOptions,
  visible: readonly number[],
  upTo: number,
  crowds: Crowd[],
): number[] {
  // Cells double with the zoom, so that a small step of it changes nothing.
  const size = cellPixels * steadyPixel(o);
  const cells = new Map<string, number[]>();
  const drawn: number[] = [];
  for (const i of visible) {
    if (units.tier[i]! > upTo || units.ids[i] === o.selected) {
      drawn.push(i);
      continue;
    }
    const [x, y] = units.fixed(i);
    const key = `${Math.floor(x / size)}:${Math.floor(y / size)}`;
    const cell = cells.get(key);
    if (cell) cell.push(i);
    else cells.set(key, [i]);
  }
  for (const members of cells.values()) {
    if (members.length < clusterLeast) drawn.push(...members);
    else crowds.push(crowdOf(units, members));
  }
  return drawn;
}

/** An incident that is to be drawn. Sizes in pixels at scale 1. */
export type Sign = Readonly<{ id: number; x: number; y: number; size: number; rank: number; /** Drawn whatever happens: selected, or new. */ keep: boolean }>;

/** Signs closer than this share of their sizes would cover each other and their numbers: the lesser one is counted by the worse one. */
const foldShare = 1;

/**
 * Which signs stand for others when a night brings three hundred incidents: the worst of a place is drawn with the number
 * of those that it hides, the hidden ones are not. Returns how many each drawn sign hides, by its id; who is not in it is hidden.
 */
export function foldSigns(signs: readonly Sign[], pixelsPerUnit: number, scale: number): ReadonlyMap<number, number> {
  const order = [...signs].sort((a, b) => Number(b.keep) - Number(a.keep) || b.rank - a.rank || a.id - b.id);
  const drawn: Sign[] = [];
  const more = new Map<number, number>();
  for (const sign of order) {
    const host = sign.keep
      ? undefined
      : drawn.find((other) => (Math.hypot(other.x - sign.x, other.y - sign.y) * pixelsPerUnit) / scale < (foldShare * (other.size + sign.size)) / 2);
    if (host) more.set(host.id, more.get(host.id)! + 1);
    else {
      drawn.push(sign);
      more.set(sign.id, 0);
    }
  }
  return more;
}

/** Rings of a wreath begin this far from the symbol of the incident, and lie this far apart, pixels. */
const wreathGap = 9;
const wreathStep = 16;
/** The same around the ring of a cluster. */
const aroundCluster = 30;
/** The name of the incident stands below: this part of a turn stays free there. */
const wreathFree = 0.26;

/** Lays units that stand under the symbol of an incident out around it. Returns the others. */
function layOutWreaths(units: UnitLayer, o: CrowdOptions, drawn: readonly number[]): readonly number[] {
  if (o.incidents.length === 0) return drawn;
  const members = new Map<number, number[]>();
  const others: number[] = [];
  for (const i of drawn) {
    const [x, y] = units.fixed(i);
    let nearest = -1;
    let least = Infinity;
    if (!(units.speedOf(i) > standingMps)) {
      o.incidents.forEach((incident, n) => {
        const pixels = (Math.hypot(x - incident.x, y - incident.y) * o.pixelsPerUnit) / o.scale;
        if (pixels >= incident.size / 2 + 5 || pixels >= least) return;
        least = pixels;
        nearest = n;
      });
    }
    if (nearest < 0) others.push(i);
    else members.set(nearest, [...(members.get(nearest) ?? []), i]);
  }
  for (const [n, wreath] of members) {
    const { x, y, size } = o.incidents[n]!;
    wreath.sort((a, b) => units.ids[a]! - units.ids[b]!);
    let radius = size / 2 + wreathGap;
    for (let from = 0; from < wreath.length; radius += wreathStep) {
      const arc = 2 * Math.PI * (1 - wreathFree);
      const room = Math.max(1, Math.floor((arc * radius) / wreathStep));
      const ring = wreath.slice(from, from + room);
      ring.forEach((i, k) => {
        // From the top to both sides in turn, so that a few units stand above the symbol.
        const turn = ((k % 2 ? 1 : -1) * Math.ceil(k / 2) * arc) / room - Math.PI / 2;
        const [ux, uy] = units.fixed(i);
        units.offsets[i * 2] = radius * Math.cos(turn) + ((x - ux) * o.pixelsPerUnit) / o.scale;
        units.offsets[i * 2 + 1] = radius * Math.sin(turn) + ((y - uy) * o.pixelsPerUnit) / o.scale;
      });
      from += room;
    }
  }
  return others;
}

/** Lays units that stand on one spot out around it. */
function layOutHeaps(units: UnitLayer, o: CrowdOptions, drawn: readonly number[], crowds: Crowd[]): void {
  const touch = (touchPixels * o.scale) / o.pixelsPerUnit;
  const cells = new Map<string, number[]>();
  const standing = drawn.filter((i) => !(units.speedOf(i) > standingMps));
  const cellOf = (v: number) => Math.floor(v / touch);
  for (const i of standing) {
    const [x, y] = units.fixed(i);
    const key = `${cellOf(x)}:${cellOf(y)}`;
    const cell = cells.get(key);
    if (cell) cell.push(i);
    else cells.set(key, [i]);
  }
  const taken = new Set<number>();
  // In the order of ids, so that a heap is laid out the same way each time.
  for (const i of [...standing].sort((a, b) => units.ids[a]! - units.ids[b]!)) {
    if (taken.has(i)) continue;
    const [x, y] = units.fixed(i);
    const heap: number[] = [];
    for (let cx = cellOf(x) - 1; cx <= cellOf(x) + 1; cx++) {
      for (let cy = cellOf(y) - 1; cy <= cellOf(y) + 1; cy++) {
        for (const j of cells.get(`${cx}:${cy}`) ?? []) {
          if (taken.has(j)) continue;
          const [jx, jy] = units.fixed(j);
          if (Math.hypot(jx - x, jy - y) <= touch) heap.push(j);
        }
      }
    }
    for (const j of heap) taken.add(j);
    if (heap.length < 2) continue;
    heap.sort((a, b) => units.ids[a]! - units.ids[b]!);
    if (heap.length > flowerMost) {
      const counted = heap.filter((j) => units.tier[j]! < tier.distress && units.ids[j] !== o.selected);
      if (counted.length >= clusterLeast) crowds.push(crowdOf(units, counted));
      // Whom nobody may miss stands around the number.
      const alone = heap.filter((j) => !units.hidden[j]);
      alone.forEach((j, n) => {
        const radius = aroundCluster + wreathStep * Math.floor(n / 10);
        units.offsets[j * 2] = radius * Math.cos((n / 5) * Math.PI - Math.PI / 2);
        units.offsets[j * 2 + 1] = radius * Math.sin((n / 5) * Math.PI - Math.PI / 2);
      });
      continue;
    }
    heap.forEach((j, n) => {
      const radius = flowerPixels * Math.sqrt(n + 0.55);
      units.offsets[j * 2] = radius * Math.cos(n * goldenAngle);
      units.offsets[j * 2 + 1] = radius * Math.sin(n * goldenAngle);
    });
  }
}

/** Hides the units of a crowd and says where it stands. */
function crowdOf(units: UnitLayer, members: readonly number[]): Crowd {
  let x = 0;
  let y = 0;
  for (const i of members) {
    units.hidden[i] = 1;
    const [mx, my] = units.fixed(i);
    x += mx / members.length;
    y += my / members.length;
  }
  return { x, y, members: [...members] };
}

function cluster(units: UnitLayer, o: CrowdOptions, { x, y, members }: Crowd): Cluster {
  const tokens = new Map<string, number>();
  for (const i of members) tokens.set(units.tokenOf(i), (tokens.get(units.tokenOf(i)) ?? 0) + 1);
  // Twelfths are as fine as an eye sees, and keep the number of different pictures small.
  const shares = [...tokens]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([token, n]) => `${token}:${coarse(n, members.length)}`)
    .join(",");
  const quiet = members.every((i) => units.tier[i]! < tier.busy);
  return { x, y, icon: `donut|${shares}`, text: numbers(o.language).format(members.length), quiet };
}

/** The share of n in a total, in steps of a twelfth, scaled so that the size class of the total survives. */
function coarse(n: number, total: number): number {
  const size = total > 99 ? 120 : total > 19 ? 36 : 12;
  return Math.max(size / 12, (Math.round((n / total) * 12) * size) / 12);
}

const formats = new Map<Language, Intl.NumberFormat>();

/** Numbers in the digits of the language. */
export function numbers(language: Language): Intl.NumberFormat {
  let format = formats.get(language);
  if (!format) {
    format = new Intl.NumberFormat(language === "fa" ? "fa-IR" : language === "zh" ? "zh-CN" : "en");
    formats.set(language, format);
  }
  return format;
}
