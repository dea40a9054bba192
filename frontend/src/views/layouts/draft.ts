import type { LayoutInput } from "../../commands/layouts";
import type { Bounds } from "../../map/map";
import type { Language } from "../../preset";
import { Feature } from "../../world/feature";
import { usual } from "../wall/layout";

/** A layout while somebody writes it. */
export type Draft = Readonly<{ name: string; rev: number | null; body: LayoutInput }>;

/** What a new layout begins with: what walls show that have none. */
export function newDraft(name: string, area: Bounds, language: Language): Draft {
  const body: LayoutInput = {
    ...{ area: { bbox: [...area] }, panels: [...usual.panels], layers: ["units", "incidents", "hazards", "shelters", "sites", "coverage", "assignments", "labels"] },
    ...{ text_scale: 1, language, theme: "night" },
  };
  return { name, rev: null, body };
}

const members = ["title", "area", "panels", "layers", "text_scale", "language", "theme", "tour", "part", "visitor", "devices", "cameras", "dim"] as const;

/** The layout of the record as something to write. */
export function draftOf(feature: Feature): Draft {
  const { props } = feature;
  const body = Object.fromEntries(members.flatMap((name) => (props[name] === undefined || props[name] === null ? [] : [[name, props[name]]])));
  return { name: String(props["name"] ?? feature.key.replace(/^layout-/, "")), rev: feature.rev, body: body as LayoutInput };
}

/** The draft as a wall would read it from the record. */
export function asFeature({ name, body }: Draft): Feature {
  const wire = { id: 0, key: `layout-${name}`, kind: "layout", rev: 0, due: 0, at: null, shape: null, sealed: [], props: JSON.stringify({ ...body, name }) };
  return new Feature(wire as never, -1);
}

/** A list with or without a member, in the order of all. */
export function toggled(list: readonly string[], member: string, all: readonly string[]): string[] {
  const on = !list.includes(member);
  const kept = list.filter((m) => m !== member);
  return on ? [...all.filter((m) => m === member || kept.includes(m)), ...kept.filter((m) => !all.includes(m))] : kept;
}

/** A key made from what somebody calls it: letters, digits and hyphens; "" when nothing of it is left. */
export function keyOf(title: string, taken: readonly string[]): string {
  const base = title.trim().toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40) || "wall";
  for (let n = 1; ; n++) {
    const key = n === 1 ? base : `${base}-${n}`;
    if (!taken.includes(key)) return key;
  }
}
