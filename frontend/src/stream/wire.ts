/**
 * The bytes of a frame, as `streams/FORMAT.md` and `streams/frame.proto` define them, read by hand: the columns of
 * moves go straight into typed arrays, seven times faster than a general protobuf library does it.
 */

/** Bytes that are no frame of this format. The connection that sent them is not to be trusted further. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** A frame of a newer major version: this screen is too old for the server and has to be loaded again. */
export class NewerFormatError extends WireError {}

/** The highest major version of the format that this decoder knows. */
export const formatVersion = 1;

/** Heading of a fix that has none; otherwise 0..359 degrees clockwise from north. */
export const headingUnknown = 511;
/** Speed of a fix that has none; otherwise tenths of a metre per second. */
export const speedUnknown = 0xffff;

/** Fixes by column, all of one length, in the integers of the wire (lng and lat in 1e-7 degree). */
export type Moves = Readonly<{
  id: Uint32Array;
  lng: Int32Array;
  lat: Int32Array;
  /** Of the fix, Unix milliseconds. */
  time: Float64Array;
  heading: Uint16Array;
  speed: Uint16Array;
  /** Metres, 0 unknown. */
  accuracy: Uint16Array;
  flags: Uint16Array;
}>;

/** The geometry of a feature that is more than a point. See geo.Shape. */
export type WireShape = Readonly<{
  type: "MultiPoint" | "LineString" | "MultiLineString" | "Polygon" | "MultiPolygon";
  lng: Int32Array;
  lat: Int32Array;
  ends: Uint32Array;
  parts: Uint32Array;
}>;

/** A whole feature. Time 0 means that it has no place. */
export type Put = Readonly<{
  id: number;
  key: string;
  kind: string;
  rev: number;
  due: number;
  lng: number;
  lat: number;
  time: number;
  heading: number;
  speed: number;
  accuracy: number;
  flags: number;
  /** A JSON object, or "" for an empty one. */
  props: string;
  shape: WireShape | null;
  /** Names of the properties that are sealed. */
  sealed: readonly string[];
}>;

/** What a screen must know to say LIVE honestly. */
export type Status = Readonly<{
  mode: "live" | "replay";
  exercise: boolean;
  recording: boolean;
  build: string;
  /** Unix milliseconds of the writer's last completed tick. */
  tick: number;
  audience: string;
  /** The server's clock when it sent this, Unix milliseconds. */
  clock: number;
  /** The number of our `{"clock": n}`, echoed; 0 none. */
  echo: number;
  /** Replay only. */
  speed: number;
  simulated: boolean;
}>;

/** The state hash as two unsigned 32-bit halves. */
export type Hash = Readonly<{ hi: number; lo: number }>;

/** Carries a world that stood at `base` to `seq`. Base 0 is a keyframe. */
export type Frame = Readonly<{
  world: string;
  epoch: string;
  base: number;
  seq: number;
  /** Counts the frames of positions shown but not recorded since `seq`; 0 on what is recorded. */
  live: number;
  /** Unix milliseconds. */
  time: number;
  /** Of the world after this frame, without what is shown but not recorded. Says nothing where `live` is not 0. */
  state: Hash;
  drop: Uint32Array;
  put: readonly Put[];
  moves: Moves;
  status: Status | null;
}>;

const two32 = 4294967296;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads the wire types of protobuf from one buffer. Every method throws [WireError] rather than read past `end`. */
class Reader {
  constructor(
    readonly buf: Uint8Array,
    public pos: number,
    readonly end: number,
  ) {}

  /** The wire type of the field that is read. */
  type = 0;

  /** The number of the next field; its wire type lies in `type`. */
  tag(): number {
    const tag = this.varint();
    this.type = tag % 8;
    const number = Math.floor(tag / 8);
    if (number === 0) throw new WireError("a field has number 0");
    return number;
  }

  uint(): number {
    this.#is(0);
    return this.varint();
  }

  /** An unsigned varint of at most 64 bits, of which a double holds 53. */
  varint(): number {
    const { buf, end } = this;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.pos >= end) throw new WireError("a number ends in the middle");
      const b = buf[this.pos++]!;
      value += (b & 127) * scale;
      if (b < 128) {
        if (value > Number.MAX_SAFE_INTEGER) throw new WireError("a number is over 2^53");
        return value;
      }
      scale *= 128;
    }
    throw new WireError("a number is longer than ten bytes");
  }

  sint(): number {
    this.#is(0);
    return this.zigzag();
  }

  zigzag(): number {
    const z = this.varint();
    return z % 2 === 0 ? z / 2 : -(z + 1) / 2;
  }

  /** A length-delimited field, as bytes of the buffer itself. */
  bytes(): Uint8Array {
    this.#is(2);
    const length = this.varint();
    const at = this.#take(length);
    return this.buf.subarray(at, at + length);
  }

  double(): number {
    this.#is(1);
    const at = this.#take(8);
    return new DataView(this.buf.buffer, this.buf.byteOffset + at, 8).getFloat64(0, true);
  }

  hash(): Hash {
    this.#is(1);
    const at = this.#take(8);
    const view = new DataView(this.buf.buffer, this.buf.byteOffset + at, 8);
    return { lo: view.getUint32(0, true), hi: view.getUint32(4, true) };
  }

  /** A length-delimited field, as a reader of its own. */
  message(): Reader {
    this.#is(2);
    const length = this.varint();
    const at = this.#take(length);
    return new Reader(this.buf, at, at + length);
  }

  text(): string {
    this.#is(2);
    const length = this.varint();
    const at = this.#take(length);
    // Keys and kinds are short ASCII: a call into TextDecoder costs more than this loop.
    if (length <= 24) {
      let text = "";
      for (let i = at; i < at + length; i++) {
        const b = this.buf[i]!;
        if (b > 127) return this.#utf8(at, length);
        text += String.fromCharCode(b);
      }
      return text;
    }
    return this.#utf8(at, length);
  }

  #utf8(at: number, length: number): string {
    try {
      return utf8.decode(this.buf.subarray(at, at + length));
    } catch (cause) {
      throw new WireError("a text is not UTF-8", { cause });
    }
  }

  /** Leaves out the field that is read. */
  skip(): void {
    switch (this.type) {
      case 0:
        for (let i = 0; i < 10; i++) if (this.buf[this.#take(1)]! < 128) return;
        throw new WireError("a number is longer than ten bytes");
      case 1:
        this.#take(8);
        return;
      case 2:
        this.#take(this.varint());
        return;
      case 5:
        this.#take(4);
        return;
      default:
        throw new WireError(`wire type ${this.type} does not exist`);
    }
  }

  #is(type: number): void {
    if (this.type !== type) throw new WireError(`a field has wire type ${this.type}, not ${type}`);
  }

  #take(length: number): number {
    const at = this.pos;
    if (length > this.end - at) throw new WireError("a field is longer than what holds it");
    this.pos = at + length;
    return at;
  }
}

/** Calls `field` for each field of a message; `field` returns false for those that it does not know. */
function fields(r: Reader, field: (number: number) => boolean): void {
  while (r.pos < r.end) if (!field(r.tag())) r.skip();
}

/** The varints of a packed column: how many there are. */
function packedLength(r: Reader): number {
  const { buf, end } = r;
  let n = 0;
  for (let p = r.pos; p < end; p++) n += buf[p]! < 128 ? 1 : 0;
  if (r.pos < end && buf[end - 1]! > 127) throw new WireError("a column ends in the middle of a number");
  return n;
}

const overlong = () => new WireError("a 32-bit number is longer than five bytes");

/** Reads unsigned 32-bit varints. `out` has room for as many as `packedLength` said. */
function readUints(r: Reader, out: Uint32Array): void {
  const { buf, end } = r;
  let p = r.pos;
  for (let i = 0; p < end; i++) {
    let b = buf[p++]!;
    let v = b & 127;
    for (let shift = 7; b > 127; shift += 7) {
      if (shift > 28) throw overlong();
      b = buf[p++]!;
      v |= (b & 127) << shift;
    }
    out[i] = v;
  }
}

/** Reads zigzag differences and sums them up, wrapping at 32 bits as the writer does. */
function readDifferences(r: Reader, out: Int32Array): void {
  const { buf, end } = r;
  let p = r.pos;
  let sum = 0;
  for (let i = 0; p < end; i++) {
    let b = buf[p++]!;
    let z = b & 127;
    for (let shift = 7; b > 127; shift += 7) {
      if (shift > 28) throw overlong();
      b = buf[p++]!;
      z |= (b & 127) << shift;
    }
    sum = (sum + ((z >>> 1) ^ -(z & 1))) | 0;
    out[i] = sum;
  }
}

/** Moves with room for n, all columns in one buffer so that one transfer hands them to another thread. */
export function makeMoves(n: number): Moves {
  const buffer = new ArrayBuffer(n * 28);
  return {
    time: new Float64Array(buffer, 0, n),
    id: new Uint32Array(buffer, n * 8, n),
    lng: new Int32Array(buffer, n * 12, n),
    lat: new Int32Array(buffer, n * 16, n),
    heading: new Uint16Array(buffer, n * 20, n),
    speed: new Uint16Array(buffer, n * 22, n),
    accuracy: new Uint16Array(buffer, n * 24, n),
    flags: new Uint16Array(buffer, n * 26, n),
  };
}

/** A block of moves: eight columns of bits. See `Moves` in frame.proto. */
type Block = { count: number; base: number[]; width: Uint8Array; bits: Uint8Array; unit: number };

const columns = 8;
const noWidths = new Uint8Array(columns);
const noBits = new Uint8Array(0);
/** The least that a row of a block with several rows takes: without it ten bytes could claim billions of moves. */
const rowBitsMin = 8;

function readBlock(r: Reader): Block {
  const block: Block = { count: 0, base: [], width: noWidths, bits: noBits, unit: 1 };
  fields(r, (number) => {
    switch (number) {
      case 1:
        block.count = r.uint();
        return true;
      case 2:
        for (const m = r.message(); m.pos < m.end; ) block.base.push(m.zigzag());
        return true;
      case 3:
        block.width = r.bytes();
        return true;
      case 4:
        block.bits = r.bytes();
        return true;
      case 5:
        block.unit = Math.max(1, r.uint());
        return true;
      default:
        throw new WireError("a block of moves has a field that nobody knows");
    }
  });
  const { count, base, width, bits } = block;
  if (count === 0) throw new WireError("a block without moves");
  if (base.length !== columns || width.length !== columns) throw new WireError("a block has eight columns");
  let row = 0;
  for (const w of width) {
    if (w > 64) throw new WireError("a column is wider than 64 bits");
    row += w;
  }
  if (count > 1 && row < rowBitsMin) throw new WireError("a row is narrower than eight bits");
  if (bits.length !== Math.ceil((count * row) / 8)) throw new WireError("the bits are not as many as rows and widths say");
  return block;
}

const outOfRange = () => new WireError("a value of a column is out of range");

// The bits of one block as words with room after them, and the values of one of its columns. They are kept because
// a frame has two hundred blocks. Words of this machine are little-endian: no browser runs on others.
let words = new Uint32Array(1024);
let wordBytes = new Uint8Array(words.buffer);
let values = new Uint32Array(256);
/** The same memory as signed numbers: sums of those stay 32-bit integers, which is most of the speed. */
let signed = new Int32Array(values.buffer);

/** Unpacks n numbers of `width` bits (1..32) that begin at `bit` of `words` into `values`. */
function unpack(bit: number, width: number, n: number): void {
  const from = words;
  const out = signed;
  const mask = width === 32 ? -1 : (1 << width) - 1;
  for (let i = 0; i < n; i++, bit += width) {
    const at = bit >>> 5;
    const shift = bit & 31;
    // Shifted left in two steps: a shift by 32 would be none.
    out[i] = ((from[at]! >>> shift) | ((from[at + 1]! << 1) << (31 - shift))) & mask;
  }
}

/** Unpacks a column of a block. Its values plus the base have to end up in least..most. */
function unpackColumn(block: Block, column: number, bit: number, least: number, most: number): number {
  const base = block.base[column]!;
  const width = block.width[column]!;
  const n = block.count;
  if (base < least || base > most || width > 32) throw outOfRange();
  if (width === 0) {
    values.fill(0, 0, n);
    return bit;
  }
  unpack(bit, width, n);
  if (base + 2 ** width - 1 > most) {
    for (let i = 0; i < n; i++) if (base + values[i]! > most) throw outOfRange();
  }
  return bit + n * width;
}

function readMoves(blocks: readonly Block[]): Moves {
  const moves = makeMoves(blocks.reduce((n, block) => n + block.count, 0));
  let from = 0;
  let lastId = 0;
  for (const block of blocks) {
    lastId = readBlockInto(moves, from, block, lastId);
    from += block.count;
  }
  return moves;
}

function readBlockInto(moves: Moves, from: number, block: Block, lastId: number): number {
  const n = block.count;
  if (wordBytes.length < block.bits.length + 12) {
    words = new Uint32Array((block.bits.length >> 1) + 4);
    wordBytes = new Uint8Array(words.buffer);
  }
  wordBytes.set(block.bits);
  if (values.length < n) {
    values = new Uint32Array(n * 2);
    signed = new Int32Array(values.buffer);
  }
  const v = signed;

  let bit = unpackColumn(block, 0, 0, lastId + 1, two32 - 1);
  if (v[0] !== 0) throw new WireError("the first id is not the base");
  const { id, lng, lat, heading, speed, time, accuracy, flags } = moves;
  let last = block.base[0]!;
  id[from] = last;
  for (let i = 1; i < n; i++) id[from + i] = last += values[i]! + 1;
  if (last >= two32) throw outOfRange();

  bit = unpackColumn(block, 1, bit, -0x80000000, 0x7fffffff);
  let base = block.base[1]! | 0;
  for (let i = 0; i < n; i++) lng[from + i] = (base + v[i]!) | 0;

  bit = unpackColumn(block, 2, bit, -0x80000000, 0x7fffffff);
  base = block.base[2]! | 0;
  for (let i = 0; i < n; i++) lat[from + i] = (base + v[i]!) | 0;

  bit = unpackColumn(block, 3, bit, 0, 0x10000);
  base = block.base[3]! | 0;
  for (let i = 0; i < n; i++) {
    const wire = (base + v[i]!) | 0;
    heading[from + i] = wire === 0 ? headingUnknown : wire - 1;
  }

  bit = unpackColumn(block, 4, bit, 0, 0xffff);
  base = (block.base[4]! | 0) - 1;
  for (let i = 0; i < n; i++) speed[from + i] = (base + v[i]!) | 0; // unknown, -1, is 65535 in 16 bits

  const begin = block.base[5]!;
  const width = block.width[5]!;
  const { unit } = block;
  if (width <= 32) {
    bit = unpackColumn(block, 5, bit, -Infinity, Infinity);
    for (let i = 0; i < n; i++) time[from + i] = begin + values[i]! * unit;
  } else {
    for (let i = 0; i < n; i++, bit += width) time[from + i] = begin + long(bit, width) * unit;
  }

  bit = unpackColumn(block, 6, bit, 0, 0xffff);
  base = block.base[6]! | 0;
  for (let i = 0; i < n; i++) accuracy[from + i] = (base + v[i]!) | 0;

  unpackColumn(block, 7, bit, 0, 0xffff);
  base = block.base[7]! | 0;
  for (let i = 0; i < n; i++) flags[from + i] = (base + v[i]!) | 0;
  return last;
}

/** A number of 33..64 bits; fixes of one block that lie more than 49 days apart are rare. */
function long(bit: number, width: number): number {
  const kept = values[0]!;
  unpack(bit, 32, 1);
  const low = values[0]!;
  unpack(bit + 32, width - 32, 1);
  const high = values[0]!;
  values[0] = kept;
  return low + high * two32;
}

const shapeTypes = [null, "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"] as const;

function readShape(r: Reader): WireShape | null {
  let type: WireShape["type"] | null = null;
  const columns: (Reader | undefined)[] = [];
  fields(r, (number) => {
    if (number === 1) {
      type = shapeTypes[r.uint()] ?? null;
      return true;
    }
    if (number > 5) throw new WireError("a shape has a field that nobody knows");
    columns[number] = r.message();
    return true;
  });
  if (!type) return null; // a shape of a later version: the feature keeps its point
  const count = (number: number): number => (columns[number] ? packedLength(columns[number]) : 0);
  const n = count(2);
  if (count(3) !== n) throw new WireError("the columns of a shape differ in length");
  const shape = {
    type,
    lng: new Int32Array(n),
    lat: new Int32Array(n),
    ends: new Uint32Array(count(4)),
    parts: new Uint32Array(count(5)),
  };
  if (columns[2]) readDifferences(columns[2], shape.lng);
  if (columns[3]) readDifferences(columns[3], shape.lat);
  if (columns[4]) readUints(columns[4], shape.ends);
  if (columns[5]) readUints(columns[5], shape.parts);
  return shape;
}

function readSealed(r: Reader): string {
  let name = "";
  fields(r, (number) => {
    if (number !== 1) return false;
    name = r.text();
    return true;
  });
  return name;
}

/** Kinds repeat ten thousand times in a keyframe: one string for each is enough. */
const kinds = new Map<string, string>();

function intern(kind: string): string {
  const known = kinds.get(kind);
  if (known !== undefined) return known;
  if (kinds.size < 256) kinds.set(kind, kind);
  return kind;
}

function readPut(r: Reader): Put {
  let id = 0;
  let key = "";
  let kind = "";
  let rev = 0;
  let due = 0;
  let lng = 0;
  let lat = 0;
  let time = 0;
  let heading = 0;
  let speed = 0;
  let accuracy = 0;
  let flags = 0;
  let props = "";
  let shape: WireShape | null = null;
  let sealed: string[] | null = null;
  while (r.pos < r.end) {
    switch (r.tag()) {
      case 1:
        id = r.uint();
        break;
      case 2:
        key = r.text();
        break;
      case 3:
        kind = intern(r.text());
        break;
      case 4:
        rev = r.uint();
        break;
      case 5:
        due = r.sint();
        break;
      case 6:
        lng = r.sint();
        break;
      case 7:
        lat = r.sint();
        break;
      case 8:
        time = r.sint();
        break;
      case 9:
        heading = r.uint();
        break;
      case 10:
        speed = r.uint();
        break;
      case 11:
        accuracy = r.uint();
        break;
      case 12:
        flags = r.uint();
        break;
      case 13:
        props = r.text();
        break;
      case 14:
        shape = readShape(r.message());
        break;
      case 15:
        (sealed ??= []).push(readSealed(r.message()));
        break;
      default:
        r.skip();
    }
  }
  if (id === 0 || id >= two32) throw new WireError(`feature id ${id} is not a number of a feature`);
  // Whether it is JSON is found out when somebody asks for a property; that it was cut off is found out here.
  if (props !== "" && !(props.startsWith("{") && props.endsWith("}"))) throw new WireError("properties are no object");
  return {
    id,
    key,
    kind,
    rev,
    due,
    lng: lng | 0,
    lat: lat | 0,
    time,
    heading: heading === 0 ? headingUnknown : heading - 1,
    speed: speed === 0 ? speedUnknown : speed - 1,
    accuracy,
    flags,
    props,
    shape,
    sealed: sealed ?? none,
  };
}

const none: readonly string[] = Object.freeze([]);

function readStatus(r: Reader): Status {
  let mode: Status["mode"] = "live";
  let exercise = false;
  let recording = false;
  let build = "";
  let tick = 0;
  let audience = "";
  let clock = 0;
  let echo = 0;
  let speed = 0;
  let simulated = false;
  fields(r, (number) => {
    switch (number) {
      case 1:
        mode = r.text() === "replay" ? "replay" : "live";
        return true;
      case 2:
        exercise = r.uint() !== 0;
        return true;
      case 3:
        recording = r.uint() !== 0;
        return true;
      case 4:
        build = r.text();
        return true;
      case 5:
        tick = r.sint();
        return true;
      case 6:
        audience = r.text();
        return true;
      case 7:
        clock = r.sint();
        return true;
      case 8:
        echo = r.uint();
        return true;
      case 9:
        speed = r.double();
        return true;
      case 10:
        simulated = r.uint() !== 0;
        return true;
      default:
        return false;
    }
  });
  return { mode, exercise, recording, build, tick, audience, clock, echo, speed, simulated };
}

/**
 * Decodes one frame. Fields that this version does not know are skipped.
 *
 * @throws NewerFormatError for a frame of a newer major version, WireError for bytes that are no frame.
 */
export function decode(bytes: Uint8Array): Frame {
  const r = new Reader(bytes, 0, bytes.length);
  let world = "";
  let epoch = "";
  let base = 0;
  let seq = 0;
  let live = 0;
  let time = 0;
  let state: Hash = { hi: 0, lo: 0 };
  let drop = new Uint32Array(0);
  const put: Put[] = [];
  const blocks: Block[] = [];
  let status: Status | null = null;
  fields(r, (number) => {
    switch (number) {
      case 1: {
        const v = r.uint();
        if (v > formatVersion) throw new NewerFormatError(`format ${v} is newer than ${formatVersion}`);
        return true;
      }
      case 2:
        world = r.text();
        return true;
      case 3:
        epoch = r.text();
        return true;
      case 5:
        base = r.uint();
        return true;
      case 6:
        seq = r.uint();
        return true;
      case 7:
        live = r.uint();
        return true;
      case 8:
        time = r.sint();
        return true;
      case 10:
        state = r.hash();
        return true;
      case 20: {
        const column = r.message();
        drop = new Uint32Array(packedLength(column));
        readUints(column, drop);
        for (let i = 0, id = 0; i < drop.length; i++) {
          if (drop[i] === 0 || (id += drop[i]!) >= two32) throw new WireError("dropped ids do not ascend");
          drop[i] = id;
        }
        return true;
      }
      case 21:
        put.push(readPut(r.message()));
        return true;
      case 22:
        blocks.push(readBlock(r.message()));
        return true;
      case 40:
        status = readStatus(r.message());
        return true;
      default:
        return false;
    }
  });
  return {
    world,
    epoch,
    base,
    seq,
    live,
    time,
    state,
    drop,
    put,
    moves: readMoves(blocks),
    status,
  };
}

/** The buffers of a frame that may be transferred to another thread rather than copied. */
export function transferables(frame: Frame): ArrayBuffer[] {
  const buffers = [frame.moves.id.buffer as ArrayBuffer];
  if (frame.drop.length > 0) buffers.push(frame.drop.buffer as ArrayBuffer);
  return buffers;
}
