// Screenshots of every screen, language, theme, size and state into build/shots (RASAD_SHOTS moves it). Judge them by eye.
// Arguments narrow it: node frontend/e2e/shots.mjs wall fa
import { join } from 'node:path';
import { call, openPage, point, root, shots, startBrowser, startServer, until } from './lib.mjs';

const wanted = process.argv.slice(2);
const sizes = {
  wall: [[1920, 1080], [3840, 2160], [3840, 1080], [1024, 1366], [390, 844]],
  console: [[1920, 1080], [1440, 900], [1024, 1366], [390, 844]],
};
const take = async (browser, base, view, lang, theme, [width, height], state, expect, act = async () => undefined) => {
  const name = [view, state, lang, theme, `${width}x${height}`].join('-');
  if (!wanted.every((w) => name.split('-').includes(w))) return;
  const { page, bad, close } = await openPage(browser, `${base}/${view}?lang=${lang}&theme=${theme}`, { width, height });
  await until(expect, () => page.evaluate((want) => document.documentElement.dataset.state === want, expect), 90_000);
  page.setDefaultTimeout(120_000);
  await act(page);
  await until('an idle map', () => page.evaluate(() => window.__rasad.mapIdle()), 90_000).catch(() => console.log(`${name}: the map is not idle`));
  await page.waitForTimeout(1500);
  await page.screenshot({ path: join(shots, `${name}.png`), timeout: 120_000 });
  console.log(name, bad.length === 0 ? '' : bad.slice(0, 3));
  await close();
};

/** What roads, closures and coverage look like: a fire beyond a bridge that is closed. */
async function roads(browser, base) {
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
    for (const theme of ['night', 'day']) await take(browser, base, 'console', lang, theme, wide, 'nearest', 'LIVE', acts.nearest);
  }
  for (const size of [tall, phone]) await take(browser, base, 'console', 'fa', 'night', size, 'nearest', 'LIVE', acts.nearest);
  await take(browser, base, 'console', 'fa', 'night', wide, 'draw', 'LIVE', acts.draw);
  await take(browser, base, 'console', 'en', 'day', wide, 'draw', 'LIVE', acts.draw);
  for (const size of [tall, phone]) await take(browser, base, 'console', 'zh', 'day', size, 'draw', 'LIVE', acts.draw);
  const hazard = (id, coordinates, properties) =>
    call(base, 'PUT', `/api/v1/hazards/${id}`, { type: 'Feature', geometry: { type: 'LineString', coordinates }, properties });
  await hazard('SHOT-BRIDGE', [[-75.5541, 39.7363], [-75.5549, 39.7352]], { type: 'road_closed', name: 'South Market Street' });
  await hazard('SHOT-SLOW', [[-75.5506, 39.7371], [-75.5478, 39.7345]], { type: 'road_slow', name: 'South Walnut Street', speed_factor: 0.5 });
  for (const lang of ['en', 'fa', 'zh']) await take(browser, base, 'console', lang, 'night', wide, 'closed', 'LIVE', acts.nearest);
  await take(browser, base, 'console', 'zh', 'day', wide, 'overview', 'LIVE', async (page) => void (await page.keyboard.press('v')));
  for (const size of [tall, phone]) {
    await take(browser, base, 'console', 'fa', 'night', size, 'overview', 'LIVE', async (page) => void (await page.keyboard.press('l')));
  }
  for (const lang of ['en', 'fa', 'zh']) await take(browser, base, 'wall', lang, 'night', sizes.wall[0], 'closed', 'LIVE');
  await take(browser, base, 'wall', 'fa', 'day', sizes.wall[1], 'closed', 'LIVE');
  for (const size of sizes.wall.slice(2)) await take(browser, base, 'wall', 'zh', 'night', size, 'closed', 'LIVE');
}

const browser = await startBrowser();
const args = ['--city', join(root, 'build/city')];
try {
  const busy = await startServer({ args: ['--demo', ...args] });
  await new Promise((r) => setTimeout(r, 60_000)); // incidents happen
  for (const view of ['wall', 'console']) {
    for (const lang of ['en', 'fa', 'zh']) {
      for (const theme of ['night', 'day']) await take(browser, busy.base, view, lang, theme, sizes[view][0], 'busy', 'LIVE');
    }
    for (const size of sizes[view].slice(1)) await take(browser, busy.base, view, 'fa', 'night', size, 'busy', 'LIVE');
  }
  await roads(browser, busy.base);
  await busy.stop();
  busy.clean();
  const empty = await startServer({ args });
  for (const lang of ['en', 'fa', 'zh']) {
    for (const view of ['wall', 'console']) await take(browser, empty.base, view, lang, 'night', [1920, 1080], 'empty', 'LIVE');
  }
  // The server stands still, sockets open: what a stuck machine looks like.
  for (const lang of ['en', 'fa', 'zh']) {
    for (const view of ['wall', 'console']) {
      const name = [view, 'notlive', lang, 'night', '1920x1080'];
      if (!wanted.every((w) => name.includes(w))) continue;
      const { page, close } = await openPage(browser, `${empty.base}/${view}?lang=${lang}&theme=night`);
      await until('LIVE', () => page.evaluate(() => document.documentElement.dataset.state === 'LIVE'), 60_000);
      await until('an idle map', () => page.evaluate(() => window.__rasad.mapIdle()), 60_000);
      process.kill(empty.pid, 'SIGSTOP');
      await until('NOT LIVE', () => page.evaluate(() => document.documentElement.dataset.state === 'NOT_LIVE'), 60_000);
      await page.screenshot({ path: join(shots, `${name.join('-')}.png`), timeout: 120_000 });
      console.log(name.join('-'));
      process.kill(empty.pid, 'SIGCONT');
      await close();
    }
  }
  await empty.stop();
  empty.clean();
} finally {
  await browser.close();
}
