// Screenshots of every screen, language, theme, size and state into build/shots (RASAD_SHOTS moves it). Judge them by eye.
// Arguments narrow it: node frontend/e2e/shots.mjs wall fa
import { join } from 'node:path';
import { openPage, root, shots, startBrowser, startServer, until } from './lib.mjs';

const wanted = process.argv.slice(2);
const sizes = {
  wall: [[1920, 1080], [3840, 2160], [3840, 1080], [1024, 1366], [390, 844]],
  console: [[1920, 1080], [1440, 900], [1024, 1366], [390, 844]],
};
const take = async (browser, base, view, lang, theme, [width, height], state, expect) => {
  const name = [view, state, lang, theme, `${width}x${height}`].join('-');
  if (!wanted.every((w) => name.split('-').includes(w))) return;
  const { page, bad, close } = await openPage(browser, `${base}/${view}?lang=${lang}&theme=${theme}`, { width, height });
  await until(expect, () => page.evaluate((want) => document.documentElement.dataset.state === want, expect), 90_000);
  await until('an idle map', () => page.evaluate(() => window.__rasad.mapIdle()), 90_000).catch(() => console.log(`${name}: the map is not idle`));
  await page.waitForTimeout(1500);
  await page.screenshot({ path: join(shots, `${name}.png`), timeout: 120_000 });
  console.log(name, bad.length === 0 ? '' : bad.slice(0, 3));
  await close();
};

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
