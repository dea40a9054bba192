// What the end-to-end tests share: a real server on a port of its own, a real
// Chromium, and a place for screenshots.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const shots = process.env.RASAD_SHOTS ?? join(root, 'build/shots');
mkdirSync(shots, { recursive: true });

/** Starts `rasad serve` and waits until it is ready. */
export async function startServer({ data, args = [], listen = '127.0.0.1:0', env = {} } = {}) {
  const dir = data ?? mkdtempSync(join(tmpdir(), 'rasad-e2e-'));
  const child = spawn(join(root, 'bin/rasad'), ['serve', '--listen', listen, '--data', dir, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let log = '';
  child.stdout.on('data', (b) => (out += b));
  child.stderr.on('data', (b) => (log += b));
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
  const base = await until('the address', () => out.match(/http:\/\/[^/\s]+/)?.[0], 30_000, () => log);
  await until('readiness', async () => (await fetch(`${base}/readyz`).catch(() => null))?.status === 200, 30_000, () => log);
  return {
    base,
    dir,
    pid: child.pid,
    log: () => log,
    exited,
    /** Ends the process: SIGTERM drains, SIGKILL does not. */
    async stop(signal = 'SIGTERM') {
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
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run',
    ],
  });
}

/** Opens a page and collects everything that must not happen on it. */
export async function openPage(browser, url, { width = 1920, height = 1080, ...context } = {}) {
  const ctx = await browser.newContext({ viewport: { width, height }, ...context });
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

/** JSON call; throws with the problem when it is not a success. */
export async function call(base, method, path, body, headers = {}) {
  const res = await fetch(base + path, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
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
