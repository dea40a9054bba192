// What one update of all units costs the processor: our layer, MapLibre's updateData and deck.gl over the map, each drawing the
// same frames on the same city in a real Chromium. `node frontend/bench/draw/run.mjs`; RASAD_DRAW="50000 deck 1" narrows it.
//
// What is counted is time on the processor by thread, as the kernel counts it (/proc/PID/task/TID/schedstat), from the beginning
// of one update to the beginning of the next: not frames a second, and not waiting. WebGL calls leave the page as commands, and
// a process of its own carries them out: its time stands apart, and what the page pays for making the commands stays with the
// page. On a machine without a graphics card that process draws in software and would take seconds for 50,000 signs, so each
// call draws no more than its first triangle (page.ts). RASAD_DRAW_SHOT=1 draws everything and keeps a picture of each scene.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, createReadStream, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { loadavg } from 'node:os';
import { extname, join } from 'node:path';
import { build, runnerImport } from 'vite';
import { root, startBrowser, until } from '../../e2e/lib.mjs';

const ways = ['decoded only', 'ground redrawn', 'ours, moved at once', 'ours, in motion', 'MapLibre updateData', 'deck.gl Scatterplot', 'deck.gl Icon'];
const sizes = [10_000, 50_000];
const warm = 8; // until the compiler has seen what is hot
const measured = 24;
const everyMs = 100; // ten a second: the server's fastest

const wanted = (process.env.RASAD_DRAW ?? '').split(' ').filter(Boolean);
const rounds = Number(wanted.find((w) => /^\d$/.test(w)) ?? 2);
const narrowed = (list) => {
  const fit = list.filter((item) => wanted.some((w) => String(item).startsWith(w)));
  return fit.length > 0 ? fit : list;
};

const here = join(root, 'frontend/bench/draw');
const out = join(root, 'build/bench-draw');
mkdirSync(out, { recursive: true });

/** Frames of a fleet, each after its length in four bytes. They are made once: the encoder of the tests is exact, and slow. */
async function framesOf(n) {
  const file = join(out, `frames-${n}.bin`);
  const code = ['fleet.ts', 'box.ts', 'run.mjs'].map((name) => statSync(join(here, name)).mtimeMs);
  if (existsSync(file) && statSync(file).mtimeMs > Math.max(...code)) return;
  const { module } = await runnerImport(join(here, 'fleet.ts'), { configFile: false });
  const frames = module.fleet(n, warm + measured);
  const length = (frame) => Buffer.from(new Uint32Array([frame.length]).buffer).swap32();
  writeFileSync(file, Buffer.concat(frames.flatMap((frame) => [length(frame), frame])));
}

const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.geojson': 'application/json' };

/** The page, the frames and the city, with the ranges that a basemap is read by. */
function serve() {
  const fileOf = (path) => {
    if (path.startsWith('/city/')) return join(root, 'build/city', path.slice(6));
    if (path.startsWith('/frames-')) return join(out, path);
    return join(out, 'page', path === '/' ? 'index.html' : path);
  };
  const server = createServer((request, response) => {
    const file = fileOf(new URL(request.url, 'http://x').pathname);
    if (!existsSync(file)) return response.writeHead(404).end();
    const { size } = statSync(file);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const range = from === undefined ? { start: 0, end: size - 1 } : { start: Number(from), end: Math.min(Number(to), size - 1) };
    response.writeHead(from === undefined ? 200 : 206, {
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'content-length': range.end - range.start + 1,
      ...(from === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${size}` }),
    });
    createReadStream(file, range).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** Milliseconds on the processor so far: the page's own thread, its workers, its other threads, and the process that draws. */
function spent(processes) {
  const ms = { main: 0, workers: 0, others: 0, gpu: 0 };
  for (const { id, type } of processes) {
    for (const thread of readdirSync(`/proc/${id}/task`)) {
      const task = `/proc/${id}/task/${thread}`;
      let nanoseconds, name;
      try {
        nanoseconds = Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0]);
        name = readFileSync(`${task}/comm`, 'utf8');
      } catch {
        continue; // a thread that has just ended
      }
      const part = type === 'GPU' ? 'gpu' : Number(thread) === id ? 'main' : name.startsWith('DedicatedWorker') ? 'workers' : 'others';
      ms[part] += nanoseconds / 1e6;
    }
  }
  return ms;
}

/** One way in a browser of its own. Returns what each update cost. */
async function run(base, way, n) {
  const browser = await startBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
    const bad = [];
    page.on('pageerror', (e) => bad.push(e.message));
    page.on('console', (m) => m.type() === 'error' && bad.push(m.text()));
    page.setDefaultTimeout(120_000);
    await page.goto(`${base}/?way=${encodeURIComponent(way)}&n=${n}${process.env.RASAD_DRAW_SHOT ? '&whole=1' : ''}`);
    await until('the page', () => page.evaluate(() => 'bench' in window), 60_000);
    const frames = await page.evaluate(() => window.bench.begin());
    const wire = await browser.newBrowserCDPSession();
    const { processInfo } = await wire.send('SystemInfo.getProcessInfo');
    const processes = processInfo.filter(({ type }) => type === 'renderer' || type === 'GPU');
    const updates = [];
    let [began, before, made] = [performance.now(), spent(processes), 0];
    for (let k = 1; k < frames; k++) {
      const pictures = await page.evaluate((k) => window.bench.step(k), k);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + everyMs - performance.now())));
      const [now, after] = [performance.now(), spent(processes)];
      const cost = Object.fromEntries(Object.keys(after).map((part) => [part, after[part] - before[part]]));
      if (k > warm) updates.push({ ...cost, wall: now - began, pictures: pictures - made });
      [began, before, made] = [now, after, pictures];
    }
    if (process.env.RASAD_DRAW_SHOT) await page.screenshot({ path: join(out, `${way.replaceAll(/\W+/g, '-')}-${n}.png`), timeout: 60_000 });
    if (bad.length > 0) throw new Error(`${way}, ${n}: ${bad.slice(0, 3).join('; ')}`);
    if (updates.some(({ main }) => main <= 0)) throw new Error(`${way}, ${n}: the kernel counted nothing`);
    return updates;
  } finally {
    await browser.close();
  }
}

const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))];
const show = (value) => (value < 10 ? value.toFixed(1) : Math.round(value).toString());

const server = await (async () => {
  const { module: { chineseSlices } } = await runnerImport(join(root, 'frontend/src/chinese/plugin.ts'), { configFile: false });
  await build({
    plugins: [chineseSlices()],
    configFile: false,
    root: here,
    logLevel: 'error',
    build: { outDir: join(out, 'page'), emptyOutDir: true, target: 'es2023', assetsInlineLimit: 0, chunkSizeWarningLimit: 4000 },
    worker: { format: 'es' },
  });
  return serve();
})();
try {
  const base = `http://127.0.0.1:${server.address().port}`;
  const results = new Map();
  for (const n of narrowed(sizes)) {
    await framesOf(n);
    for (let round = 0; round < rounds; round++) {
      // Each round begins elsewhere: whoever shares the machine meets another way.
      const list = narrowed(ways);
      for (let i = 0; i < list.length; i++) {
        const way = list[(i + round) % list.length];
        const name = `${way}|${n}`;
        results.set(name, [...(results.get(name) ?? []), ...(await run(base, way, n))]);
      }
    }
  }
  console.log(`\nProcessor milliseconds for one update, p50 / p95 of ${rounds * measured}; load ${loadavg()[0].toFixed(1)} on this machine.`);
  console.log('page and workers: the main thread and the dedicated workers of the page. other: its compositor, collector and pools.');
  console.log('GPU process: where the commands are carried out; it draws next to nothing here. updates/s: of ten that were offered, one when the last was drawn. pictures/s: how often it drew.\n');
  const heads = ['units', 'way', 'page', 'workers', 'page+workers', 'mean', 'other', 'GPU process', 'updates/s', 'pictures/s'];
  const rows = [];
  for (const n of narrowed(sizes)) {
    for (const way of narrowed(ways)) {
      const updates = results.get(`${way}|${n}`);
      const both = (of) => `${show(quantile(updates.map(of), 0.5))} / ${show(quantile(updates.map(of), 0.95))}`;
      const sum = (of) => updates.reduce((total, update) => total + of(update), 0);
      const seconds = sum((u) => u.wall) / 1000;
      rows.push([n.toLocaleString('en'), way, both((u) => u.main), both((u) => u.workers), both((u) => u.main + u.workers), show(sum((u) => u.main + u.workers) / updates.length), both((u) => u.others), both((u) => u.gpu), (updates.length / seconds).toFixed(1), (sum((u) => u.pictures) / seconds).toFixed(1)]);
    }
  }
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i].length)));
  for (const row of [heads, ...rows]) console.log(row.map((cell, i) => (i === 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '));
} finally {
  server.close();
  server.closeAllConnections();
}
