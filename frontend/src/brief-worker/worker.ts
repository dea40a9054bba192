/**
 * Brings the brief up without a server: its page, scripts and fonts, and nothing of the city. What was last seen of the
 * city is sealed elsewhere (`src/kept.ts`) and bound to the session.
 *
 * `__FILES__` is the list that the build writes: what /brief needs, each under a name that changes with its content.
 */
declare const __FILES__: readonly string[];
declare const __VERSION__: string;

/** The worker's own scope; the DOM's types know only the window. */
type Scope = Readonly<{
  location: Location;
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
  addEventListener(type: "install" | "activate", listener: (event: { waitUntil(work: Promise<unknown>): void }) => void): void;
  addEventListener(type: "fetch", listener: (event: { request: Request; respondWith(answer: Promise<Response>): void }) => void): void;
}>;
const scope = globalThis as unknown as Scope;

const prefix = "rasad-brief-";
const cacheName = prefix + __VERSION__;
const page = "/brief";
/** A page that takes longer is taken from here: the person waits for numbers, not for the newest buttons. */
const patienceMs = 2000;

scope.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(cacheName)
      // Files that the page has just fetched come from the browser's own cache: the network is not asked again.
      .then((cache) => Promise.all([cache.addAll([...__FILES__]), cache.add(new Request(page, { cache: "no-cache" }))]))
      .then(() => scope.skipWaiting()),
  );
});

scope.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith(prefix) && name !== cacheName).map((name) => caches.delete(name))))
      .then(() => scope.clients.claim()),
  );
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.location.origin) return;
  if (request.mode === "navigate") event.respondWith(visit(request));
  else if (url.pathname.startsWith("/assets/") || __FILES__.includes(url.pathname)) event.respondWith(file(request));
});

/** The server's page when it answers in time, else ours. An answer that is an error is the server's to give. */
async function visit(request: Request): Promise<Response> {
  const cache = await caches.open(cacheName);
  const ours = () => cache.match(page);
  const theirs = fetch(request);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), patienceMs)));
  try {
    const first = await Promise.race([theirs, late]);
    // A proxy in the way says 502 when the server is gone.
    if (first && first.status < 500) return first;
    return (await ours()) ?? (await theirs);
  } catch {
    return (await ours()) ?? Response.error();
  } finally {
    clearTimeout(timer);
  }
}

/** Chinese letters: those that a person has needed are kept, for nobody needs all of them. */
const letters = /^\/assets\/(letters|noto-sans-sc)-/;

/** A file whose name changes with its content is the same for ever. */
async function file(request: Request): Promise<Response> {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok && letters.test(new URL(request.url).pathname)) {
    const copy = answer.clone();
    // A tablet without room for them still has its words, in letters of its own.
    void caches.open(cacheName).then((cache) => cache.put(request, copy)).catch(() => undefined);
  }
  return answer;
}
export {};
