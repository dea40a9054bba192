// A wall that is left alone with a month of a city (states.mjs), played 720 times as fast as it was, while things happen to it:
// the GPU takes the context of its map, its server dies or restarts, its workers are killed. A robot looks at its pixels all
// the while, and at its words; it fails when the wall is blank for longer than 3 s, says LIVE over data older than 3 s, does not
// come back, or grows. An hour is the whole month with 50, 20 and 20 of each; fewer minutes are as many fewer.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { bearer, openPage, shots, startBrowser, startServer, until } from './lib.mjs';
import { stateOf } from './states.mjs';

const minutes = Number(process.argv[2] ?? 8);
const speed = 720;
/** Seconds: what the issue allows. */
const [blankMost, oldMost] = [3, 3];
/** What takes longer than this, ms, does not come back. Far less is asked of what can be seen. */
const patience = 300_000;
/** How much of a box is of one colour when nothing is drawn there: the map, and the panel beside it. */
const flat = { map: 0.93, panel: 0.96 };
const losses = Math.max(3, Math.round((50 * minutes) / 60));
const restarts = Math.max(2, Math.round((20 * minutes) / 60));
const kills = Math.max(2, Math.round((20 * minutes) / 60));

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (ms) => (ms / 1000).toFixed(2);
const failures = [];
const fail = (what) => {
  failures.push(what);
  console.error(`FAILED ${what}`);
  if (seen.png && failures.length <= 9) writeFileSync(join(shots, `soak-failure-${failures.length}.png`), seen.png);
};

const state = stateOf('month');
// The bad night of the month is in it, however short it is.
const [first, night] = [Date.parse(state.env.RASAD_SOAK_AT), Date.parse('2026-11-09T19:00:00Z')];
if (minutes < 45) state.env.RASAD_SOAK_AT = new Date(Math.max(first, night - 0.1 * minutes * 60_000 * speed)).toISOString();

state.patience = patience; // the machine may have other things to do
let server = await startServer(state);
const listen = new URL(server.base).host;
const browser = await startBrowser();
const residentMB = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) >> 10;
const played = () => Number(readFileSync(join(server.dir, 'tape.json'), 'utf8'));

/** What the robot saw, as long as it matters: pictures by the clock of the machine, ms. */
const seen = { pictures: 0, words: {}, blankSince: { map: NaN, panel: NaN }, longestBlank: 0, word: '', lastPicture: 0, png: null };
/** While data cannot come: since when. The page may say LIVE for three seconds more. */
let stoppedAt = NaN;
let oldestLive = 0;
let saidOtherwise = false;

/** A machine that stands still shows nothing to anybody: when the robot's own clock was late, and by how much. */
const stalls = [];
let beat = Date.now();
setInterval(() => {
  const late = Date.now() - beat - 100;
  beat = Date.now();
  if (late > 200) stalls.push({ at: beat, late });
}, 100).unref();
const stalled = (from, to) => stalls.reduce((sum, { at, late }) => sum + Math.max(0, Math.min(at, to) - Math.max(at - late, from)), 0);

function look({ at, words, ...shares }) {
  seen.pictures++;
  seen.lastPicture = at;
  const [word] = Object.entries({ none: 40, ...words }).sort((a, b) => b[1] - a[1])[0];
  seen.words[word] = (seen.words[word] ?? 0) + 1;
  seen.word = word;
  for (const [part, most] of Object.entries(flat)) {
    const share = shares[part];
    if (share <= most) {
      seen.blankSince[part] = NaN;
      continue;
    }
    if (Number.isNaN(seen.blankSince[part])) seen.blankSince[part] = at;
    const blank = at - seen.blankSince[part] - stalled(seen.blankSince[part], at);
    seen.longestBlank = Math.max(seen.longestBlank, blank);
    if (blank > blankMost * 1000) {
      fail(`the ${part} was blank for ${seconds(blank)} s (${(share * 100).toFixed(1)} % of one colour)`);
      seen.blankSince[part] = at;
    }
  }
  if (Number.isNaN(stoppedAt) || at < stoppedAt) return;
  if (word !== 'live' && word !== 'partial') saidOtherwise = true;
  else {
    const old = at - stoppedAt - stalled(stoppedAt, at);
    oldestLive = Math.max(oldestLive, old);
    if (old > oldMost * 1000) fail(`the pixels said ${word} ${seconds(old)} s after the data stopped`);
  }
}

/** Begins an outage of the data, which `mend` ends: in it the pixels must stop saying LIVE. */
async function outage(what, begin, mend) {
  saidOtherwise = false;
  await begin();
  stoppedAt = Date.now();
  await until(`pixels that do not say LIVE after ${what}`, () => saidOtherwise, patience);
  await mend();
}

const enrolled = async (page) => {
  const code = await until('the code of the wall', () => page.evaluate(() => document.querySelector('[data-testid="enrol"]')?.getAttribute('data-code')).catch(() => ''), 60_000);
  let cookie = `${server.cookie.name}=${server.cookie.value}`;
  const ask = (path, body) => fetch(server.base + path, { method: 'POST', headers: { cookie, origin: server.base, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const proved = await ask('/api/v1/session/stepup', { password: 'a horse that nobody rides' });
  if (!proved.ok) throw new Error(`prove who it is: ${proved.status} ${await proved.text()}`);
  cookie = proved.headers.getSetCookie()[0]?.split(';')[0] ?? cookie; // a session that can do more is another one
  const approved = await ask(`/api/v1/devices/enrolments/${code}/approve`, { name: 'Soak' });
  if (!approved.ok) throw new Error(`approve the wall: ${approved.status} ${await approved.text()}`);
};

let eye;
try {
  const { page, bad } = await openPage(browser, `${server.base}/wall?lang=en&theme=night`, { width: 960, height: 540, cookie: null });
  page.on('crash', () => fail('the page crashed'));
  page.on('framenavigated', () => (loads += 1));
  let loads = 0;
  // Killing a worker is ending it behind the page's back, as a browser does that is short of memory.
  await page.addInitScript(() => {
    const real = window.Worker;
    const all = (window.__workers = []);
    window.Worker = class extends real {
      constructor(url, options) {
        super(url, options);
        all.push({ name: options?.name === 'stream' ? 'stream' : 'map', worker: new WeakRef(this), at: Date.now() });
        if (all.length > 20) all.shift();
      }
    };
  });
  await enrolled(page);
  const word = () => page.evaluate(() => document.documentElement.dataset.state).catch(() => '');
  const idle = () => page.evaluate(() => window.__rasad?.mapIdle() === true).catch(() => false);
  // By the pixels; and once the workers of the map were killed, by a map that shows all there is.
  const settled = async (what) => {
    const since = Date.now();
    const sees = () => seen.lastPicture > since && seen.word === 'live' && Number.isNaN(seen.blankSince.map) && Number.isNaN(seen.blankSince.panel);
    await until(`a wall that is LIVE after ${what}`, async () => sees() && (await word()) === 'LIVE', patience);
    if (what === 'kill') await until(`a map that is whole after ${what}`, idle, patience);
  };
  await until('a wall that is LIVE', async () => (await word()) === 'LIVE' && (await idle()), 120_000);
  loads = bad.length = 0; // a wall that nobody admitted is refused, and loads itself again when it is

  // Where to look, and for what.
  const boxes = await page.evaluate(() => {
    const box = (selector) => {
      const { left, top, right, bottom } = document.querySelector(selector).getBoundingClientRect();
      return [left / innerWidth, top / innerHeight, right / innerWidth, bottom / innerHeight];
    };
    return { badge: box('.badge'), map: box('.ground'), panel: box('.side') };
  });
  boxes.badge[2] = boxes.map[0]; // DELAYED is longer than LIVE
  const colors = await page.evaluate(() =>
    Object.fromEntries(
      ['live', 'partial', 'delayed', 'not-live'].map((name) => {
        const probe = document.createElement('i');
        probe.style.color = `var(--state-${name})`;
        document.body.append(probe);
        const paper = document.createElement('canvas').getContext('2d');
        paper.fillStyle = getComputedStyle(probe).color;
        paper.fillRect(0, 0, 1, 1);
        probe.remove();
        return [name, [...paper.getImageData(0, 0, 1, 1).data].slice(0, 3)];
      }),
    ),
  );
  const cdp = await page.context().newCDPSession(page);
  eye = new Worker(new URL('./eye.mjs', import.meta.url), { workerData: { boxes, colors } });
  eye.on('message', look);
  eye.on('error', (error) => fail(`look at a picture: ${error.message}`));
  cdp.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
    seen.png = Buffer.from(data, 'base64');
    eye.postMessage({ at: metadata.timestamp * 1000, png: seen.png });
    setTimeout(() => cdp.send('Page.screencastFrameAck', { sessionId }).catch(() => {}), 350);
  });
  await cdp.send('Page.startScreencast', { format: 'png', maxWidth: 640, maxHeight: 360, everyNthFrame: 1 });

  // A robot that sees nothing finds nothing: first it is shown what it must see.
  await until('pictures that say LIVE', () => seen.word === 'live', patience);
  await page.evaluate(() => (document.querySelector('.ground').style.visibility = 'hidden'));
  await until('a robot that sees an empty map', () => !Number.isNaN(seen.blankSince.map), patience);
  await page.evaluate(() => (document.querySelector('.ground').style.visibility = ''));
  await until('a robot that sees the map again', () => Number.isNaN(seen.blankSince.map), patience);
  failures.length = seen.longestBlank = 0;

  // The words: the page's own sequence may not lag behind what the server had three seconds ago while it says LIVE.
  const had = [];
  let asking = true;
  const watch = (async () => {
    while (asking) {
      await sleep(500);
      const before = Date.now();
      const answer = await fetch(`${server.base}/api/v1/features?limit=1`, { headers: bearer(server.base), signal: AbortSignal.timeout(3000) }).catch(() => null);
      await answer?.arrayBuffer().catch(() => null);
      if (answer?.ok) had.push({ at: Date.now(), seq: Number(answer.headers.get('rasad-seq')) });
      const mine = await page.evaluate(() => ({ at: Date.now(), word: document.documentElement.dataset.state, seq: window.__rasad?.seq() ?? 0 })).catch(() => null);
      while (had.length > 1 && had[1].at < before - oldMost * 1000) had.shift();
      const then = had[0];
      if (!mine || !then || mine.at - then.at < oldMost * 1000) continue;
      if ((mine.word === 'LIVE' || mine.word === 'PARTIAL') && mine.seq < then.seq) fail(`the page said ${mine.word} at ${mine.seq}, where the server had ${then.seq} ${seconds(mine.at - then.at)} s before`);
    }
  })();

  const heap = async () => {
    await cdp.send('HeapProfiler.collectGarbage');
    await cdp.send('HeapProfiler.collectGarbage');
    return (await cdp.send('Runtime.getHeapUsage')).usedSize / 1e6;
  };
  const figures = async (what) => {
    const used = await heap();
    const world = await page.evaluate(() => document.querySelectorAll('*').length);
    console.log(`${seconds(Date.now() - began)} s: ${what}: wall heap ${used.toFixed(1)} MB, ${world} elements, server ${residentMB(server.pid)} MB, tape at ${new Date(played()).toISOString()}, ${seen.pictures} pictures`);
    return used;
  };

  const faults = {
    /** Every second one comes back by itself, as after a hang of the GPU; the others never do. */
    async loss(n) {
      const lost = await page.evaluate((back) => {
        const canvas = document.querySelector('.ground canvas.maplibregl-canvas');
        const extension = canvas?.getContext('webgl2')?.getExtension('WEBGL_lose_context');
        extension?.loseContext();
        if (back) setTimeout(() => extension?.restoreContext(), 400);
        return extension !== undefined && extension !== null;
      }, n % 2 === 0);
      if (!lost) fail('there was no context to lose');
      await sleep(1000);
    },
    /** By turns it is killed and told to end. */
    async restart(n) {
      const before = played();
      await outage('the server died', () => server.stop(n % 2 ? 'SIGTERM' : 'SIGKILL'), async () => {
        await sleep(4000);
        stoppedAt = NaN;
        server = await startServer({ ...state, data: server.dir, listen });
      });
      await until('a tape that goes on', () => played() > before, patience);
    },
    /** Every second time the worker of the map goes with that of the stream. */
    async kill(n) {
      await outage(
        'the worker was killed',
        () =>
          page.evaluate((both) => {
            for (const { name, worker } of window.__workers) if (name === 'stream' || both) worker.deref()?.terminate();
          }, n % 2 === 1),
        async () => {
          const since = stoppedAt;
          await until('another worker', () => page.evaluate((since) => window.__workers.some(({ name, at }) => name === 'stream' && at > since), since), patience);
          stoppedAt = NaN;
        },
      );
    },
  };
  const left = { loss: losses, restart: restarts, kill: kills };
  const total = losses + restarts + kills;
  const plan = [];
  for (const share = { ...left }; plan.length < total; ) {
    // Whatever is furthest behind its share comes next.
    const [next] = Object.keys(share).sort((a, b) => share[b] / left[b] - share[a] / left[a]);
    share[next]--;
    plan.push([next, left[next] - share[next]]);
  }

  const began = Date.now();
  const end = began + minutes * 60_000;
  const slot = (minutes * 60_000 - 60_000) / total;
  let early = 0;
  const slow = [];
  console.log(`${minutes} min at ${speed}×: ${losses} context losses, ${restarts} restarts, ${kills} killed workers, one each ${seconds(slot)} s`);
  await figures('begun');
  for (const [i, [what, n]] of plan.entries()) {
    const due = began + 20_000 + i * slot;
    if (early === 0 && due - began > (minutes * 60_000) / 6) {
      await settled('a sixth of the time');
      early = await figures('a sixth of the time');
    }
    await sleep(Math.max(0, due - Date.now()));
    const since = Date.now();
    await faults[what](n);
    await settled(what);
    slow.push([Date.now() - since, `${what} ${n}`]);
    console.log(`${seconds(since - began)} s: ${what} ${n}: settled after ${seconds(Date.now() - since)} s`);
    if (i % 9 === 8) await figures('meanwhile');
    if (i % 9 === 4 && seen.png) await page.screenshot({ path: join(shots, 'soak.png'), timeout: 30_000 }).catch(() => {});
  }
  await sleep(Math.max(0, end - Date.now()));
  await settled('everything');
  const last = await figures('the end');
  asking = false;
  await watch;
  const health = (await (await fetch(`${server.base}/api/v1/devices`, { headers: bearer(server.base) })).json().catch(() => ({})));
  const device = Object.values(health).flat().find((d) => d?.name === 'Soak');
  console.log(`the wall reported: ${JSON.stringify(device?.health ?? null)}`);
  console.log(`pictures by their words: ${JSON.stringify(seen.words)}`);
  console.log(`longest blank ${seconds(seen.longestBlank)} s; LIVE over data of at most ${seconds(oldestLive)} s; slowest to settle: ${slow.sort((a, b) => b[0] - a[0]).slice(0, 3).map(([ms, what]) => `${what} ${seconds(ms)} s`).join(', ')}`);
  console.log(`the machine itself stood still for ${seconds(stalls.reduce((sum, { late }) => sum + late, 0))} s, ${seconds(Math.max(0, ...stalls.map(({ late }) => late)))} s at most`);
  console.log(`heap at a sixth ${early.toFixed(1)} MB, at the end ${last.toFixed(1)} MB: ${(last / early).toFixed(3)} times`);
  if (last > early * 1.1) fail('the heap of the wall grew by more than a tenth');
  if (loads > 0) fail(`the page loaded itself again ${loads} times`);
  if (seen.pictures < minutes * 20) fail(`the robot saw ${seen.pictures} pictures only`);
  const errors = bad.filter((b) => !b.includes('ERR_CONNECTION') && !b.includes('WebSocket') && !b.includes('503'));
  if (errors.length > 0) fail(`${errors.length} errors in the page: ${[...new Set(errors)].slice(0, 5).join(' | ')}`);
} finally {
  await eye?.terminate();
  await browser.close();
  await server.stop();
  server.clean();
}
console.log(failures.length === 0 ? 'the wall stood' : `${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);
