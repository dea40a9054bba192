/**
 * The share of one feature in the state hash, geo.Mix step by step: two 32-bit lanes over the integers of the wire.
 * The result lies in `lanes`, because returning two numbers would allocate ten thousand times a frame.
 */
export const lanes = { hi: 0, lo: 0 };

const two32 = 4294967296;

export function mix(
  id: number,
  rev: number,
  lng: number,
  lat: number,
  time: number,
  heading: number,
  speed: number,
  accuracy: number,
  flags: number,
): void {
  const revHigh = Math.floor(rev / two32);
  const timeHigh = Math.floor(time / two32);
  let a = 0x9e3779b9 | 0;
  let b = 0x85ebca6b | 0;
  let w = id | 0;
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  w = (rev - revHigh * two32) | 0;
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  w = revHigh | 0;
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  w = lng | 0;
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  w = lat | 0;
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  w = (time - timeHigh * two32) | 0;
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  w = timeHigh | 0;
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  w = heading | (speed << 16);
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  w = accuracy | (flags << 16);
  a = Math.imul(a ^ w, 0x01000193);
  a ^= a >>> 15;
  b = Math.imul((b + w) | 0, 0xcc9e2d51);
  b ^= b >>> 13;
  lanes.hi = final((a ^ (b << 1)) | (b >>> 31));
  lanes.lo = final((b + a) | 0);
}

function final(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
