// What the first look at a screen costs its reader: every byte that the server sends to a browser that has nothing yet, counted
// on the wire, so compressed as it is, with headers, fonts, the map's tiles, workers, and the first seconds of the stream.
// The budget is of what the product brings: its scripts, styles, fonts and workers. What the city brings (tiles, names, the stream)
// is told beside it.
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPage, root, startBrowser, startServer, until } from './lib.mjs';

const consoleMost = 1_200_000;
/** What comes later than this belongs to who looks for longer. */
const lookMs = 5000;

let browser;
let server;
before(async () => {
  browser = await startBrowser();
  server = await startServer({ args: ['--demo', '--city', join(root, 'build/city')] });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.clean();
});

/** A wire to the server that counts what comes down. */
async function wire() {
  const count = { down: 0 };
  const { hostname, port } = new URL(server.base);
  const ends = new Set();
  const proxy = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [end, other] of [[near, far], [far, near]]) {
      ends.add(end);
      end.on('error', () => other.destroy());
      end.on('close', () => (ends.delete(end), other.destroy()));
      end.pipe(other);
    }
    far.on('data', (bytes) => (count.down += bytes.length));
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const close = () => (proxy.close(), ends.forEach((end) => end.destroy()));
  return { base: `http://127.0.0.1:${proxy.address().port}`, count, close };
}

/** Bytes of the first look at a page, in a browser of its own that keeps nothing. */
async function firstLook(path, lang, ready, options) {
  const { base, count, close } = await wire();
  const { page, bad, close: leave } = await openPage(browser, `${base}${path}?lang=${lang}`, { width: 1440, height: 900, cookie: server.cookie, ...options });
  try {
    await until(`${path} in ${lang}`, () => ready(page), 120_000);
    await page.waitForTimeout(lookMs);
    assert.deepEqual(bad, []);
    const sent = await page.evaluate(() => performance.getEntries().filter((e) => 'transferSize' in e).map((e) => [new URL(e.name).pathname, e.transferSize]));
    const sum = (is) => sent.reduce((n, [name, size]) => n + (is(name) ? size : 0), 0);
    const letters = sum((name) => name.includes('noto-sans-sc'));
    return { all: count.down, own: sum((name) => name === path || name.startsWith('/assets/')), letters };
  } finally {
    await leave();
    close();
  }
}

const isLive = (page) => page.evaluate(() => ['LIVE', 'PARTIAL'].includes(document.documentElement.dataset.state) && window.__rasad?.mapIdle() === true);
const signIn = (page) => page.getByTestId('signin').isVisible();

const kB = (look) => `${Math.round(look.own / 1000)} kB${look.letters ? ` with ${Math.round(look.letters / 1000)} kB of Chinese letters` : ''}, ${Math.round(look.all / 1000)} kB in all`;

for (const lang of process.env.RASAD_EVERY_LANGUAGE ? ['en', 'fa', 'zh'] : ['zh']) {
  test(`${lang}: the console begins within 1.2 MB, with its map`, async (t) => {
    const look = await firstLook('/console', lang, isLive);
    t.diagnostic(`first look over the wire, ${lang}: console ${kB(look)}`);
    assert.ok(look.own > 300_000 && look.all > look.own, `${JSON.stringify(look)} is not a console`);
    assert.equal(look.letters > 0, lang === 'zh');
    assert.ok(look.own <= consoleMost, `the console in ${lang} is ${look.own} bytes`);
    if (!process.env.RASAD_EVERY_LANGUAGE) return;
    const wall = await firstLook('/wall', lang, isLive, { width: 1920, height: 1080 });
    const signin = await firstLook('/signin', lang, signIn, { cookie: null });
    t.diagnostic(`first look over the wire, ${lang}: wall ${kB(wall)}; sign-in ${kB(signin)}`);
    assert.ok(wall.own <= consoleMost && signin.own < look.own / 2);
  });
}
