import { headingUnknown, speedUnknown } from "../stream/wire";

/**
 * The places of all features by column, in the integers of the wire. A feature keeps its row while it lives; rows of
 * dropped features are used again. Time 0: no place.
 */
export class Rows {
  /** Rows in use lie below this. */
  length = 0;
  id = new Uint32Array(1024);
  rev = new Float64Array(1024);
  lng = new Int32Array(1024);
  lat = new Int32Array(1024);
  time = new Float64Array(1024);
  heading = new Uint16Array(1024);
  speed = new Uint16Array(1024);
  accuracy = new Uint16Array(1024);
  flags = new Uint16Array(1024);
  /** The share of the row in the state hash, of what is recorded: an overlay leaves it alone. */
  hashHi = new Uint32Array(1024);
  hashLo = new Uint32Array(1024);
  #free: number[] = [];

  /** A row that is nobody's. */
  take(): number {
    const row = this.#free.pop() ?? this.length++;
    if (row >= this.id.length) this.#grow();
    return row;
  }

  /** Gives a row back. */
  release(row: number): void {
    this.id[row] = 0;
    this.time[row] = 0;
    this.heading[row] = headingUnknown;
    this.speed[row] = speedUnknown;
    this.hashHi[row] = this.hashLo[row] = 0;
    this.#free.push(row);
  }

  /** Forgets every row. */
  clear(): void {
    this.length = 0;
    this.#free = [];
    this.hashHi.fill(0);
    this.hashLo.fill(0);
    this.id.fill(0);
  }

  #grow(): void {
    const size = this.id.length * 2;
    const copy = <T extends { set(from: T): void }>(to: T, from: T): T => (to.set(from), to);
    this.id = copy(new Uint32Array(size), this.id);
    this.rev = copy(new Float64Array(size), this.rev);
    this.lng = copy(new Int32Array(size), this.lng);
    this.lat = copy(new Int32Array(size), this.lat);
    this.time = copy(new Float64Array(size), this.time);
    this.heading = copy(new Uint16Array(size), this.heading);
    this.speed = copy(new Uint16Array(size), this.speed);
    this.accuracy = copy(new Uint16Array(size), this.accuracy);
    this.flags = copy(new Uint16Array(size), this.flags);
    this.hashHi = copy(new Uint32Array(size), this.hashHi);
    this.hashLo = copy(new Uint32Array(size), this.hashLo);
  }
}
