import type { City } from "../../commands/commands";
import type { Preset } from "../../preset";
import type { Frame, Put, Status, WireShape } from "../../stream/wire";
import type { World } from "../../world/world";
import type { Summary } from "./hour";

/** What a tablet shows when no server answers: everything that its screen is made of. */
export type Keepsake = Readonly<{
  version: typeof keepsakeVersion;
  preset: Preset;
  city: City;
  world: Readonly<{ name: string; epoch: string; seq: number; time: number; exercise: boolean; simulated: boolean; recording: boolean; put: readonly FlatPut[] }>;
  /** The city of an hour before, to compare with. */
  hour: Summary | null;
}>;

/** Another version is not read: it is a picture of an hour ago, not a document. */
export const keepsakeVersion = 1;

type FlatShape = Readonly<{ type: WireShape["type"]; lng: number[]; lat: number[]; ends: number[]; parts: number[] }>;
type FlatPut = Omit<Put, "shape"> & Readonly<{ shape: FlatShape | null }>;

/** What the brief shows. Other kinds are not kept. */
export const briefKinds: readonly string[] = [
  "unit", "incident", "hazard", "shelter", "assignment", "alarm", "feed", "coverage", "void",
  "situation", "response", "figure", "decision", "publication",
];

/** Writes a world down, with what was said about it. */
export function flatten(world: World, said: Pick<Status, "exercise" | "simulated" | "recording">): Keepsake["world"] {
  const { rows } = world;
  const put = briefKinds.flatMap((kind) =>
    world.features(kind).map(({ id, key, rev, due, shape, sealed, row, props }): FlatPut => ({
      id, key, kind, rev, due, sealed,
      lng: rows.lng[row]!, lat: rows.lat[row]!, time: rows.time[row]!, heading: rows.heading[row]!,
      speed: rows.speed[row]!, accuracy: rows.accuracy[row]!, flags: rows.flags[row]!,
      props: JSON.stringify(props),
      shape: shape && { type: shape.type, lng: [...shape.lng], lat: [...shape.lat], ends: [...shape.ends], parts: [...shape.parts] },
    })),
  );
  const { exercise, simulated, recording } = said;
  return { name: world.name, epoch: world.epoch, seq: world.seq, time: world.time, exercise, simulated, recording, put };
}

/** The same as a keyframe, to begin a session with. */
export function unflatten(flat: Keepsake["world"]): Frame {
  const none = <A>(array: new (length: number) => A) => new array(0);
  return {
    world: flat.name,
    epoch: flat.epoch,
    base: 0,
    seq: flat.seq,
    live: 0,
    time: flat.time,
    // Not of the whole world: it never stands for one that is live.
    state: { hi: 0, lo: 0 },
    drop: none(Uint32Array),
    put: flat.put.map((p): Put => ({
      ...p,
      shape: p.shape && {
        type: p.shape.type,
        lng: Int32Array.from(p.shape.lng),
        lat: Int32Array.from(p.shape.lat),
        ends: Uint32Array.from(p.shape.ends),
        parts: Uint32Array.from(p.shape.parts),
      },
    })),
    moves: {
      id: none(Uint32Array), lng: none(Int32Array), lat: none(Int32Array), time: none(Float64Array),
      heading: none(Uint16Array), speed: none(Uint16Array), accuracy: none(Uint16Array), flags: none(Uint16Array),
    },
    status: {
      mode: "live", exercise: flat.exercise, recording: flat.recording, simulated: flat.simulated,
      build: "", tick: 0, audience: "brief", clock: 0, echo: 0, speed: 1,
    },
  };
}
