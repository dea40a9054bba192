import { text, type Feature } from "../../world/feature";

/** How the picture of a camera comes. */
export type CameraSource = Readonly<{ how: "hls" | "mjpeg" | "snapshot"; url: string }>;

/** The best that a site offers: a video, a stream of JPEGs, or a picture that is fetched again and again; null: it is no camera. */
export function cameraOf(site: Feature): CameraSource | null {
  for (const how of ["hls", "mjpeg", "snapshot"] as const) {
    const url = text(site, `${how}_url`);
    if (url) return { how, url };
  }
  return null;
}

/** A picture that is older than this is an old one, and says so. */
export const oldMs = 20_000;
const retryFirstMs = 2000;
const retryMostMs = 60_000;

/** How long to wait before a camera is asked again that failed `failures` times in a row, ms. `random` spreads many cameras. */
export function retryAfter(failures: number, random = Math.random()): number {
  return Math.min(retryMostMs, retryFirstMs * 2 ** Math.max(0, failures - 1)) * (0.75 + 0.5 * random);
}

/** What comes in one part of a stream of JPEGs is no larger than this. */
const partMost = 16 << 20;

/** Takes a stream of JPEGs (multipart/x-mixed-replace) apart into its pictures. Throws when a part has no end. */
export class JpegStream {
  readonly #boundary: Uint8Array;
  #rest = new Uint8Array(0);

  /** `type` is the Content-Type of the answer. Throws when it names no boundary. */
  constructor(type: string) {
    const name = /boundary="?([^";]+)"?/i.exec(type)?.[1]?.replace(/^--/, "");
    if (!/^multipart\//i.test(type) || !name) throw new Error(`${type} is no stream of pictures`);
    this.#boundary = new TextEncoder().encode(`--${name}`);
  }

  /** Takes bytes as they come, and gives the pictures that are whole now. */
  take(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const pictures: Uint8Array<ArrayBuffer>[] = [];
    let at = find(all, this.#boundary, 0);
    while (at >= 0) {
      const head = find(all, blankLine, at);
      if (head < 0) break;
      const begin = head + blankLine.length;
      const length = Number(/^content-length:\s*(\d+)/im.exec(new TextDecoder("latin1").decode(all.subarray(at, head)))?.[1] ?? NaN);
      if (length > partMost) throw new Error(`a picture of ${length} bytes`);
      // Some cameras say how long a picture is, the others end it with the next boundary.
      const next = length >= 0 ? (begin + length <= all.length ? begin + length : -1) : find(all, this.#boundary, begin);
      if (next < 0) break;
      const picture = all.slice(begin, next);
      if (picture.length > 3 && picture[0] === 0xff && picture[1] === 0xd8) pictures.push(picture);
      at = length >= 0 ? find(all, this.#boundary, next) : next;
      if (at < 0) {
        this.#rest = all.slice(next);
        return pictures;
      }
    }
    this.#rest = at < 0 ? all.slice(-this.#boundary.length) : all.slice(at);
    if (this.#rest.length > partMost) throw new Error("a picture without an end");
    return pictures;
  }
}

const blankLine = Uint8Array.of(13, 10, 13, 10);

function find(all: Uint8Array, what: Uint8Array, from: number): number {
  for (let i = all.indexOf(what[0]!, from); i >= 0; i = all.indexOf(what[0]!, i + 1)) {
    if (i + what.length > all.length) return -1;
    if (what.every((byte, k) => all[i + k] === byte)) return i;
  }
  return -1;
}

/** A camera that hangs gives the same picture for ever, and a real one never twice: the noise of its sensor differs. */
export class Frozen {
  #last = "";

  /** Whether these bytes are another picture than those before. */
  async moved(bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    let print = `${bytes.length}`;
    // A page that came without TLS has no digests: the length and every hundredth byte tell pictures apart as well.
    if (globalThis.crypto?.subtle) print += new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).join();
    else for (let i = 0; i < bytes.length; i += 97) print += String.fromCharCode(bytes[i]!);
    const moved = print !== this.#last;
    this.#last = print;
    return moved;
  }
}
