import { expect, test } from "vitest";
import { lanes, mix } from "../src/stream/hash";
import { decode, NewerFormatError, WireError } from "../src/stream/wire";
import { encode, mix as naiveMix, nowhere, random, Server, type TestFix } from "./server";

test("the state hash equals the one computed with 64-bit integers", () => {
  const r = random(7);
  const int = (n: number) => Math.floor(r() * n);
  for (let i = 0; i < 5000; i++) {
    const x: TestFix = {
      lng: int(2 ** 32) - 2 ** 31,
      lat: int(2 ** 32) - 2 ** 31,
      time: i % 3 ? int(2e12) : -int(2e12),
      heading: int(512),
      speed: int(65536),
      accuracy: int(65536),
      flags: int(65536),
    };
    const id = int(2 ** 32);
    const rev = int(2 ** 50);
    mix(id, rev, x.lng, x.lat, x.time, x.heading, x.speed, x.accuracy, x.flags);
    expect((BigInt(lanes.hi) << 32n) | BigInt(lanes.lo)).toBe(naiveMix(id, rev, x));
  }
});

test("moves come back as they were written, whatever the size of the blocks", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const r = random(seed);
    const int = (n: number) => Math.floor(r() * n);
    const wide = r() < 0.3;
    let id = 0;
    const move = Array.from({ length: 1 + int(40) }, () => ({
      id: (id += 1 + int(wide ? 1e7 : 3)),
      lng: wide ? int(2 ** 32) - 2 ** 31 : -755_000_000 + int(1000),
      lat: wide ? int(2 ** 32) - 2 ** 31 : 397_000_000,
      time: wide ? int(2 ** 52) - 2 ** 51 : 1_700_000_000_000 - int(3000),
      heading: r() < 0.2 ? 511 : int(360),
      speed: r() < 0.2 ? 0xffff : int(0xffff),
      accuracy: int(wide ? 65536 : 2),
      flags: int(2),
    }));
    const { moves } = decode(encode({ base: 1, seq: 2, move }, 1 + int(50)));
    const got = Array.from(moves.id, (id, i) => ({
      id,
      lng: moves.lng[i],
      lat: moves.lat[i],
      time: moves.time[i],
      heading: moves.heading[i],
      speed: moves.speed[i],
      accuracy: moves.accuracy[i],
      flags: moves.flags[i],
    }));
    expect(got, `seed ${seed}`).toEqual(move);
  }
});

const sample = () => {
  const server = new Server();
  const r = random(3);
  for (let i = 0; i < 20; i++) server.step(r);
  return encode({ ...server.since(5), status: { tick: 5, clock: 6, echo: 7 } });
};

test("fields of a later version are skipped", () => {
  const extra = [
    ...[0x80 | 24, 6, 5], // field 99, varint
    ...[0x80 | 26, 6, 3, 1, 2, 3], // field 99, bytes
    ...[0x80 | 25, 6, 1, 2, 3, 4, 5, 6, 7, 8], // field 99, 64 bits
    ...[0x80 | 29, 6, 1, 2, 3, 4], // field 99, 32 bits
  ];
  const plain = { base: 1, seq: 2, put: [{ id: 1, key: "E7", kind: "balloon", rev: 2, props: "{}", fix: nowhere }] };
  expect(decode(encode({ ...plain, extra }))).toEqual(decode(encode(plain)));
});

test("a newer major version is refused by name", () => {
  expect(() => decode(encode({ v: 2, base: 0, seq: 1 }))).toThrow(NewerFormatError);
});

test("bytes that are cut off or flipped give an error or a frame, and never hang", () => {
  const bytes = sample();
  for (let n = 0; n < bytes.length; n++) survives(bytes.subarray(0, n));
  const r = random(11);
  for (let i = 0; i < 20_000; i++) {
    const broken = bytes.slice();
    for (let k = 0; k < 1 + r() * 3; k++) broken[Math.floor(r() * broken.length)]! ^= 1 << Math.floor(r() * 8);
    survives(broken);
  }
});

function survives(bytes: Uint8Array): void {
  const began = performance.now();
  try {
    decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(WireError);
  }
  expect(performance.now() - began).toBeLessThan(1000);
}

test("ten bytes cannot claim billions of moves", () => {
  // A block of 2^31 equal moves, without bits.
  const block = [8, 0x80, 0x80, 0x80, 0x80, 8, 18, 8, 2, 0, 0, 0, 0, 0, 0, 0];
  expect(() => decode(Uint8Array.from([8, 1, 0xb2, 1, block.length, ...block]))).toThrow(WireError);
});

test("text that is no UTF-8 is refused", () => {
  expect(() => decode(Uint8Array.from([8, 1, 18, 2, 0xc3, 0x28]))).toThrow(WireError);
});
