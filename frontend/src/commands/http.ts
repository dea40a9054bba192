import type { components } from "../api/types";
import { inWorld } from "./world";

/** What the server says when it refuses: RFC 9457. */
export type ServerProblem = components["schemas"]["Problem"];

/** Why a call did not do what was asked. */
export type Problem = Readonly<{
  /** Stable, for the catalogues: `unit-busy`; `network` when no server answered. */
  code: string;
  /** HTTP status; 0 when no server answered. */
  status: number;
  /** The server's own sentence, in English. */
  detail: string;
  /** The fields that are wrong. */
  errors: readonly Readonly<{ field: string; reason: string }>[];
  /** 412: the feature as it is now. */
  current: components["schemas"]["Feature"] | null;
  /** Seconds that the server asks to wait; absent when it names none. */
  retryAfterS?: number;
}>;

/** What became of a call. */
export type Outcome<T> =
  | Readonly<{ ok: true; body: T; /** The state that the answer speaks of. */ seq: number; etag: string }>
  | Readonly<{ ok: false; problem: Problem; seq: number }>;

/** One call to the door. */
export type Call = Readonly<{
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query on this origin; the world of the page is added. */
  path: string;
  body?: unknown;
  /** It changes nothing, whatever its method: it is asked once, and who asks may ask again. */
  question?: boolean;
  /** The revision that the caller saw: another one is refused, with the feature as it is. */
  ifMatch?: number;
  /** Gives the call up, and its retries. */
  signal?: AbortSignal;
  /** Told once a write has to be tried again, with the reason: the screen says "saving…". */
  onRetry?: (problem: Problem) => void;
}>;

/** What calls need from their surroundings; tests give others. */
export type Surroundings = Readonly<{
  fetch: typeof fetch;
  /** Waits, or rejects when the signal is aborted. */
  wait: (ms: number, signal?: AbortSignal) => Promise<void>;
  now: () => number;
  random: () => number;
}>;

/** A write is tried again for this long before a person has to decide. */
export const retryForMs = 30_000;
const retryFirstMs = 400;
const retryMostMs = 5000;
/** A server answers within 10 s or says 504; a call that takes longer has lost its way. */
const answerMs = 12_000;

const problemPrefix = "urn:rasad:problem:";

/** Worth another try with the same key: the server says that nothing was done, or does not know, or was not there. */
function passing({ status, code }: Problem): boolean {
  return status === 0 || status === 429 || status === 502 || status === 503 || status === 504 || code === "outcome-unknown";
}

/**
 * Sends a call and reads the answer. Never throws for what a server or a network does. Writes carry an Idempotency-Key
 * that stays the same for every retry, so trying again can do nothing twice. Reads are tried once: who shows them asks again.
 */
export async function send<T>(call: Call, around: Surroundings = browser): Promise<Outcome<T>> {
  const write = call.method !== "GET" && !call.question;
  const headers: Record<string, string> = { Accept: "application/json, application/geo+json, application/problem+json" };
  if (call.body !== undefined) headers["Content-Type"] = "application/json";
  if (write) headers["Idempotency-Key"] = uuid();
  if (call.ifMatch !== undefined) headers["If-Match"] = `"${call.ifMatch}"`;
  const until = around.now() + retryForMs;
  for (let tries = 0; ; tries++) {
    const [outcome, retryAfterMs] = await once<T>(call, headers, around);
    if (outcome.ok || !write || !passing(outcome.problem) || call.signal?.aborted) return outcome;
    const backoff = Math.min(retryMostMs, retryFirstMs * 2 ** tries) * (0.75 + 0.5 * around.random());
    const pause = Math.max(backoff, Math.min(retryAfterMs, retryMostMs));
    if (around.now() + pause > until) return outcome;
    call.onRetry?.(outcome.problem);
    try {
      await around.wait(pause, call.signal);
    } catch {
      return outcome;
    }
  }
}

async function once<T>(call: Call, headers: Record<string, string>, around: Surroundings): Promise<[Outcome<T>, number]> {
  const init: RequestInit = { method: call.method, headers, cache: "no-store", credentials: "same-origin" };
  if (call.body !== undefined) init.body = JSON.stringify(call.body);
  const timeout = AbortSignal.timeout(answerMs);
  init.signal = call.signal ? AbortSignal.any([call.signal, timeout]) : timeout;
  let response: Response;
  let text: string;
  try {
    response = await around.fetch(inWorld(call.path), init);
    text = await response.text();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return [{ ok: false, problem: { code: "network", status: 0, detail, errors: [], current: null }, seq: 0 }, 0];
  }
  const seq = Number(response.headers.get("Rasad-Seq")) || 0;
  const retryAfterMs = (Number(response.headers.get("Retry-After")) || 0) * 1000;
  if (!response.ok) {
    const problem = problemOf(response.status, text);
    return [{ ok: false, problem: retryAfterMs > 0 ? { ...problem, retryAfterS: retryAfterMs / 1000 } : problem, seq }, retryAfterMs];
  }
  try {
    const body = (text === "" ? null : JSON.parse(text)) as T;
    return [{ ok: true, body, seq, etag: response.headers.get("ETag") ?? "" }, 0];
  } catch {
    const problem = { code: "not-json", status: response.status, detail: text.slice(0, 200), errors: [], current: null };
    return [{ ok: false, problem, seq }, 0];
  }
}

/** Reads a problem from the body of an answer; of anything else, what its status says. */
export function problemOf(status: number, text: string): Problem {
  try {
    const p = JSON.parse(text) as Partial<ServerProblem> | null;
    if (typeof p?.type === "string" && p.type.startsWith(problemPrefix)) {
      return {
        code: p.type.slice(problemPrefix.length),
        status,
        detail: p.detail ?? p.title ?? "",
        errors: p.errors ?? [],
        current: p.current ?? null,
      };
    }
  } catch {
    // not ours: a proxy between us and the server speaks HTML
  }
  return { code: `http-${status}`, status, detail: text.slice(0, 200), errors: [], current: null };
}

/** A random UUID. `crypto.randomUUID` is missing on plain http in a local network. */
export function uuid(): string {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  const hex = Array.from(b, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const browser: Surroundings = {
  fetch: (input, init) => fetch(input, init),
  wait: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, ms);
      const stop = () => {
        clearTimeout(timer);
        reject(new DOMException("aborted", "AbortError"));
      };
      signal?.addEventListener("abort", stop, { once: true });
    }),
  now: () => performance.now(),
  random: Math.random,
};
