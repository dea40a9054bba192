import { shapes } from "../../shapes";
import type { Preset } from "../../preset";
import { Feature } from "../../world/feature";
import type { Liveness } from "../../world/liveness";

/** A Sunday at half past two in the afternoon, as every picture of the gallery has it. */
export const now = Date.parse("2026-11-22T14:32:05Z");

const label = (code: string) => ({ fa: code, zh: code, en: code });

/**
 * What stands in for the city's preset where nobody is signed in: codes as they are, since words are the city's. Its
 * colours are those of the tokens.
 */
export function samplePreset(icons: readonly string[]): Preset {
  const status = (code: string, shape: string, order: number, busy: boolean, more = {}) => ({
    ...{ code, label: label(code), token: `status-${code}`, shape, order, busy, dispatchable: !busy, ...more },
  });
  const level = (code: string, rank: number, shape: string, night: string) => ({ code, label: label(code), rank, shape, color: { night, day: night } });
  return {
    ...{ code: "sample", version: "1", label: label("sample"), country: "", time_zone: "UTC", week_start: "monday", calendar: "gregory" },
    ...{ languages: ["en"], stale_after_s: 120, agencies: [], capabilities: [], transitions: [], hazard_types: [], site_kinds: [] },
    scales: [
      {
        ...{ code: "priority", label: label("priority"), version: "1" },
        values: [
          level("1", 4, "octagon", "var(--status-distress)"),
          level("2", 3, "triangle", "var(--status-on-scene)"),
          level("3", 2, "diamond", "var(--status-responding)"),
          level("4", 1, "circle", "var(--status-available)"),
        ],
      },
    ],
    statuses: [
      status("available", "circle", 1, false, { initial: true }),
      status("responding", "triangle", 2, true, { on_assign: true }),
      status("on-scene", "square", 3, true),
      status("transporting", "chevron_right", 4, true),
      status("at-hospital", "plus", 5, true),
      status("returning", "chevron_left", 6, false),
      status("out-of-service", "cross", 7, false),
    ],
    flags: [{ code: "distress", label: label("distress"), token: "status-distress", shape: "octagon" }],
    unit_kinds: [],
    incident_types: icons.map((icon) => ({
      ...{ code: icon, label: label(icon), icon, category: "", priority: "2", sensitive: false, agencies: [], capabilities: [] },
    })),
    incident_statuses: [{ code: "open", label: label("open"), order: 1, initial: true }],
    shelter_kinds: [],
    shelter_statuses: [],
  };
}

let samples = 0;

/** A feature that was never in a world. */
export function sampleFeature(kind: string, key: string, props: Readonly<Record<string, unknown>>): Feature {
  return new Feature({ id: ++samples, key, kind, rev: 1, due: 0, at: null, shape: null, sealed: [], props: JSON.stringify(props) } as never, -1);
}

const plain: Liveness = {
  ...{ state: "live", word: "LIVE", age: 0.4, silent: [], recording: true, exercise: false, simulated: false, speed: 1, at: now, unproven: false, link: "open" },
};

/** Every state that a picture can be in. */
export const states: readonly Liveness[] = [
  plain,
  { ...plain, word: "PARTIAL", silent: [{ key: "F", name: "AVL 2", since: now - 400_000 }] },
  { ...plain, state: "delayed", word: "DELAYED", age: 7, at: now - 7000 },
  { ...plain, state: "not-live", word: "NOT_LIVE", age: 95, at: now - 95_000, link: "waiting" },
  { ...plain, state: "replay", word: "REPLAY", speed: 10, at: now - 86_400_000 * 3 },
  { ...plain, exercise: true },
  { ...plain, simulated: true },
  { ...plain, recording: false },
];

/** The names of all shapes, in the order of the atlas. */
export const shapeNames = Object.keys(shapes);
