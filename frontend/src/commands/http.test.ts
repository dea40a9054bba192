import { describe, expect, test } from "vitest";
import { problemOf, retryForMs, send, uuid, type Call, type Surroundings } from "./http";

type Answer = Readonly<{ status: number; body?: unknown; headers?: Record<string, string> }> | Error;

const problem = (status: number, code: string, more: object = {}): Answer => ({
  status,
  body: { type: `urn:rasad:problem:${code}`, title: code, status, detail: `about ${code}`, ...more },
});

/** A server that gives these answers one after the other, the last for ever, and a clock that only waiting moves. */
function play(answers: readonly Answer[]) {
  const asked: { path: string; headers: Headers; body: unknown }[] = [];
  let now = 0;
  const around: Surroundings = {
    fetch: async (input, init) => {
      asked.push({ path: String(input), headers: new Headers(init?.headers), body: init?.body });
      const answer = answers[Math.min(asked.length, answers.length) - 1]!;
      if (answer instanceof Error) throw answer;
      const { status, body, headers } = answer;
      return new Response(body === undefined ? null : JSON.stringify(body), { status, headers: headers ?? {} });
    },
    wait: async (ms) => void (now += ms),
    now: () => now,
    random: () => 0.5,
  };
  return { asked, around, elapsed: () => now };
}

const post: Call = { method: "POST", path: "/api/v1/incidents/i/assign", body: { units: ["E7"] } };

describe("send", () => {
  test("an answer carries its sequence", async () => {
    const { around } = play([{ status: 200, body: { id: "i" }, headers: { "Rasad-Seq": "41", ETag: '"40"' } }]);
    expect(await send(post, around)).toEqual({ ok: true, body: { id: "i" }, seq: 41, etag: '"40"' });
  });

  test("nothing to say is null", async () => {
    const { around } = play([{ status: 204, headers: { "Rasad-Seq": "7" } }]);
    expect(await send({ method: "DELETE", path: "/x" }, around)).toEqual({ ok: true, body: null, seq: 7, etag: "" });
  });

  test.each<[string, readonly Answer[]]>([
    ["a server that is not recording", [problem(503, "not-recording")]],
    ["an unknown outcome", [problem(504, "outcome-unknown")]],
    ["a network that is away", [new TypeError("Failed to fetch")]],
    ["a busy server", [problem(503, "busy"), new TypeError("reset"), problem(504, "outcome-unknown")]],
  ])("%s is asked again with the same key and body", async (_, before) => {
    const { asked, around } = play([...before, { status: 200, body: {}, headers: { "Rasad-Seq": "9" } }]);
    let told = 0;
    const outcome = await send({ ...post, onRetry: () => told++ }, around);
    expect(outcome.ok).toBe(true);
    expect(asked.length).toBe(before.length + 1);
    expect(told).toBe(before.length);
    expect(new Set(asked.map((a) => a.headers.get("Idempotency-Key"))).size).toBe(1);
    expect(new Set(asked.map((a) => a.body)).size).toBe(1);
  });

  test("two commands have two keys", async () => {
    const { asked, around } = play([{ status: 200, body: {} }]);
    await send(post, around);
    await send(post, around);
    expect(asked[0]!.headers.get("Idempotency-Key")).not.toBe(asked[1]!.headers.get("Idempotency-Key"));
  });

  test("trying again ends, and the last problem is told", async () => {
    const { asked, around, elapsed } = play([problem(503, "not-recording")]);
    const outcome = await send(post, around);
    expect(outcome).toMatchObject({ ok: false, problem: { code: "not-recording", status: 503 } });
    expect(elapsed()).toBeLessThanOrEqual(retryForMs);
    expect(asked.length).toBeGreaterThan(5);
  });

  test("Retry-After is kept", async () => {
    const { around, elapsed } = play([
      { status: 503, body: {}, headers: { "Retry-After": "2" } },
      { status: 200, body: {} },
    ]);
    await send(post, around);
    expect(elapsed()).toBe(2000);
  });

  test.each<[string, Answer, string]>([
    ["a busy unit", problem(409, "unit-busy"), "unit-busy"],
    ["wrong input", problem(400, "invalid"), "invalid"],
    ["a fault of the server", problem(500, "internal"), "internal"],
    ["a key used twice", problem(422, "key-reused"), "key-reused"],
  ])("%s is not asked again", async (_, answer, code) => {
    const { asked, around } = play([answer]);
    expect(await send(post, around)).toMatchObject({ ok: false, problem: { code } });
    expect(asked.length).toBe(1);
  });

  test("a read is asked once and has no key", async () => {
    const { asked, around } = play([problem(503, "not-ready")]);
    expect((await send({ method: "GET", path: "/api/v1/city" }, around)).ok).toBe(false);
    expect(asked.length).toBe(1);
    expect(asked[0]!.headers.has("Idempotency-Key")).toBe(false);
  });

  test("a stale revision shows the present one", async () => {
    const current = { type: "Feature", id: "i", geometry: null, properties: { kind: "incident", rev: 9 } };
    const { asked, around } = play([problem(412, "stale", { current })]);
    const outcome = await send({ method: "PATCH", path: "/api/v1/incidents/i", body: {}, ifMatch: 8 }, around);
    expect(outcome).toMatchObject({ ok: false, problem: { code: "stale", current } });
    expect(asked[0]!.headers.get("If-Match")).toBe('"8"');
  });

  test("who gives up is not asked on", async () => {
    const { asked, around } = play([problem(503, "busy")]);
    const stop = AbortSignal.abort();
    await send({ ...post, signal: stop }, around);
    expect(asked.length).toBe(1);
  });
});

describe("problemOf", () => {
  test.each<[string, number, string, string]>([
    ["ours", 409, '{"type":"urn:rasad:problem:unit-busy","detail":"E7 works"}', "unit-busy"],
    ["a proxy's page", 502, "<html>Bad gateway</html>", "http-502"],
    ["nothing at all", 500, "", "http-500"],
    ["another's problem", 400, '{"type":"about:blank"}', "http-400"],
    ["a bare null", 400, "null", "http-400"],
  ])("%s", (_, status, text, want) => expect(problemOf(status, text).code).toBe(want));
});

test("a uuid is version 4 and never the same", () => {
  const many = new Set(Array.from({ length: 500 }, uuid));
  expect(many.size).toBe(500);
  for (const id of many) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
