/** The vectors that the Go tests read too: both must find the same in the same bytes. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { lanes, mix } from "../src/stream/hash";
import { decode, NewerFormatError, WireError, type Put } from "../src/stream/wire";
import { geometry } from "../src/world/feature";
import { World } from "../src/world/world";

const folder = new URL("../../fixtures/golden/v1/", import.meta.url);
const bytes = (name: string) => new Uint8Array(readFileSync(new URL(`${name}.bin`, folder)));
const json = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));

type Row = {
  id: number;
  rev: number;
  lng: number;
  lat: number;
  time: number;
  heading: number;
  speed: number;
  accuracy: number;
  flags: number;
};
type Index = {
  story: { name: string; hash: string; seq: number; live: number; count: number; recorded: Row[]; shown: Row[] }[];
  single: string[];
  journal: string[];
  broken: Record<string, "format" | "newer">;
  mix: (Row & { mix: string })[];
};
const index: Index = json("index");

const hex = (h: { hi: number; lo: number }) => h.hi.toString(16).padStart(8, "0") + h.lo.toString(16).padStart(8, "0");

const fixOf = ({ id, lng, lat, time, heading, speed, accuracy, flags }: Row) => ({
  ...{ id, lng, lat, time, heading, speed, accuracy, flags },
});

describe("decode finds what was written in", () => {
  for (const name of [...index.story.map((s) => s.name), ...index.single, ...index.journal]) {
    test(name, () => {
      const want = json(name);
      const got = decode(bytes(name));
      const { world, epoch, base, seq, live, time, put, drop, moves } = got;
      expect({ base, seq, live, time, drop: [...drop] }).toEqual({
        ...{ base: want.base, seq: want.seq, live: want.live, time: want.time, drop: want.drop },
      });
      if (world || epoch) expect([world, epoch]).toEqual([want.world, want.epoch]);
      expect(hex(got.state)).toBe(want.state);
      const rows = [...moves.id].map((id, i) => ({
        id,
        lng: moves.lng[i]!,
        lat: moves.lat[i]!,
        time: moves.time[i]!,
        heading: moves.heading[i]!,
        speed: moves.speed[i]!,
        accuracy: moves.accuracy[i]!,
        flags: moves.flags[i]!,
      }));
      expect(rows).toEqual(want.move.map(fixOf));
      expect(put.map(feature)).toEqual(
        want.put.map((p: Omit<Put, "shape" | "sealed"> & { shape: unknown; sealed: { name: string }[] }) => ({
          ...fixOf(p),
          ...{ rev: p.rev, key: p.key, kind: p.kind, due: p.due, props: p.props },
          sealed: p.sealed.map((s) => s.name),
          points: shapePoints(p.shape),
        })),
      );
      if (want.status) expect(got.status).toMatchObject(status(want.status));
      else expect(got.status).toBeNull();
    });
  }
});

function feature(p: Put) {
  return {
    ...fixOf(p),
    ...{ rev: p.rev, key: p.key, kind: p.kind, due: p.due, props: p.props, sealed: [...p.sealed] },
    points: p.shape ? [...p.shape.lng].map((lng, i) => [lng, p.shape!.lat[i]!]) : null,
  };
}

function shapePoints(shape: unknown): unknown {
  if (!shape) return null;
  const s = shape as { points?: unknown; lng?: number[]; lat?: number[] };
  return s.points ?? s.lng?.map((lng, i) => [lng, s.lat![i]]);
}

function status(s: Record<string, unknown>) {
  const { mode, exercise, recording, build, tick, audience, clock, echo, speed, simulated } = s;
  return { mode, exercise, recording, build, tick, audience, clock, echo, speed, simulated };
}

test("a world that hears the story stands where the server's stood after each frame", () => {
  const world = new World();
  for (const step of index.story) {
    const outcome = world.apply(decode(bytes(step.name)));
    expect(["applied", "known"], step.name).toContain(outcome);
    expect(hex(world.hash), `${step.name}: hash`).toBe(step.hash);
    expect([world.seq, world.live, world.size], step.name).toEqual([step.seq, step.live, step.count]);
    const shown = new Map(step.shown.map((row) => [row.id, row]));
    for (const row of step.recorded) {
      const f = world.byId(row.id)!;
      expect(f.rev, step.name).toBe(row.rev);
      const { rows } = world;
      const i = f.row;
      const got = [rows.lng[i], rows.lat[i], rows.time[i], rows.heading[i], rows.speed[i], rows.accuracy[i], rows.flags[i]];
      const want = shown.get(row.id) ?? row;
      expect(got, `${step.name}: feature ${row.id}`).toEqual(
        [want.lng, want.lat, want.time, want.heading, want.speed, want.accuracy, want.flags],
      );
      geometry(f);
    }
  }
});

test("bytes that are no frame are refused", () => {
  for (const [name, why] of Object.entries(index.broken)) {
    expect(() => decode(bytes(name)), name).toThrow(why === "newer" ? NewerFormatError : WireError);
  }
});

test("mix gives what the server's gives", () => {
  for (const x of index.mix) {
    mix(x.id, x.rev, x.lng, x.lat, x.time, x.heading, x.speed, x.accuracy, x.flags);
    expect(hex(lanes), `feature ${x.id}`).toBe(x.mix);
  }
});
