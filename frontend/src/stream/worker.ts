/** The thread that owns the socket: decoding never costs the page a frame. */
import { Link } from "./link";
import type { Report, Request } from "./protocol";

/** The worker's own global scope; the DOM's types know only the window. */
const scope = globalThis as unknown as {
  postMessage(message: Report, transfer?: ArrayBuffer[]): void;
  onmessage: ((event: { data: Request }) => void) | null;
};

const link = new Link({
  connect: (url, protocol) => new WebSocket(url, protocol) as import("./link").Socket,
  report: (report, transfer) => scope.postMessage(report, transfer),
  random: Math.random,
});

scope.onmessage = ({ data }) => link.handle(data);
setInterval(() => scope.postMessage({ type: "pulse" }), 1000);
