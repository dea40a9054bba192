// What the end-to-end tests share: a real server on a port of its own, a real
// Chromium, and a place for screenshots.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const shots = process.env.RASAD_SHOTS ?? join(root, 'build/shots');
mkdirSync(shots, { recursive: true });

/** Makes a token as an operator does: before the first start or while the server runs. */
export function tokenOf(data, role, ...flags) {
  return execFileSync(join(root, 'bin/rasad'), ['token', '--data', data, '--role', role, '--name', `e2e ${role}`, ...flags], { encoding: 'utf8' }).trim();
}

/** What this process proves who it is with, by data folder and by address: a token for calls, a cookie for pages. */
const proofs = new Map();
const proofOf = (address) => proofs.get(new URL(address).origin);

/** Headers of a call made by a program. */
export const bearer = (base) => ({ authorization: `Bearer ${proofOf(base).token}` });

/** Makes the first account by the one-time link, as the person does who started the server; returns the session's cookie. */
export async function setUp(link) {
  const { origin, hash } = new URL(link);
  const res = await fetch(`${origin}/api/v1/setup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: hash.slice(1), name: 'e2e', password: 'a horse that nobody rides', display_name: 'E2E', language: 'en' }),
  });
  if (!res.ok) throw new Error(`set up: ${res.status} ${await res.text()}`);
  const [name, value] = res.headers.getSetCookie()[0].split(';')[0].split(/=(.*)/s);
  return { name, value };
}

/** Starts `rasad serve`, waits until it is ready, and comes in: on the first start of a folder by its one-time link. `patience` is in ms. */
export async function startServer({ data, args = [], listen = '127.0.0.1:0', env = {}, bin = 'bin/rasad', patience = 60_000 } = {}) {
  const dir = data ?? mkdtempSync(join(tmpdir(), 'rasad-e2e-'));
  const proof = proofs.get(dir) ?? { token: tokenOf(dir, 'supervisor') };
  const child = spawn(join(root, bin), ['serve', '--listen', listen, '--data', dir, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let log = '';
  child.stdout.on('data', (b) => (out += b));
  child.stderr.on('data', (b) => (log += b));
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
  let stopping = false;
  void exited.then(({ code, signal }) => {
    if (!stopping && signal !== 'SIGKILL') console.error(`${bin} ended by itself (${code ?? signal}) and said at last:\n${log.slice(-8000)}`);
  });
  let base;
  try {
    base = await until('the address', () => out.match(/http:\/\/[^/\s]+/)?.[0], patience, () => log);
    await until('readiness', async () => (await fetch(`${base}/readyz`, { signal: AbortSignal.timeout(5000) }).catch(() => null))?.status === 200, patience, () => log);
    const link = out.match(/http\S+\/setup#\S+/)?.[0];
    if (link) proof.cookie = await setUp(link);
  } catch (e) {
    stopping = true;
    child.kill('SIGKILL'); // or the test would wait for it after it has failed
    throw e;
  }
  proofs.set(dir, proof);
  proofs.set(new URL(base).origin, proof);
  return {
    base,
    dir,
    token: proof.token,
    cookie: proof.cookie,
    pid: child.pid,
    log: () => log,
    exited,
    /** Ends the process: SIGTERM drains, SIGKILL does not. */
    async stop(signal = 'SIGTERM') {
      stopping = true;
      child.kill(signal);
      return exited;
    },
    clean: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Polls until check returns something true. */
export async function until(what, check, timeout = 20_000, explain = () => '') {
  const end = Date.now() + timeout;
  for (;;) {
    const v = await check();
    if (v) return v;
    if (Date.now() > end) throw new Error(`waited ${timeout} ms for ${what}\n${explain()}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

export async function startBrowser() {
  return chromium.launch({
    executablePath: join(import.meta.dirname, 'browser.sh'),
    args: [
      '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run',
    ],
  });
}

/** Opens a page as the person who set the server up, or as `cookie` says (null: nobody), and collects what must not happen. */
export async function openPage(browser, url, { width = 1280, height = 720, cookie = proofOf(url)?.cookie, ...context } = {}) {
  const ctx = await browser.newContext({ viewport: { width, height }, ...context });
  if (cookie) await ctx.addCookies([{ ...cookie, url: new URL(url).origin, httpOnly: true, sameSite: 'Strict' }]);
  const page = await ctx.newPage();
  const bad = [];
  const host = new URL(url).host;
  page.on('pageerror', (e) => bad.push(`page error: ${e.message}`));
  page.on('console', (m) => m.type() === 'error' && bad.push(`console: ${m.text()}`));
  page.on('request', (r) => {
    const u = new URL(r.url());
    if (!['blob:', 'data:'].includes(u.protocol) && u.host !== host) bad.push(`request to ${u.host}`);
  });
  await page.goto(url);
  return { page, bad, close: () => ctx.close() };
}

/** What a machine without a GPU takes seconds to draw is late, and the screens say so; not in a picture that is compared. */
export const unhurried = (page) => page.evaluate(() => document.querySelectorAll('.overdue').forEach((late) => late.remove()));

/** JSON call; throws with the problem when it is not a success. */
export async function call(base, method, path, body, headers = {}) {
  const res = await fetch(base + path, {
    method,
    headers: { ...bearer(base), ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await res.text();
  if (!res.ok) throw new Error(`${method} ${path}: ${res.status} ${text}`);
  return { body: text === '' ? undefined : JSON.parse(text), seq: Number(res.headers.get('rasad-seq')), headers: res.headers };
}

export const point = (lng, lat, properties) => ({ type: 'Feature', geometry: { type: 'Point', coordinates: [lng, lat] }, properties });

/**
 * The JSON stream, read inside a page of the same origin. `hashAt` is the hash of a frame by its sequence;
 * `moves` are the rows of one unit; `first` is the first frame.
 */
export async function jsonStream(page, query = '', unit = '') {
  await page.evaluate(
    ({ query, unit }) => {
      const s = (window.__json = { ws: null, hashes: new Map(), moves: [], first: null, frames: 0 });
      s.ws = new WebSocket(`${location.origin.replace('http', 'ws')}/api/v1/stream${query}`, 'rasad.json.v1');
      s.ws.onmessage = (e) => {
        const f = JSON.parse(e.data);
        s.frames++;
        s.first ??= { base: f.base, seq: f.seq, mode: f.mode, time: f.time };
        if (f.live === 0 && f.hash) s.hashes.set(f.seq, f.hash);
        for (const m of f.move ?? []) if (m[0] === unit) s.moves.push(m);
      };
    },
    { query, unit },
  );
  return {
    hashAt: (seq) => page.evaluate((seq) => window.__json.hashes.get(seq), seq),
    moves: () => page.evaluate(() => window.__json.moves),
    first: () => page.evaluate(() => window.__json.first),
    frames: () => page.evaluate(() => window.__json.frames),
    close: () => page.evaluate(() => window.__json.ws.close()),
  };
}
