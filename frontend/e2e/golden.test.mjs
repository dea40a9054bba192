// Screens that must not change by accident: cities held at one moment of a tape, compared with pictures that were looked at.
// RASAD_GOLDEN=update node --test frontend/e2e/golden.test.mjs writes them anew: look at them before they are committed.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPage, root, shots, startBrowser, startServer, unhurried, until } from './lib.mjs';
import { stateOf } from './states.mjs';

const golden = join(root, 'frontend/e2e/golden');
const pictures = [
  ['busy', 'wall', 'en', 'night'],
  ['exercise', 'wall', 'zh', 'day'],
  ...(process.env.RASAD_EVERY_LANGUAGE ? [['busy', 'wall', 'fa', 'day']] : []),
];
/** Edges of letters and lines differ from one rasteriser to the next; a panel that moves does not pass for that. */
const differs = 48; // of 255, in any channel
const mostDiffer = 0.02; // of all pixels

let browser;
before(async () => (browser = await startBrowser()));
after(() => browser?.close());

/**
 * The share of pixels that differ between two PNGs of one size; 1 when their sizes differ. Decoded by the browser. A wall
 * lies up to two pixels elsewhere every minute, for the sake of its glass, so one lies on the other where they fit best.
 */
async function difference(page, a, b) {
  const urls = [a, b].map((png) => `data:image/png;base64,${png.toString('base64')}`);
  return page.evaluate(
    async ([one, other, least]) => {
      const [x, y] = await Promise.all(
        [one, other].map(async (url) => {
          const image = new Image();
          image.src = url;
          await image.decode();
          const canvas = new OffscreenCanvas(image.width, image.height);
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 0);
          return context.getImageData(0, 0, image.width, image.height);
        }),
      );
      if (x.width !== y.width || x.height !== y.height) return 1;
      const share = (right, down) => {
        let [n, all] = [0, 0];
        for (let row = 4; row < x.height - 4; row++) {
          for (let column = 4; column < x.width - 4; column++) {
            const i = 4 * (row * x.width + column);
            const j = i + 4 * (down * x.width + right);
            all++;
            if (Math.max(Math.abs(x.data[i] - y.data[j]), Math.abs(x.data[i + 1] - y.data[j + 1]), Math.abs(x.data[i + 2] - y.data[j + 2])) > least) n++;
          }
        }
        return n / all;
      };
      const shifts = [-4, -2, 0, 2, 4];
      return Math.min(...shifts.flatMap((right) => shifts.map((down) => share(right, down))));
    },
    [urls[0], urls[1], differs],
  );
}

test('the comparison sees a panel that moved by twenty pixels', async () => {
  const context = await browser.newContext({ viewport: { width: 400, height: 300 } });
  const page = await context.newPage();
  const picture = async (x) => {
    await page.setContent(`<body style="margin:0;background:#0f1620"><div style="position:absolute;left:${x}px;top:20px;width:120px;height:240px;background:#e6eef7"></div>`);
    return page.screenshot();
  };
  const [still, same, moved] = [await picture(20), await picture(20), await picture(40)];
  assert.equal(await difference(page, still, same), 0);
  assert.ok((await difference(page, still, moved)) > mostDiffer);
  await context.close();
});

/** A zone in which it is between four and five in the afternoon: just after midnight moments have a date, and lines break elsewhere. */
function afternoon() {
  const hour = new Date().getUTCHours();
  const ahead = hour < 2 ? -8 - hour : 16 - hour;
  return ahead === 0 ? 'Etc/GMT' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;
}

for (const state of new Set(pictures.map(([name]) => name))) {
  test(`the screens of ${state} are as they were looked at`, { timeout: 230_000 }, async (t) => {
    const server = await startServer(stateOf(state));
    try {
      for (const [, view, lang, theme] of pictures.filter(([name]) => name === state)) {
        const name = `${view}-${state}-${lang}-${theme}`;
        const { page, bad, close } = await openPage(browser, `${server.base}/readyz`, { width: 1280, height: 720, reducedMotion: 'reduce' });
        await page.route('**/api/v1/city', async (route) => {
          const answer = await route.fetch();
          await route.fulfill({ response: answer, json: { ...(await answer.json()), time_zone: afternoon() } });
        });
        await page.goto(`${server.base}/${view}?lang=${lang}&theme=${theme}`);
        await until('LIVE', () => page.evaluate(() => document.documentElement.dataset.state === 'LIVE'), 60_000);
        await until('an idle map', () => page.evaluate(() => window.__rasad?.mapIdle() === true), 90_000);
        await page.waitForTimeout(2500);
        await unhurried(page);
        const png = await page.screenshot({ timeout: 60_000 });
        const file = join(golden, `${name}.png`);
        if (process.env.RASAD_GOLDEN === 'update') writeFileSync(file, png);
        assert.ok(existsSync(file), `${file} is missing: RASAD_GOLDEN=update makes it`);
        const blank = await browser.newPage(); // the screens' own policy loads no picture from a string
        const share = await difference(blank, readFileSync(file), png);
        await blank.close();
        t.diagnostic(`${name}: ${(share * 100).toFixed(2)} % of the pixels differ`);
        if (share > mostDiffer) writeFileSync(join(shots, `golden-${name}.png`), png);
        assert.ok(share <= mostDiffer, `${name}: ${(share * 100).toFixed(2)} % of the pixels differ, see ${join(shots, `golden-${name}.png`)}`);
        assert.deepEqual(bad, []);
        await close();
      }
    } finally {
      await server.stop();
      server.clean();
    }
  });
}
