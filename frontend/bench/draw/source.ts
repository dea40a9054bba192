/** The thread that decodes, as the worker of the stream does: every way gets the same frames from it, as typed columns. */
import { decode, transferables } from "../../src/stream/wire";

const scope = globalThis as unknown as {
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
  onmessage: ((event: { data: { url: string } | { k: number } }) => void) | null;
};

let frames: Uint8Array[] = [];

scope.onmessage = async ({ data }) => {
  if ("k" in data) {
    const frame = decode(frames[data.k]!);
    scope.postMessage(frame, transferables(frame));
    return;
  }
  const file = await (await fetch(data.url)).arrayBuffer();
  const lengths = new DataView(file);
  frames = [];
  for (let at = 0; at < file.byteLength; at += 4 + lengths.getUint32(at)) frames.push(new Uint8Array(file, at + 4, lengths.getUint32(at)));
  scope.postMessage(frames.length);
};
