// Screenshots of every screen, language, theme, size and state into build/shots (RASAD_SHOTS moves it). Judge them by eye.
// What is wanted is narrowed by parts of the names, "-" for and, "," for or, as arguments or in SHOTS, so that a shard takes
// minutes: SHOTS=wall-busy,console-busy-fa make shots. `node frontend/e2e/shots.mjs list wall` only says what it would take.
// Cities stand still: they are tapes held at one moment (states.mjs), so that two runs show the same.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { call, openPage, point, root, shots, startBrowser, startServer, unhurried, until } from './lib.mjs';
import { publishThings } from './published.mjs';
import { stateOf, states } from './states.mjs';

const args = process.argv.slice(2);
const onlyList = args.includes('list');
/** Any of these, each a list of parts that a name has. */
const wanted = [process.env.SHOTS ?? '', ...args.filter((arg) => arg !== 'list')].filter(Boolean).join(',').split(',').map((one) => one.split('-').filter(Boolean));
const fits = (name) => wanted.some((parts) => parts.every((part) => name.split('-').includes(part)));
/** What would be taken is counted before a server is started for it. */
let dry = true;
let counted = 0;
function only(name) {
  counted++;
  if (onlyList) console.log(name);
}
const languages = ['en', 'fa', 'zh'];
const themes = ['night', 'day'];
const sizes = {
  wall: [[1920, 1080], [3840, 2160], [3840, 1080], [1024, 1366], [390, 844]],
  console: [[1920, 1080], [1440, 900], [1024, 1366], [390, 844]],
  brief: [[1024, 1366], [1366, 1024], [390, 844]],
};
const browser = onlyList ? null : await startBrowser();
/** Pictures that could not be taken, with the reason. */
const missed = [];

/** Takes one picture. `marks` are members of the status that every frame shall bear, as a server with that state sends it. */
async function take(base, view, lang, theme, [width, height], state, expect, { act, marks, query = '', path = `/${view}`, cookie, ready } = {}) {
  const name = [view, state, lang, theme, `${width}x${height}`].join('-');
  if (!fits(name)) return;
  if (dry) return only(name);
  const { page, bad, close } = await openPage(browser, `${base}/readyz`, { width, height, ...(cookie === undefined ? {} : { cookie }) });
  try {
    page.setDefaultTimeout(120_000);
    if (marks) await page.addInitScript(markFrames, marks);
    const [address, hash = ''] = path.split(/(?=#)/);
    await page.goto(`${base}${address}?lang=${lang}&theme=${theme}${query}${hash}`);
    const word = () => page.evaluate(() => document.documentElement.dataset.state);
    if (expect) await until(expect, async () => (await word()) === expect, 90_000);
    if (ready) await page.locator(ready).first().waitFor();
    await act?.(page);
    const idle = () => page.evaluate(() => window.__rasad?.mapIdle() ?? true);
    if (view !== 'brief' && !['delayed', 'notlive'].includes(state)) await until('an idle map', idle, 90_000).catch(() => console.log(`${name}: the map is not idle`));
    await page.waitForTimeout(1500);
    await unhurried(page);
    await page.screenshot({ path: join(shots, `${name}.png`), timeout: 120_000 });
    console.log(name, bad.length === 0 ? '' : bad.slice(0, 3));
  } catch (error) {
    missed.push(`${name}: ${String(error.message ?? error).split('\n')[0]}`);
    console.log(`MISSED ${missed.at(-1)}`);
  } finally {
    await close();
  }
}

/** Runs in the page: frames come from a worker, and leave it with these members in their status. */
function markFrames(marks) {
  const { get, set } = Object.getOwnPropertyDescriptor(Worker.prototype, 'onmessage');
  Object.defineProperty(Worker.prototype, 'onmessage', {
    get,
    set(listener) {
      set.call(this, (event) => {
        if (event.data?.type === 'frame' && event.data.frame.status) Object.assign(event.data.frame.status, marks);
        listener.call(this, event);
      });
    },
  });
}

/** Every language and theme at the first size, and every other size once. */
async function all(base, state, expect, views, more = {}) {
  for (const view of views) {
    for (const lang of languages) {
      for (const theme of themes) await take(base, view, lang, theme, sizes[view][0], state, expect, more);
    }
    for (const size of sizes[view].slice(1)) await take(base, view, 'fa', 'night', size, state, expect, more);
  }
}

/** Displays that form one wall: each takes its part, and the parts are laid side by side, as the room sees them. Each draws
 * the map of all of them, which takes a machine without a GPU a minute for 4K: here the whole has the pixels of one display. */
async function parts(base, lang, theme, cols, rows) {
  const [width, height] = [1920 / cols, 1080 / cols];
  const whole = `wall-parts${cols}x${rows}-${lang}-${theme}-${cols * width}x${rows * height}`;
  const each = Array.from({ length: cols * rows }, (_, i) => ({ col: i % cols, row: Math.floor(i / cols), state: `part${i + 1}of${cols}x${rows}` }));
  if (dry && fits(whole)) only(whole);
  // A tape begins by taking away what it does not know.
  if (!dry) await until('the tape', async () => (await call(base, 'GET', '/api/v1/units?limit=1')).body.features.length > 0);
  for (const { col, row, state } of each) {
    const device = `SHOT-${cols}x${rows}-${col}-${row}`;
    if (!dry) {
      const panels = ['situation', 'response', 'counters', 'worst', 'figures', 'decisions', 'coverage', 'trends', 'ticker', 'legend'];
      const layers = ['units', 'incidents', 'hazards', 'shelters', 'sites', 'assignments', 'labels', 'coverage'];
      const body = { area: { bbox: [-75.62, 39.68, -75.46, 39.8] }, panels, layers, language: lang, theme, devices: [device], part: { col, row, cols, rows } };
      await call(base, 'PUT', `/api/v1/layouts/${device.toLowerCase()}`, body);
    }
    await take(base, 'wall', lang, theme, [width, height], state, 'LIVE', { query: `&device=${device}` });
  }
  if (dry || !fits(whole)) return;
  const files = each.map(({ state }) => join(shots, `wall-${state}-${lang}-${theme}-${width}x${height}.png`));
  const page = await browser.newPage({ viewport: { width: cols * width, height: rows * height } });
  try {
    const pictures = files.map((file) => `<img src="data:image/png;base64,${readFileSync(file).toString('base64')}">`);
    await page.setContent(`<body style="margin:0;display:grid;grid-template-columns:repeat(${cols},${width}px)">${pictures.join('')}`);
    await page.screenshot({ path: join(shots, `${whole}.png`), timeout: 120_000 });
    console.log(whole);
  } catch (error) {
    missed.push(`${whole}: ${String(error.message ?? error).split('\n')[0]}`);
  } finally {
    await page.close();
  }
}

/** What is for people rather than for the city: at a desk, and on a phone. `null` is nobody's cookie. */
async function people(base) {
  const desk = [1440, 900];
  const phone = [390, 844];
  const pages = [
    ['signin', '/signin', '[data-testid="signin"]', null],
    ['setup', '/setup#0', '[data-testid="setup"]', null],
    ['reset', '/reset#0', '[data-testid="setup"]', null],
    ['enrol', '/wall', 'main', null],
    ['start', '/', 'main'],
    ['account', '/account', '[data-testid="account-display"]'],
    ['layouts', '/layouts', '[data-testid="layout-new"]'],
    ...['people', 'programs', 'walls', 'audiences', 'policy', 'acts'].map((section) => [`admin_${section}`, `/admin/${section}`, 'main']),
  ];
  for (const [view, path, ready, cookie] of pages) {
    const more = { path, ready, ...(cookie === undefined ? {} : { cookie }) };
    for (const lang of languages) {
      for (const theme of themes) await take(base, view, lang, theme, desk, 'people', null, more);
    }
    await take(base, view, 'fa', 'night', phone, 'people', null, more);
    await take(base, view, 'en', 'day', phone, 'people', null, more);
  }
}

/** The embed as readers meet it: in a frame on a page of somebody else, and its builder. */
async function framed(server) {
  const { base } = server;
  const page = (request, response) => {
    const query = new URL(request.url, 'http://x').search;
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<!doctype html><meta name="viewport" content="width=device-width"><body style="margin:16px;font:16px sans-serif;background:#fff">
      <p>…</p><iframe src="${base}/embed${query}" style="width:100%;height:640px;border:0" title="map"></iframe><p>…</p>`);
  };
  const news = createServer(page);
  await new Promise((resolve) => news.listen(0, '127.0.0.1', resolve));
  try {
    const there = `http://127.0.0.1:${news.address().port}`;
    const [column, phone] = [[820, 720], [390, 844]];
    for (const lang of languages) await takeFramed(there, 'empty', lang, 'day', phone);
    if (!dry) await publishThings(server);
    for (const size of [column, phone]) {
      for (const lang of languages) {
        for (const theme of themes) await takeFramed(there, 'busy', lang, theme, size);
      }
    }
    for (const lang of languages) {
      for (const theme of themes) await take(base, 'builder', lang, theme, [1440, 900], 'framed', null, { path: '/embed/builder', ready: 'main' });
    }
  } finally {
    news.close();
    news.closeAllConnections();
  }
}

async function takeFramed(there, state, lang, theme, [width, height]) {
  const name = ['embed', 'framed', state, lang, theme, `${width}x${height}`].join('-');
  if (!fits(name)) return;
  if (dry) return only(name);
  const context = await browser.newContext({ viewport: { width, height } });
  try {
    const page = await context.newPage();
    await page.goto(`${there}/?lang=${lang}&theme=${theme}`);
    const frame = page.frameLocator('iframe');
    await frame.locator('#list').waitFor({ timeout: 60_000 });
    await page.waitForTimeout(8000); // the map comes over the picture
    await page.screenshot({ path: join(shots, `${name}.png`), timeout: 120_000 });
    console.log(name);
  } catch (error) {
    missed.push(`${name}: ${String(error.message ?? error).split('\n')[0]}`);
    console.log(`MISSED ${missed.at(-1)}`);
  } finally {
    await context.close();
  }
}

/** What roads, closures and coverage look like: a fire beyond a bridge that is closed. */
async function roads(base) {
  const put = (path, body) => (dry ? undefined : call(base, 'PUT', path, body));
  await put('/api/v1/incidents/SHOT', point(-75.5565, 39.7315, { name: 'South Market Street 400', type: 'structure_fire', priority: '1' }));
  const open = async (page) => {
    // The list may change its order under a pointer, so it is not pointed at.
    await page.locator('[data-testid="incident-row"][data-key="SHOT"]').dispatchEvent('click');
    await page.getByTestId('nearest-row').first().waitFor();
  };
  const acts = {
    nearest: async (page) => {
      await page.keyboard.press('v');
      await open(page);
      await page.keyboard.press('1');
      await until('the way', () => page.getByTestId('route').innerText().then((text) => /\d|[۰-۹]/.test(text)), 20_000).catch(() => undefined);
    },
    draw: async (page) => {
      await open(page);
      await page.keyboard.press('b');
      for (const key of ['+', 'Space', 'Shift+ArrowRight', 'ArrowUp', 'ArrowUp', 'Space', 'Shift+ArrowUp', 'ArrowRight']) await page.keyboard.press(key);
    },
  };
  const [wide, , tall, phone] = sizes.console;
  for (const lang of ['en', 'fa', 'zh']) {
    for (const theme of ['night', 'day']) await take(base, 'console', lang, theme, wide, 'nearest', 'LIVE', { act: acts.nearest });
  }
  for (const size of [tall, phone]) await take(base, 'console', 'fa', 'night', size, 'nearest', 'LIVE', { act: acts.nearest });
  await take(base, 'console', 'fa', 'night', wide, 'draw', 'LIVE', { act: acts.draw });
  await take(base, 'console', 'en', 'day', wide, 'draw', 'LIVE', { act: acts.draw });
  for (const size of [tall, phone]) await take(base, 'console', 'zh', 'day', size, 'draw', 'LIVE', { act: acts.draw });
  const hazard = (id, coordinates, properties) =>
    put(`/api/v1/hazards/${id}`, { type: 'Feature', geometry: { type: 'LineString', coordinates }, properties });
  await hazard('SHOT-BRIDGE', [[-75.5541, 39.7363], [-75.5549, 39.7352]], { type: 'road_closed', name: 'South Market Street' });
  await hazard('SHOT-SLOW', [[-75.5506, 39.7371], [-75.5478, 39.7345]], { type: 'road_slow', name: 'South Walnut Street', speed_factor: 0.5 });
  for (const lang of ['en', 'fa', 'zh']) await take(base, 'console', lang, 'night', wide, 'closed', 'LIVE', { act: acts.nearest });
  await take(base, 'console', 'zh', 'day', wide, 'overview', 'LIVE', { act: async (page) => void (await page.keyboard.press('v')) });
  for (const size of [tall, phone]) {
    await take(base, 'console', 'fa', 'night', size, 'overview', 'LIVE', { act: async (page) => void (await page.keyboard.press('l')) });
  }
  for (const lang of ['en', 'fa', 'zh']) await take(base, 'wall', lang, 'night', sizes.wall[0], 'closed', 'LIVE');
  await take(base, 'wall', 'fa', 'day', sizes.wall[1], 'closed', 'LIVE');
  for (const size of sizes.wall.slice(2)) await take(base, 'wall', 'zh', 'night', size, 'closed', 'LIVE');
}


/** A situation line, a response level, figures with three kinds of certainty, and a decision: all that a supervisor sets. */
async function facts(base) {
  const put = (path, body) => call(base, 'PUT', `/api/v1/${path}`, body);
  await put('situation', { text: 'Two districts are without power since the storm. Shelters are open; the bridge stays closed.', lang: 'en', author: 'M. Amini' });
  const { body: preset } = await call(base, 'GET', '/api/v1/preset');
  const levels = preset.scales.find((scale) => scale.code === 'response_level')?.values ?? [];
  if (levels.length > 0) await put('response', { level: levels[0].code, reason: 'Storm plan, part 2' });
  const certain = ['confirmed', 'reported', 'estimated'];
  for (const [i, { code }] of (preset.figures ?? []).slice(0, 3).entries()) await put(`figures/${code}`, { value: [14, 1240, 17000][i], source: 'EMS', confirmed: certain[i] });
  await put('decisions/bridge', { text: 'Close the bridge to lorries', owner: 'Duty engineer' });
}

/** What a server is asked for when it stands still with its sockets open, as a stuck machine does. */
async function stuck(server, state, expect) {
  const stop = async (page) => {
    const idle = () => page.evaluate(() => window.__rasad?.mapIdle() ?? true);
    if (page.url().includes('/brief')) await page.waitForTimeout(10_000); // the hour and the sketch have come
    else await until('an idle map', idle, 90_000);
    process.kill(server.pid, 'SIGSTOP');
    await until(expect, () => page.evaluate((want) => document.documentElement.dataset.state === want, expect), 60_000);
  };
  const one = async (view, lang, theme, size) => {
    if (dry) return take(server.base, view, lang, theme, size, state, 'LIVE');
    try {
      await take(server.base, view, lang, theme, size, state, 'LIVE', { act: stop });
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
  };
  for (const view of ['wall', 'console', 'brief']) {
    for (const lang of languages) {
      for (const theme of themes) await one(view, lang, theme, sizes[view][0]);
    }
    await one(view, 'fa', 'night', sizes[view].at(-1));
  }
}

/** Serves what `start` says for as long as `use` takes, when any of its pictures is wanted. */
async function during(start, use) {
  counted = 0;
  await use({ base: '' });
  if (counted === 0 || onlyList) return;
  const began = Date.now();
  const server = await startServer(start());
  dry = false;
  try {
    await use(server);
  } catch (error) {
    missed.push(`the rest of ${counted} pictures: ${String(error.message ?? error).split('\n')[0]}`);
    console.log(`MISSED ${missed.at(-1)}`);
  } finally {
    dry = true;
    await server.stop();
    server.clean();
    console.log(`${counted} pictures, ${Math.round((Date.now() - began) / 1000)} s`);
  }
}

try {
  const every = ['wall', 'console', 'brief'];
  const city = ['--city', join(root, 'build/city')];
  await during(() => stateOf('empty'), ({ base }) => all(base, 'empty', 'LIVE', every));
  await during(() => stateOf('quiet'), async (server) => {
    await all(server.base, 'quiet', 'LIVE', every);
    await all(server.base, 'simulated', 'LIVE', every, { marks: { simulated: true } });
    await stuck(server, 'delayed', 'DELAYED');
    await stuck(server, 'notlive', 'NOT_LIVE');
  });
  await during(() => stateOf('busy'), async ({ base }) => {
    await all(base, 'busy', 'LIVE', every);
    await all(base, 'notrecording', 'LIVE', every, { marks: { recording: false } });
    await all(base, 'visitor', 'LIVE', ['wall'], { act: (page) => page.keyboard.press('v') });
  });
  await during(() => stateOf('crowd'), async ({ base }) => {
    const [hd, uhd] = sizes.wall;
    for (const lang of languages) await take(base, 'wall', lang, lang === 'zh' ? 'day' : 'night', uhd, 'crowd', 'LIVE');
    await take(base, 'wall', 'en', 'day', hd, 'crowd', 'LIVE');
    for (const theme of themes) await take(base, 'console', 'fa', theme, sizes.console[0], 'crowd', 'LIVE');
    await parts(base, 'fa', 'night', 2, 2);
    await parts(base, 'zh', 'day', 2, 2);
    await parts(base, 'en', 'night', 2, 1);
  });
  await during(() => stateOf('exercise'), ({ base }) => all(base, 'exercise', 'LIVE', every));
  const silent = () => {
    const config = join(shots, 'partial.yaml');
    writeFileSync(config, 'feeds:\n  owntracks: {interval: 2s}\n'); // the demo's own units speak as osmand
    return { args: ['--demo', '--config', config, ...city] };
  };
  await during(silent, ({ base }) => all(base, 'partial', 'PARTIAL', every));
  await during(() => ({ args: ['--demo', ...city] }), async ({ base }) => {
    if (!dry) {
      await new Promise((r) => setTimeout(r, 60_000)); // incidents happen
      await facts(base);
    }
    await all(base, 'facts', 'LIVE', ['wall', 'brief']);
    const at = new Date(Date.now() - 20_000).toISOString();
    await all(base, 'replay', 'REPLAY', every, { query: `&at=${encodeURIComponent(at)}&speed=1` });
    await roads(base);
  });
  await during(() => ({ args: city }), ({ base }) => people(base));
  await during(() => ({ args: city }), framed);
  if (fits('gallery') && onlyList) console.log('gallery');
  else if (fits('gallery')) {
    const server = await startServer({ args: city });
    const { page, close } = await openPage(browser, `${server.base}/gallery`, { width: 3240, height: 2400 });
    await until('the gallery', () => page.evaluate(() => document.documentElement.dataset.ready === '1'), 90_000);
    await page.screenshot({ path: join(shots, 'gallery.png'), fullPage: true, timeout: 120_000 });
    await close();
    await server.stop();
    server.clean();
  }
} finally {
  await browser?.close();
}
if (missed.length > 0) {
  console.error(`${missed.length} pictures could not be taken:\n  ${missed.join('\n  ')}`);
  process.exitCode = 1;
}
