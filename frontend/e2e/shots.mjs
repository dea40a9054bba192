// Screenshots of every screen, language, theme, size and state into build/shots (RASAD_SHOTS moves it). Judge them by eye.
// Arguments narrow it, each a part of the name: node frontend/e2e/shots.mjs wall fa exercise
// Cities stand still: they are tapes held at one moment (states.mjs), so that two runs show the same.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, openPage, point, root, shots, startBrowser, startServer, until } from './lib.mjs';
import { stateOf, states } from './states.mjs';

const wanted = process.argv.slice(2);
const fits = (name) => wanted.every((w) => name.split('-').includes(w));
/** Whether any picture of a state is wanted: a server that nobody looks at is not started. */
const wants = (state) => wanted.every((w) => w === state || !stateNames.has(w));
const stateNames = new Set([...Object.keys(states), 'partial', 'delayed', 'notlive', 'replay', 'notrecording', 'facts', 'visitor', 'nearest', 'draw', 'closed', 'overview']);
const languages = ['en', 'fa', 'zh'];
const themes = ['night', 'day'];
const sizes = {
  wall: [[1920, 1080], [3840, 2160], [3840, 1080], [1024, 1366], [390, 844]],
  console: [[1920, 1080], [1440, 900], [1024, 1366], [390, 844]],
  brief: [[1024, 1366], [1366, 1024], [390, 844]],
};
const browser = await startBrowser();

/** Takes one picture. `marks` are members of the status that every frame shall bear, as a server with that state sends it. */
async function take(base, view, lang, theme, [width, height], state, expect, { act, marks, query = '' } = {}) {
  const name = [view, state, lang, theme, `${width}x${height}`].join('-');
  if (!fits(name)) return;
  const { page, bad, close } = await openPage(browser, `${base}/readyz`, { width, height });
  if (marks) await page.addInitScript(markFrames, marks);
  await page.goto(`${base}/${view}?lang=${lang}&theme=${theme}${query}`);
  page.setDefaultTimeout(120_000);
  const word = () => page.evaluate(() => document.documentElement.dataset.state);
  await until(expect, async () => (await word()) === expect, 90_000);
  await act?.(page);
  const idle = () => page.evaluate(() => window.__rasad?.mapIdle() ?? true);
  if (!['DELAYED', 'NOT_LIVE'].includes(expect)) await until('an idle map', idle, 90_000).catch(() => console.log(`${name}: the map is not idle`));
  await page.waitForTimeout(1500);
  await page.screenshot({ path: join(shots, `${name}.png`), timeout: 120_000 });
  console.log(name, bad.length === 0 ? '' : bad.slice(0, 3));
  await close();
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

/** What roads, closures and coverage look like: a fire beyond a bridge that is closed. */
async function roads(base) {
  await call(base, 'PUT', '/api/v1/incidents/SHOT', point(-75.5565, 39.7315, { name: 'South Market Street 400', type: 'structure_fire', priority: '1' }));
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
    call(base, 'PUT', `/api/v1/hazards/${id}`, { type: 'Feature', geometry: { type: 'LineString', coordinates }, properties });
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
  for (const lang of languages) {
    for (const view of ['wall', 'console']) {
      const act = async (page) => {
        process.kill(server.pid, 'SIGSTOP');
        await until(expect, () => page.evaluate((want) => document.documentElement.dataset.state === want, expect), 60_000);
      };
      try {
        await take(server.base, view, lang, lang === 'zh' ? 'day' : 'night', [1920, 1080], state, 'LIVE', { act });
      } finally {
        process.kill(server.pid, 'SIGCONT');
      }
    }
  }
}

/** Serves a state of a tape for as long as `use` takes, when it or a state that is made of it is wanted. */
async function during(name, others, use) {
  if (![name, ...others].some(wants)) return;
  const server = await startServer(stateOf(name));
  try {
    await use(server);
  } finally {
    await server.stop();
    server.clean();
  }
}

try {
  const every = ['wall', 'console', 'brief'];
  await during('empty', ['delayed', 'notlive'], async (server) => {
    await all(server.base, 'empty', 'LIVE', every);
    await stuck(server, 'delayed', 'DELAYED');
    await stuck(server, 'notlive', 'NOT_LIVE');
  });
  await during('quiet', [], ({ base }) => all(base, 'quiet', 'LIVE', every));
  await during('busy', ['notrecording', 'visitor'], async ({ base }) => {
    await all(base, 'busy', 'LIVE', every);
    await all(base, 'notrecording', 'LIVE', ['wall', 'console'], { marks: { recording: false } });
    await all(base, 'visitor', 'LIVE', ['wall'], { act: (page) => page.keyboard.press('v') });
  });
  await during('exercise', [], ({ base }) => all(base, 'exercise', 'LIVE', every));
  if (wants('partial')) {
    const config = join(shots, 'partial.yaml');
    writeFileSync(config, 'feeds:\n  osmand: {interval: 2s}\n');
    const silent = await startServer({ args: ['--demo', '--config', config, '--city', join(root, 'build/city')] });
    await all(silent.base, 'partial', 'PARTIAL', ['wall', 'console']);
    await silent.stop();
    silent.clean();
  }
  if (['replay', 'facts', 'nearest', 'draw', 'closed', 'overview'].some(wants)) {
    const demo = await startServer({ args: ['--demo', '--city', join(root, 'build/city')] });
    await new Promise((r) => setTimeout(r, 60_000)); // incidents happen
    await facts(demo.base);
    await all(demo.base, 'facts', 'LIVE', ['wall', 'brief']);
    const at = new Date(Date.now() - 20_000).toISOString();
    await all(demo.base, 'replay', 'REPLAY', ['wall', 'console'], { query: `&at=${encodeURIComponent(at)}&speed=1` });
    await roads(demo.base);
    await demo.stop();
    demo.clean();
  }
  if (fits('gallery')) {
    const server = await startServer({ args: ['--city', join(root, 'build/city')] });
    const { page, close } = await openPage(browser, `${server.base}/gallery`, { width: 3240, height: 2400 });
    await until('the gallery', () => page.evaluate(() => document.documentElement.dataset.ready === '1'), 90_000);
    await page.screenshot({ path: join(shots, 'gallery.png'), fullPage: true, timeout: 120_000 });
    await close();
    await server.stop();
    server.clean();
  }
} finally {
  await browser.close();
}
