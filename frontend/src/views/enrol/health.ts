import { putHealth } from "../../commands/access";
import { send } from "../../commands/http";

/** As often as the server expects it: after 30 s without a word a wall counts as silent. */
const everyMs = 10_000;

/** Chromium only. */
type Memory = Performance & { memory?: { usedJSHeapSize: number } };

/** Tells the server every ten seconds how this wall is: frames drawn a second, memory, how old its picture is. */
export function reportHealth(): void {
  // This page is as old as the server that it came from.
  let build = "";
  void send<{ build: string }>({ method: "GET", path: "/healthz" }).then((answer) => {
    if (answer.ok) build = answer.body.build;
  });
  let frames = 0;
  let losses = 0;
  let seq = 0;
  let fresh = performance.now();
  let counted = performance.now();
  const count = () => {
    frames++;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  // It does not bubble, but it is captured on its way down.
  document.addEventListener("webglcontextlost", () => losses++, true);

  const report = () => {
    const now = performance.now();
    const drawn = window.__rasad?.seq() ?? 0;
    const live = document.documentElement.dataset["state"];
    // Quiet nights have no frames to draw: a picture is as old as the time since it was last live.
    if (drawn !== seq || (live && live !== "NOT_LIVE" && live !== "DELAYED")) fresh = now;
    seq = drawn;
    const memory = (performance as Memory).memory?.usedJSHeapSize;
    void putHealth({
      build: build || "?",
      fps: Math.round((frames * 10_000) / (now - counted)) / 10,
      ...(memory === undefined ? {} : { memory_mb: Math.round(memory / 1e5) / 10 }),
      seq,
      frame_age_s: Math.round((now - fresh) / 100) / 10,
      context_losses: losses,
      width: Math.round(innerWidth * devicePixelRatio),
      height: Math.round(innerHeight * devicePixelRatio),
      uptime_s: Math.round(now / 1000),
    });
    frames = 0;
    counted = now;
  };
  setInterval(report, everyMs);
  setTimeout(report, 3000);
}
