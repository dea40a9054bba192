import type { ExpressionSpecification, LayerSpecification } from "maplibre-gl";
import { mapFont } from "../fonts";
import type { Language } from "../preset";
import { grey, type Palette } from "./palette";

/** What the look of the map depends on. */
export type Look = Readonly<{
  palette: Palette;
  language: Language;
  /** The scale factor of everything that is drawn. */
  scale: number;
  /** False: the ground is grey. */
  live: boolean;
  /** Whether the city has a basemap and a mask. */
  basemap: boolean;
  mask: boolean;
  layers: LayerSwitches;
}>;

/** Which groups of layers are shown. */
export type LayerSwitches = Readonly<{
  units: boolean;
  incidents: boolean;
  hazards: boolean;
  shelters: boolean;
  sites: boolean;
  /** Lines from units to what they are assigned to; only where both are shown; absent: they are. */
  assignments?: boolean;
  /** Names of places, streets and waters. */
  labels: boolean;
}>;

/** Names of the sources. */
export const source = {
  basemap: "basemap",
  mask: "mask",
  incidents: "incidents",
  hazards: "hazards",
  hazardLabels: "hazard-labels",
  shelters: "shelters",
  sites: "sites",
  routes: "routes",
  draft: "draft",
  selection: "selection",
  /** Incidents that nobody has acknowledged. */
  fresh: "fresh",
  clusters: "clusters",
  callsigns: "callsigns",
} as const;

/** The layers of assignments and of units are drawn by hand, under this layer. */
export const aboveUnits = "callsigns";

/** The layers of operations begin with this one; what lies under it is the ground. */
export const firstOperation = "hazard-fill";

/** What cannot be reached in time lies over the ground and under every name. */
export const coverageLayer = "coverage";

/** The first layer above the coverage: names of the basemap, and where there are none whatever comes after it. */
export function aboveCoverage(layers: readonly LayerSpecification[]): string | undefined {
  return layers.find(({ id }) => id.startsWith("label-") || id === "mask" || id === "hazard-fill")?.id;
}

/** Persian letters need more height to be as legible. */
const textScale: Readonly<Record<Language, number>> = { fa: 1.14, zh: 1, en: 1 };

/**
 * All layers from bottom to top, as a pure function of the look: changing the look is setting what differs. The basemap
 * is quiet on purpose, colour belongs to operations.
 */
export function mapLayers(look: Look): LayerSpecification[] {
  return [...groundLayers(look), ...operations(look)];
}

/** The ground alone: the basemap, and what the city does not cover. */
export function groundLayers(look: Look): LayerSpecification[] {
  return [...ground(look), ...(look.basemap ? basemap(look) : []), ...covered(look)];
}

function ground({ palette, live }: Look): LayerSpecification[] {
  return [{ id: "ground", type: "background", paint: { "background-color": tone(palette, live)("map-ground") } }];
}

function tone(palette: Palette, live: boolean): (token: string) => string {
  return live ? palette.color : (token) => grey(palette.color(token));
}

/** The name in the language of the screen, else in the local one. */
function nameIn(language: Language): ExpressionSpecification {
  return ["coalesce", ["get", `name_${language}`], ["get", "name"]];
}

const anyOf = (...kinds: string[]): ExpressionSpecification => ["in", ["get", "kind"], ["literal", kinds]];
const isKind = (kind: string): ExpressionSpecification => ["==", ["get", "kind"], kind];

function basemap({ palette, language, scale: k, live, layers }: Look): LayerSpecification[] {
  const color = tone(palette, live);
  const t = k * textScale[language];
  const from = (layer: string) => ({ source: source.basemap, "source-layer": layer });
  /** Grows with the zoom; pairs of zoom and value at scale 1. */
  const by = (factor: number, ...stops: number[]): ExpressionSpecification => [
    "interpolate",
    ["exponential", 1.5],
    ["zoom"],
    ...stops.map((v, i) => (i % 2 ? v * factor : v)),
  ];
  const width = (...stops: number[]) => by(k, ...stops);
  const land = (kind: string, token: string): LayerSpecification => ({
    ...{ id: `land-${kind}`, type: "fill", ...from("land"), filter: isKind(kind) },
    paint: { "fill-color": color(token) },
  });
  const widths = {
    motorway: [5, 0.6, 9, 1.4, 12, 2.6, 14, 5, 16, 10, 18, 24],
    major: [7, 0.5, 11, 1.3, 13, 2.6, 15, 6, 18, 20],
    middle: [9, 0.4, 12, 1.1, 14, 2.6, 16, 7, 18, 16],
    street: [12, 0.4, 14, 1.4, 16, 4.4, 18, 12],
    service: [13, 0.3, 15, 0.9, 18, 5],
  } as const;
  const round = { "line-cap": "round", "line-join": "round" } as const;
  const road = (id: string, kinds: string[], token: string, size: readonly number[], minzoom: number): LayerSpecification => ({
    ...{ id: `road-${id}`, type: "line", ...from("road"), minzoom, filter: anyOf(...kinds), layout: round },
    paint: { "line-color": color(token), "line-width": width(...size) },
  });
  const casing = (id: string, kinds: string[], size: readonly number[], minzoom: number): LayerSpecification => ({
    ...{ id: `road-${id}-casing`, type: "line", ...from("road"), minzoom, filter: anyOf(...kinds), layout: round },
    paint: {
      "line-color": color("map-casing"),
      "line-width": width(...size.map((v, i) => (i % 2 ? v * 1.25 + 1.4 : v))),
    },
  });
  const streets = ["residential", "unclassified", "living_street", "pedestrian"];
  const label = layers.labels ? "visible" : "none";
  const name = nameIn(language);
  const halo = color("map-halo");
  const medium = [...mapFont.medium];
  const bold = [...mapFont.bold];
  const onLine = (
    id: string,
    layer: string,
    kinds: string[],
    minzoom: number,
    size: number | ExpressionSpecification,
    token: string,
    spacing: number,
  ): LayerSpecification => ({
    ...{ id, type: "symbol", ...from(layer), minzoom, filter: ["all", ["has", "name"], anyOf(...kinds)] },
    layout: {
      visibility: label,
      "symbol-placement": "line",
      "symbol-spacing": spacing * k,
      "text-field": name,
      "text-font": medium,
      "text-size": size,
      "text-max-angle": 35,
      "text-padding": 6 * k,
    },
    paint: { "text-color": color(token), "text-halo-color": halo, "text-halo-width": 1.5 * k },
  });
  const place = (
    id: string,
    kinds: string[],
    minzoom: number,
    size: ExpressionSpecification,
    token: string,
    padding: number,
    font: string[],
  ): LayerSpecification => ({
    ...{ id, type: "symbol", ...from("place"), minzoom, filter: anyOf(...kinds) },
    layout: {
      visibility: label,
      "text-field": name,
      "text-font": font,
      "text-size": size,
      "text-max-width": 8,
      "text-padding": padding * k,
      "symbol-sort-key": ["coalesce", ["get", "rank"], 99],
    },
    paint: { "text-color": color(token), "text-halo-color": halo, "text-halo-width": 1.7 * k },
  });

  return [
    land("urban", "map-urban"),
    land("farmland", "map-ground"),
    land("industrial", "map-industrial"),
    land("airport", "map-industrial"),
    land("military", "map-industrial"),
    land("railway", "map-industrial"),
    land("education", "map-institution"),
    land("hospital", "map-institution"),
    land("green", "map-green"),
    land("park", "map-park"),
    land("wood", "map-wood"),
    land("sand", "map-sand"),
    land("rock", "map-sand"),
    land("ice", "map-institution"),
    {
      ...{ id: "land-wetland", type: "fill", ...from("land"), filter: isKind("wetland") },
      paint: { "fill-color": color("map-water"), "fill-opacity": 0.25 },
    },
    { id: "sea", type: "fill", ...from("sea"), paint: { "fill-color": color("map-sea") } },
    { id: "water", type: "fill", ...from("water"), paint: { "fill-color": color("map-water") } },
    {
      ...{ id: "waterway", type: "line", ...from("waterway"), minzoom: 10 },
      filter: ["!", ["has", "tunnel"]],
      layout: round,
      paint: {
        "line-color": color("map-water"),
        "line-width": width(10, 0.5, 14, 1.6, 18, 6),
        "line-opacity": ["match", ["get", "kind"], ["stream", "ditch", "drain"], 0.6, 1],
      },
    },
    land("runway", "map-runway"),
    {
      ...{ id: "building", type: "fill", ...from("building"), minzoom: 14 },
      paint: { "fill-color": color("map-building"), "fill-outline-color": color("map-building-line") },
    },
    {
      ...{ id: "rail", type: "line", ...from("rail"), minzoom: 11, filter: ["!", ["has", "service"]] },
      paint: { "line-color": color("map-rail"), "line-width": width(11, 0.7, 16, 2.2), "line-dasharray": [4, 2] },
    },
    {
      ...{ id: "ferry", type: "line", ...from("road"), filter: isKind("ferry") },
      paint: { "line-color": color("map-ferry"), "line-width": width(12, 0.8, 16, 1.6), "line-dasharray": [3, 3] },
    },
    casing("street", streets, widths.street, 14),
    casing("middle", ["secondary", "tertiary"], widths.middle, 13),
    casing("major", ["primary", "trunk"], widths.major, 12),
    casing("motorway", ["motorway"], widths.motorway, 11),
    road("service", ["service", "track"], "map-service", widths.service, 14),
    road("path", ["footway", "cycleway", "path", "steps", "bridleway"], "map-service", widths.service, 15.5),
    road("street", streets, "map-street", widths.street, 12),
    road("tertiary", ["tertiary"], "map-tertiary", widths.middle, 11),
    road("secondary", ["secondary"], "map-secondary", widths.middle, 9),
    road("primary", ["primary"], "map-primary", widths.major, 8),
    road("trunk", ["trunk"], "map-trunk", widths.major, 6),
    road("motorway", ["motorway"], "map-motorway", widths.motorway, 5),
    {
      ...{ id: "boundary", type: "line", ...from("boundary"), filter: ["<=", ["get", "level"], 6] },
      paint: {
        "line-color": color("map-boundary"),
        "line-width": width(5, 0.7, 14, 1.6),
        "line-dasharray": [4, 3],
        "line-opacity": 0.55,
      },
    },
    onLine("label-street", "road", streets, 15, 12 * t, "map-road-label", 380),
    onLine("label-road", "road", ["tertiary", "secondary"], 13.5, by(t, 13, 11, 16, 13.5), "map-road-label", 420),
    onLine("label-major", "road", ["primary", "trunk", "motorway"], 12, by(t, 12, 11, 16, 14), "map-road-label", 460),
    onLine("label-water", "waterway", ["river", "canal"], 11, 13 * t, "map-water-label", 520),
    place(
      "label-quarter",
      ["neighbourhood", "quarter", "hamlet", "locality"],
      13.5,
      by(t, 13, 11, 16, 14),
      "map-place-minor",
      22,
      medium,
    ),
    place("label-suburb", ["suburb", "village", "island"], 11.5, by(t, 11, 11.5, 16, 16), "map-place-minor", 16, medium),
    place("label-town", ["town"], 8, by(t, 8, 11.5, 14, 18), "map-place-minor", 10, medium),
    place("label-city", ["city"], 4, by(t, 6, 13, 12, 21, 15, 26), "map-place", 8, bold),
  ];
}

/** What the city does not cover says so by being darker, with a line around. */
function covered({ palette, live, mask, scale: k }: Look): LayerSpecification[] {
  if (!mask) return [];
  const color = tone(palette, live);
  return [
    {
      ...{ id: "mask", type: "fill", source: source.mask },
      paint: { "fill-color": color("map-uncovered"), "fill-antialias": false },
    },
    {
      ...{ id: "mask-line", type: "line", source: source.mask },
      paint: { "line-color": color("map-uncovered-line"), "line-width": 1.5 * k, "line-dasharray": [2, 3] },
    },
  ];
}

function operations({ palette, language, scale: k, layers }: Look): LayerSpecification[] {
  const { color } = palette;
  const t = k * textScale[language];
  const medium = [...mapFont.medium];
  const bold = [...mapFont.bold];
  const shown = (on: boolean) => ({ visibility: on ? ("visible" as const) : ("none" as const) });
  const halo = { "text-color": color("label"), "text-halo-color": color("label-halo"), "text-halo-width": 2 * k };
  const callsigns = (id: string, selected: boolean): LayerSpecification => ({
    ...{ id, type: "symbol", source: source.callsigns },
    filter: [selected ? "==" : "!=", ["get", "order"], 0],
    layout: {
      ...shown(layers.units),
      "text-field": ["get", "text"],
      "text-font": bold,
      "text-size": 12 * t,
      "text-anchor": "top",
      "text-radial-offset": ["get", "offset"],
      "text-padding": 2 * k,
      "text-allow-overlap": selected,
      "symbol-sort-key": ["get", "order"],
    },
    paint: halo,
  });
  const isSelected: ExpressionSpecification = ["boolean", ["get", "selected"], false];
  const isLead: ExpressionSpecification = ["==", ["get", "role"], "lead"];
  return [
    {
      ...{ id: "hazard-fill", type: "fill", source: source.hazards },
      layout: shown(layers.hazards),
      filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-color": color("hazard"), "fill-opacity": 0.12 },
    },
    {
      ...{ id: "hazard-pattern", type: "fill", source: source.hazards },
      layout: shown(layers.hazards),
      filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-pattern": ["concat", "hatch|", ["get", "pattern"]] },
    },
    {
      ...{ id: "hazard-line", type: "line", source: source.hazards },
      layout: { ...shown(layers.hazards), "line-join": "round" },
      filter: ["==", ["get", "closure"], ""],
      paint: {
        "line-color": color("hazard"),
        "line-width": ["case", isSelected, 5 * k, 2.5 * k],
        "line-dasharray": [3, 1.5],
      },
    },
    // The way that a unit would take: wide, cased and dashed, so that nobody takes it for a line of an assignment.
    {
      ...{ id: "route-casing", type: "line", source: source.routes, filter: ["==", ["geometry-type"], "LineString"] },
      layout: { "line-join": "round", "line-cap": "round" },
      paint: {
        "line-color": color("symbol-casing"),
        "line-width": ["case", isLead, 10 * k, 6 * k],
        "line-opacity": ["case", isLead, 0.9, 0.6],
      },
    },
    {
      ...{ id: "route-other", type: "line", source: source.routes },
      layout: { "line-join": "round" },
      filter: ["!", isLead],
      paint: { "line-color": color("assignment"), "line-width": 2.5 * k, "line-dasharray": [2, 2] },
    },
    {
      ...{ id: "route", type: "line", source: source.routes },
      layout: { "line-join": "round" },
      filter: isLead,
      paint: { "line-color": color("route"), "line-width": 5.5 * k, "line-dasharray": [2.2, 0.9] },
    },
    // A closed street is barred like a barrier, a slow one is dotted; each bears its own sign as well.
    {
      ...{ id: "closure-casing", type: "line", source: source.hazards },
      layout: { ...shown(layers.hazards), "line-join": "round", "line-cap": "round" },
      filter: ["!=", ["get", "closure"], ""],
      paint: { "line-color": color("symbol-casing"), "line-width": ["case", isSelected, 13 * k, 10 * k] },
    },
    {
      ...{ id: "closure-line", type: "line", source: source.hazards },
      layout: { ...shown(layers.hazards), "line-join": "round" },
      filter: ["==", ["get", "closure"], "closed"],
      paint: { "line-color": color("hazard"), "line-width": 7 * k },
    },
    {
      ...{ id: "closure-bars", type: "line", source: source.hazards },
      layout: { ...shown(layers.hazards), "line-join": "bevel" },
      filter: ["==", ["get", "closure"], "closed"],
      paint: { "line-color": color("closure-bar"), "line-width": 7 * k, "line-dasharray": [0.7, 1.1] },
    },
    {
      ...{ id: "closure-slow", type: "line", source: source.hazards },
      layout: { ...shown(layers.hazards), "line-join": "round", "line-cap": "round" },
      filter: ["==", ["get", "closure"], "slow"],
      paint: { "line-color": color("hazard"), "line-width": 5 * k, "line-dasharray": [0.01, 2] },
    },
    {
      ...{ id: "closure-signs", type: "symbol", source: source.hazards, minzoom: 13 },
      layout: {
        ...shown(layers.hazards),
        "symbol-placement": "line",
        "symbol-spacing": 110 * k,
        "icon-image": ["concat", "closure|", ["get", "closure"]],
        "icon-rotation-alignment": "viewport",
        "icon-allow-overlap": true,
        "icon-ignore-placement": true,
      },
      filter: ["!=", ["get", "closure"], ""],
    },
    {
      ...{ id: "sites", type: "symbol", source: source.sites, minzoom: 11 },
      layout: {
        ...shown(layers.sites),
        "icon-image": ["get", "icon"],
        "icon-padding": 3 * k,
        "symbol-sort-key": ["get", "order"],
        "text-field": ["step", ["zoom"], "", 15, ["get", "name"]],
        "text-font": medium,
        "text-size": 12 * t,
        "text-anchor": "top",
        "text-offset": [0, 1],
        "text-optional": true,
        "text-max-width": 9,
      },
      filter: [">=", ["zoom"], ["get", "from"]],
      paint: { ...halo, "text-color": color("map-place-minor"), "icon-opacity": ["interpolate", ["linear"], ["zoom"], 12, 0.55, 14.5, 0.95] },
    },
    {
      ...{ id: "shelters", type: "symbol", source: source.shelters, minzoom: 11.5 },
      layout: {
        ...shown(layers.shelters),
        "icon-image": ["get", "icon"],
        "icon-padding": 3 * k,
        "symbol-sort-key": ["get", "order"],
        "text-field": ["step", ["zoom"], "", 14.5, ["get", "name"]],
        "text-font": medium,
        "text-size": 12 * t,
        "text-anchor": "top",
        "text-offset": [0, 1.1],
        "text-optional": true,
        "text-max-width": 9,
      },
      filter: [">=", ["zoom"], ["get", "from"]],
      paint: halo,
    },
    {
      ...{ id: "clusters", type: "symbol", source: source.clusters },
      layout: {
        ...shown(layers.units),
        "icon-image": ["get", "icon"],
        "icon-allow-overlap": true,
        "icon-ignore-placement": true,
        "text-field": ["get", "text"],
        "text-font": bold,
        "text-size": 13 * t,
        "text-allow-overlap": true,
        "text-ignore-placement": true,
      },
      paint: { "text-color": ["case", ["boolean", ["get", "quiet"], false], color("text-muted"), color("cluster-text")] },
    },
    // Assignments and units are drawn here: a number never covers a unit that is drawn by itself.
    callsigns(aboveUnits, false),
    // The name of the selected unit stands wherever it is.
    callsigns("callsign-selected", true),
    {
      ...{ id: "hazard-label", type: "symbol", source: source.hazardLabels },
      layout: {
        ...shown(layers.hazards),
        "icon-image": ["get", "icon"],
        "icon-allow-overlap": true,
        "text-field": ["get", "text"],
        "text-font": bold,
        "text-size": 13.5 * t,
        "text-anchor": "top",
        "text-offset": [0, 1.1],
        "text-optional": true,
        "text-max-width": 12,
      },
      paint: halo,
    },
    // Names lie under the signs and go around them: a sign is never hidden by a name, nor a name by a sign.
    {
      ...{ id: "incident-labels", type: "symbol", source: source.incidents },
      layout: {
        ...shown(layers.incidents),
        "symbol-sort-key": ["-", 0, ["get", "order"]],
        "text-field": ["get", "text"],
        "text-font": bold,
        "text-size": ["case", [">=", ["get", "rank"], 3], 16.5 * t, 15 * t],
        "text-variable-anchor": ["top", "bottom", "left", "right"],
        "text-radial-offset": ["get", "offset"],
        "text-justify": "auto",
        "text-max-width": 11,
        "text-padding": 3 * k,
      },
      paint: halo,
    },
    {
      ...{ id: "fresh", type: "circle", source: source.fresh },
      layout: shown(layers.incidents),
      paint: {
        "circle-radius": ["*", k, ["get", "radius"]],
        "circle-opacity": 0,
        "circle-stroke-color": color("selection"),
        "circle-stroke-width": 3.5 * k,
      },
    },
    {
      ...{ id: "incidents", type: "symbol", source: source.incidents },
      layout: {
        ...shown(layers.incidents),
        "icon-image": ["get", "icon"],
        "icon-allow-overlap": true,
        "icon-padding": 1,
        "symbol-sort-key": ["get", "order"],
      },
      paint: { "icon-opacity": ["case", ["get", "dim"], 0.45, 1] },
    },
    // How many others a sign stands for, at its upper corner.
    {
      ...{ id: "incident-more", type: "symbol", source: source.incidents, filter: ["!=", ["get", "more"], ""] },
      layout: {
        ...shown(layers.incidents),
        "text-field": ["get", "more"],
        "text-font": bold,
        "text-size": 14 * t,
        "text-anchor": "bottom-left",
        "text-offset": ["interpolate", ["linear"], ["get", "half"], 13, ["literal", [0.45, -0.35]], 22, ["literal", [0.8, -0.7]]],
        "text-allow-overlap": true,
        "text-ignore-placement": true,
      },
      paint: { ...halo, "text-halo-width": 2.6 * k },
    },
    {
      ...{ id: "route-time", type: "symbol", source: source.routes, filter: ["==", ["geometry-type"], "Point"] },
      layout: {
        "text-field": ["get", "text"],
        "text-font": bold,
        "text-size": 14.5 * t,
        "text-allow-overlap": true, // names of the ground make room for it
        "text-offset": [0, -1.1],
      },
      paint: { ...halo, "text-halo-width": 2.6 * k },
    },
    // What is being drawn, and what was drawn until it comes back by the stream.
    {
      ...{ id: "draft-fill", type: "fill", source: source.draft, filter: ["==", ["geometry-type"], "Polygon"] },
      paint: { "fill-color": color("draft"), "fill-opacity": 0.16 },
    },
    {
      ...{ id: "draft-casing", type: "line", source: source.draft, filter: ["!=", ["geometry-type"], "Point"] },
      layout: { "line-join": "round", "line-cap": "round" },
      paint: { "line-color": color("symbol-casing"), "line-width": 8 * k, "line-opacity": 0.8 },
    },
    {
      ...{ id: "draft-line", type: "line", source: source.draft, filter: ["!=", ["geometry-type"], "Point"] },
      layout: { "line-join": "round" },
      paint: {
        "line-color": color("draft"),
        "line-width": 4 * k,
        "line-dasharray": [1.4, 1],
        "line-opacity": ["case", ["get", "ghost"], 0.6, 1],
      },
    },
    {
      ...{ id: "draft-points", type: "circle", source: source.draft, filter: ["==", ["geometry-type"], "Point"] },
      paint: {
        "circle-radius": ["case", ["get", "last"], 6.5 * k, 4.5 * k],
        "circle-color": color("draft"),
        "circle-stroke-color": color("symbol-casing"),
        "circle-stroke-width": 2 * k,
      },
    },
    {
      ...{ id: "selection-area", type: "fill", source: source.selection, filter: ["==", ["geometry-type"], "Polygon"] },
      paint: { "fill-color": color("accuracy"), "fill-opacity": 0.1 },
    },
    {
      ...{ id: "selection-edge", type: "line", source: source.selection, filter: ["==", ["geometry-type"], "Polygon"] },
      paint: { "line-color": color("accuracy"), "line-width": 1.4 * k, "line-opacity": 0.8 },
    },
    {
      ...{ id: "selection", type: "circle", source: source.selection, filter: ["==", ["geometry-type"], "Point"] },
      paint: {
        "circle-radius": ["*", k, ["get", "radius"]],
        "circle-opacity": 0,
        "circle-stroke-color": color("selection"),
        "circle-stroke-width": 2.5 * k,
      },
    },
  ];
}
