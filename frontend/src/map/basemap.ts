import { FetchSource, PMTiles, type Protocol, type RangeResponse, type Source } from "pmtiles";

/** A basemap up to this size is kept whole: 64 MB is a city of ten million with its streets. */
const keptMost = 64 << 20;
const againMs = 30_000;

/**
 * A basemap that is fetched by ranges at first, and kept whole as soon as it has come: a wall that moves its view while the
 * server is away has its ground all the same.
 */
export class KeptBasemap implements Source {
  readonly #url: string;
  readonly #ranges: FetchSource;
  #whole: ArrayBuffer | null = null;

  constructor(url: string) {
    this.#url = url;
    this.#ranges = new FetchSource(url);
  }

  /** Puts a basemap into what serves `pmtiles:` addresses, for as long as the page lives. */
  static serve(protocol: Protocol, url: string): void {
    if (protocol.get(url)) return; // another map of the page keeps it already
    const kept = new KeptBasemap(url);
    protocol.add(new PMTiles(kept));
    void kept.#fetch();
  }

  getKey(): string {
    return this.#url;
  }

  async getBytes(offset: number, length: number, signal?: AbortSignal, etag?: string): Promise<RangeResponse> {
    return this.#whole ? { data: this.#whole.slice(offset, offset + length) } : this.#ranges.getBytes(offset, length, signal, etag);
  }

  async #fetch(): Promise<void> {
    try {
      const head = await fetch(this.#url, { method: "HEAD" });
      if (!head.ok) throw new Error(`the basemap answers ${head.status}`);
      if (!(Number(head.headers.get("content-length")) <= keptMost)) return;
      const answer = await fetch(this.#url);
      if (!answer.ok) throw new Error(`the basemap answers ${answer.status}`);
      this.#whole = await answer.arrayBuffer();
    } catch {
      setTimeout(() => void this.#fetch(), againMs); // the server is away just now
    }
  }
}
