// The embed in a page of somebody else: nothing private comes in, nothing of the visitor goes out, and list, map and picture say
// the same whatever fails.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, point, root, shots, startBrowser, startServer, until } from './lib.mjs';
import { publishThings, secrets } from './published.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const phone = { viewport: { width: 390, height: 844 } };
/** In the flooded quarter, and far from it. */
const wet = { longitude: -75.5443, latitude: 39.7312, accuracy: 15 };
const dry = { longitude: -75.6113, latitude: 39.7012, accuracy: 15 };
let browser;
let server;
let publish;
let withdraw;
let news; // a page on another origin
let newsBase;

before(async () => {
  browser = await startBrowser();
  server = await startServer({ args: ['--city', join(root, 'build/city')] });
  ({ publish, withdraw } = await publishThings(server));
  news = createServer((req, res) => {
    const query = new URL(req.url, 'http://x').searchParams.get('embed') ?? '';
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.setHeader('set-cookie', 'news=1');
    res.end(`<!doctype html><html lang="en"><title>News</title><h1>News</h1><iframe src="${server.base}/embed?${query.replaceAll('&', '&amp;')}" title="Map" width="640" height="400" allow="geolocation"></iframe>`);
  });
  await new Promise((resolve) => news.listen(0, '127.0.0.1', resolve));
  // Another name is another origin and another site: cookies of the one are a third party's on the other.
  newsBase = `http://localhost:${news.address().port}`;
});
after(async () => {
  await browser?.close();
  news?.close();
  await server?.stop();
  server?.clean();
});

/** Opens an address and collects what the browser sends, and what comes back. */
async function open(url, options = {}) {
  const context = await browser.newContext({ ...phone, ...options });
  const page = await context.newPage();
  const seen = { requests: [], answers: [], bad: [] };
  page.on('pageerror', (e) => seen.bad.push(`page error: ${e.message}`));
  // A server that has no time turns strangers away and says when to come back (503); the page does, and the test waits for it.
  page.on('console', (m) => m.type() === 'error' && !/favicon/.test(m.location().url) && !/503/.test(m.text()) && seen.bad.push(`console: ${m.text()} ${m.location().url}`));
  context.on('request', (r) => {
    const u = new URL(r.url());
    if (!['blob:', 'data:'].includes(u.protocol)) seen.requests.push({ host: u.host, url: r.url(), body: r.postData() ?? '', method: r.method(), headers: r.allHeaders().catch(() => ({})) });
  });
  const answers = new Map();
  context.on('response', (r) => {
    const u = new URL(r.url());
    if (u.host !== new URL(server.base).host) return;
    const answer = { path: u.pathname, headers: r.allHeaders().catch(() => ({})), text: '' };
    seen.answers.push(answer);
    answers.set(r.request(), answer);
  });
  // The body of an answer that a page does not read, as of a 503, never ends.
  context.on('requestfinished', (request) => {
    const answer = answers.get(request);
    if (answer && /^\/(public|embed)/.test(answer.path)) answer.text = request.response().then((r) => r.text()).catch(() => '');
  });
  // In the moment in which the map covers the picture, it has to say all that the picture said.
  await context.addInitScript(() => {
    const root = () => document.documentElement;
    new MutationObserver(() => {
      if (root()?.classList.contains('mapped')) window.__revealed ??= { drawn: window.__embed.drawn(), listed: [...window.__embed.listed()].sort() };
    }).observe(document, { subtree: true, attributes: true, attributeFilter: ['class'] });
  });
  // Strangers wait when a machine has no time: whoever is told so asks again.
  await until('an answer', async () => (await page.goto(url))?.status() !== 503);
  return { page, context, ...seen, close: () => context.close() };
}

const embed = (query = '') => `${server.base}/embed?lang=en${query}`;
const withoutWebGL = (context) =>
  context.addInitScript(() => {
    const get = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
      return /webgl/.test(kind) ? null : get.call(this, kind, ...rest);
    };
  });
/** How much of each thing that a page can keep there is. What a browser refuses to third parties is not there. */
const kept = (page) =>
  page.evaluate(async () => {
    const none = async (ask, otherwise) => {
      try {
        return await ask();
      } catch {
        return otherwise;
      }
    };
    return [
      await none(() => localStorage.length, 0),
      await none(() => sessionStorage.length, 0),
      await none(async () => (await indexedDB.databases()).length, 0),
      await none(() => document.cookie, ''),
      await none(async () => (await navigator.serviceWorker.getRegistrations()).length, 0),
    ];
  });
const live = (page) => page.locator('.state[data-state="LIVE"]').waitFor({ timeout: 60_000 });
const mapped = (page) => until('a map', () => page.evaluate(() => document.documentElement.classList.contains('mapped')), 90_000);
const titles = (page) => page.locator('.items h3').allInnerTexts();

/** What `make shots` looks at and `make test` has no time for. */
const whole = process.env.RASAD_EVERY_LANGUAGE ? test : () => undefined;

test('on a page of another origin: no cookie, nothing private, no other host, and the map draws what the list says', async () => {
  const { page, context, requests, answers, bad, close } = await open(`${newsBase}/?embed=lang%3Den`, { viewport: { width: 800, height: 600 } });
  const frame = page.frames()[1];
  await until('a frame', () => frame.url().startsWith(server.base));
  await live(frame);
  await until('a map', () => frame.evaluate(() => document.documentElement.classList.contains('mapped')), 120_000);
  const revealed = await frame.evaluate(() => window.__revealed);
  assert.ok(revealed.listed.length >= 3);
  assert.deepEqual(revealed.drawn, revealed.listed, 'the map came before what it has to show');
  await until('everything drawn', () => frame.evaluate(() => (window.__embed.drawn() ?? []).length === window.__embed.listed().length), 60_000, () => 'drawn is not listed');
  const [listed, drawn] = await frame.evaluate(() => [[...window.__embed.listed()].sort(), window.__embed.drawn()]);
  assert.ok(listed.length >= 3);
  assert.deepEqual(drawn, listed);
  assert.deepEqual(await frame.locator('.items > li').evaluateAll((all) => all.map((li) => li.dataset.id).sort()), listed);

  const own = new URL(server.base).host;
  const fromFrame = requests.filter((r) => r.host !== new URL(newsBase).host);
  assert.ok(fromFrame.length > 5);
  assert.deepEqual(fromFrame.filter((r) => r.host !== own).map((r) => r.url), []);
  assert.deepEqual(fromFrame.filter((r) => r.method !== 'GET').map((r) => r.url), []);
  for (const { url, headers } of fromFrame) assert.equal((await headers).cookie, undefined, url);
  for (const { path, headers } of answers) assert.equal((await headers)['set-cookie'], undefined, path);
  assert.deepEqual((await context.cookies()).filter((c) => c.domain === '127.0.0.1'), []);
  assert.deepEqual(await kept(frame), [0, 0, 0, '', 0]);

  const allowed = new Set(['kind', 'rev', 'type', 'title', 'advice', 'severity', 'status', 'precision', 'radius_m', 'room', 'published_at', 'updated_at', 'valid_until']);
  let snapshots = 0;
  for (const { path, text } of answers) {
    const body = await text;
    for (const secret of secrets) assert.ok(!body.includes(secret), `${path} holds ${secret}`);
    if (!path.endsWith('.json') || !body) continue;
    for (const f of JSON.parse(body).features) {
      snapshots++;
      for (const key of Object.keys(f.properties)) assert.ok(allowed.has(key), `${path}: ${key} is no public field`);
      assert.doesNotMatch(f.id, /FLOOD|FIRE|SH\d/);
    }
  }
  assert.ok(snapshots >= 3);
  await page.screenshot({ path: join(shots, 'embed-foreign.png') });
  assert.deepEqual(bad, []);
  await close();
});

test('who asks is told on the phone: inside, outside, which shelter; no request carries the place', async () => {
  for (const [here, verdict] of [[wet, 'inside'], [dry, 'outside']]) {
    const { page, requests, close } = await open(embed(), { geolocation: here, permissions: ['geolocation'] });
    await live(page);
    await mapped(page);
    await until('an idle map', () => page.evaluate(() => window.__embed.idle()), 60_000);
    const before = requests.length;
    await page.getByTestId('where').click();
    await page.getByTestId('verdict').waitFor();
    assert.equal(await page.getByTestId('verdict').getAttribute('data-verdict'), verdict);
    const told = await page.locator('#answer').innerText();
    assert.match(told, /stays on this device/);
    if (verdict === 'inside') {
      assert.match(told, /You are in a danger area[\s\S]*River flood[\s\S]*Go to higher ground[\s\S]*Nearest edge: \d+ m to the/);
      assert.match(told, /Valid until/);
    } else assert.match(told, /Nearest: River flood\. Its edge is [\d.]+ km to the (north-)?east/);
    // Not the one that lies in the water, which is nearer.
    assert.match(await page.getByTestId('refuge').innerText(), /Brown School[\s\S]*straight line[\s\S]*[23]\d min ago/);
    assert.match(await page.locator('.items').innerText(), /of you|You are in it/);
    // Whatever is asked for later knows nothing of it: another round of refreshing is waited for.
    await until('another refresh', () => requests.slice(before).some((r) => r.url.includes('/public/v1/')), 30_000);
    const near = [String(here.longitude), String(here.latitude), here.longitude.toFixed(2), here.latitude.toFixed(2)];
    for (const { url, body, headers } of requests) {
      const said = decodeURIComponent(url) + body + JSON.stringify(await headers);
      for (const n of near) assert.ok(!said.includes(n), `${url} holds ${n}`);
    }
    assert.deepEqual(await kept(page), [0, 0, 0, '', 0]);
    // Nor does a tile: the map has not moved.
    assert.deepEqual(requests.slice(before).map((r) => new URL(r.url).pathname).filter((path) => path.startsWith('/tiles/')), []);
    await close();
  }
});

whole('who does not want to say where they are points on the map, also by keyboard', async () => {
  const { page, requests, close } = await open(embed());
  await live(page);
  await mapped(page);
  await page.getByTestId('where').click(); // nobody gave the permission
  await page.locator('.denied').waitFor({ timeout: 20_000 });
  await page.getByTestId('point').click();
  const at = await page.evaluate(() => window.__embed.project([-75.5443, 39.7312]));
  const box = await page.locator('.map').boundingBox();
  await page.mouse.click(box.x + at[0], box.y + at[1]);
  await page.locator('[data-testid="verdict"][data-verdict="inside"]').waitFor();
  assert.match(await page.locator('#answer').innerText(), /place that you pointed at/);
  await page.getByTestId('point').press('Enter');
  await page.locator('.map canvas').press('Enter'); // the middle of the map
  await page.getByTestId('verdict').waitFor();
  assert.ok(requests.every((r) => !r.url.includes('75.54')));
  await close();
});

test('a page says how old it is, asks within three seconds of being back, and is never LIVE before it is', async () => {
  // Without a map: where software draws it, it takes the seconds that are measured.
  const { page, context, requests, close } = await open('about:blank');
  await withoutWebGL(context);
  await page.goto(embed());
  await live(page);
  await page.clock.install();
  const route = '**/public/v1/**';
  await context.route(route, (r) => r.abort());
  await page.clock.runFor(45_000);
  await page.locator('.state[data-state="DELAYED"]').waitFor({ timeout: 20_000 });
  assert.match(await page.locator('#top').innerText(), /DELAYED[\s\S]*Not refreshed for \d+ sec\. What you see is from \d\d:\d\d/);
  await page.clock.runFor(120_000);
  await page.locator('.state[data-state="NOT_LIVE"]').waitFor({ timeout: 20_000 });
  let answered = 0;
  await context.unroute(route);
  await context.route(route, async (r) => {
    const answer = await r.fetch();
    if (answer.ok() || answer.status() === 304) answered ||= Date.now();
    await r.fulfill({ response: answer });
  });
  await page.clock.resume();
  const [back, before] = [Date.now(), requests.length];
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await until('a question', () => requests.slice(before).some((r) => r.url.includes('/public/v1/')), 3000);
  await live(page);
  const took = Date.now() - answered;
  assert.ok(answered >= back && took < 3000, `live ${took} ms after the answer`);
  console.log(`live ${Date.now() - back} ms after being back`);
  await close();
});

test('what is withdrawn is gone from list and map by itself', async () => {
  await call(server.base, 'PUT', '/api/v1/shelters/SH3', point(-75.53, 39.75, { name: 'Short Hall', type: 'school', status: 'open', capacity: 30 }));
  await publish('shelters', 'SH3');
  const { page, close } = await open(embed());
  await live(page);
  await until('it is listed', async () => (await titles(page)).includes('Short Hall'), 30_000);
  await withdraw('shelters', 'SH3');
  await until('it is gone', async () => !(await titles(page)).includes('Short Hall'), 30_000);
  await close();
});

test('without a script there are the list and the picture, dated', async () => {
  const { page, bad, close } = await open(embed(), { javaScriptEnabled: false });
  assert.deepEqual((await titles(page)).slice(0, 1), ['River flood']);
  assert.match(await page.locator('main').innerText(), /As of[\s\S]*Go to higher ground[\s\S]*Brown School[\s\S]*OpenStreetMap/);
  const picture = page.locator('#picture img');
  assert.match(await picture.getAttribute('alt'), /Wilmington/);
  await until('a picture', async () => (await picture.evaluate((i) => i.complete && i.naturalWidth > 0)) || (await page.reload(), false));
  await page.screenshot({ path: join(shots, 'embed-no-script.png'), fullPage: true });
  assert.deepEqual(bad, []);
  await close();
});

test('without WebGL the picture stays, and the list is current and answers all the same', async () => {
  const { page, context, close } = await open('about:blank', { geolocation: wet, permissions: ['geolocation'] });
  await withoutWebGL(context);
  await page.goto(embed());
  await live(page);
  await page.getByTestId('where').click();
  await page.locator('[data-testid="verdict"][data-verdict="inside"]').waitFor();
  await until('the picture', () => page.locator('#picture img').first().isVisible(), 30_000); // which is asked for again, too
  assert.equal(await page.locator('.map').count() === 0 || !(await page.locator('.map').isVisible()), true);
  assert.equal(await page.getByTestId('point').count(), 0, 'there is no map to point on');
  await close();
});

test('a context that is lost shows the picture, and the map again when it is back', async () => {
  const { page, close } = await open(embed());
  await live(page);
  await mapped(page);
  await page.evaluate(() => {
    window.__lose = document.querySelector('.map canvas').getContext('webgl2').getExtension('WEBGL_lose_context');
    window.__lose.loseContext();
  });
  await page.locator('#picture .still img').waitFor({ state: 'visible', timeout: 10_000 });
  await page.evaluate(() => window.__lose.restoreContext());
  await mapped(page);
  await close();
});

whole('the builder makes the code for a page, and shows what it will be', async () => {
  const { page, bad, close } = await open(`${server.base}/embed/builder?lang=en`, { viewport: { width: 1366, height: 900 } });
  const code = page.getByTestId('snippet');
  await code.waitFor();
  assert.match(await code.inputValue(), /^<iframe src="http[^"]+\/embed" [^>]*allow="geolocation"[^>]*><\/iframe>$/);
  await page.getByTestId('lang').selectOption('fa');
  await page.getByTestId('theme').selectOption('night');
  await page.getByTestId('sites').uncheck();
  await page.getByTestId('approval').fill('GS(2026)1234号');
  await page.getByTestId('city').uncheck();
  await page.getByTestId('west').fill('-75.6');
  await page.getByTestId('west').blur();
  const src = /src="([^"]+)"/.exec(await code.inputValue())[1].replaceAll('&amp;', '&');
  const made = new URL(src).searchParams;
  assert.deepEqual([made.get('lang'), made.get('theme'), made.get('layers'), made.get('approval')], ['fa', 'night', 'incidents,hazards,shelters', 'GS(2026)1234号']);
  assert.match(made.get('area'), /^-75\.6\d*,39\.\d+,-75\.\d+,39\.\d+$/);
  const frame = await until('the preview', () => page.frames().find((f) => f.url() === new URL(src).href), 30_000); // not one of the steps before
  await frame.locator('.state[data-state="LIVE"]').waitFor({ timeout: 60_000 });
  assert.equal(await frame.evaluate(() => document.documentElement.dir), 'rtl');
  assert.match(await frame.locator('body').innerText(), /GS\(2026\)1234号/);
  await page.screenshot({ path: join(shots, 'embed-builder.png') });
  await page.getByTestId('preview-desktop').click();
  assert.equal(await page.getByTestId('preview').getAttribute('width'), '960');
  assert.deepEqual(bad, []);
  await close();
});

// Every language in `make shots`; in `make test` the one that is mirrored.
for (const lang of process.env.RASAD_EVERY_LANGUAGE ? ['en', 'fa', 'zh'] : ['fa']) {
  test(`${lang}: axe finds nothing, fingers find their targets, nothing scrolls sideways, the keyboard reaches all of it`, async () => {
    const { page, bad, close } = await open(`${server.base}/embed?lang=${lang}`, { geolocation: wet, permissions: ['geolocation'], reducedMotion: 'reduce' });
    await live(page);
    await mapped(page);
    await page.getByTestId('where').click();
    await page.getByTestId('verdict').waitFor();
    await page.evaluate(axe);
    for (const theme of ['day', 'night']) {
      await page.evaluate((t) => (document.documentElement.dataset.theme = t), theme);
      const { violations } = await page.evaluate(() => window.axe.run(document));
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `${lang} ${theme}`);
    }
    for (const [width, height] of [[320, 480], [390, 844], [640, 400], [1366, 900]]) {
      await page.setViewportSize({ width, height });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${lang} ${width}×${height} scrolls sideways by ${over} px`);
      const top = await page.evaluate(() => (scrollTo({ top: 700, behavior: 'instant' }), document.querySelector('#top').getBoundingClientRect().top));
      assert.equal(top, 0, `${lang} ${width}×${height}: the state stays in sight`);
      const small = await page.evaluate(() =>
        Array.from(document.querySelectorAll('button, a, summary'))
          .filter((e) => e.checkVisibility())
          .map((e) => ({ html: e.outerHTML.slice(0, 90), box: e.getBoundingClientRect() }))
          .filter(({ box }) => box.width > 0 && box.height < 43.9)
          .map(({ html, box }) => `${Math.round(box.width)}×${Math.round(box.height)} ${html}`),
      );
      assert.deepEqual(small, [], `${lang} ${width}×${height}`);
    }
    await page.screenshot({ path: join(shots, `embed-${lang}.png`) });
    const sides = await page.evaluate(() => {
      const middle = (e) => e.getBoundingClientRect().x + e.getBoundingClientRect().width / 2;
      return { dir: document.documentElement.dir, list: middle(document.querySelector('#list')), map: middle(document.querySelector('#picture')) };
    });
    assert.equal(sides.dir, lang === 'fa' ? 'rtl' : 'ltr');
    assert.equal(sides.list > sides.map, lang === 'fa', 'the list stands where reading begins');
    // East is on the right in every language.
    const [west, east] = await page.evaluate(() => [window.__embed.project([-75.6, 39.75])[0], window.__embed.project([-75.5, 39.75])[0]]);
    assert.ok(west < east);
    const reached = new Set();
    await page.evaluate(() => document.activeElement?.blur());
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(() => document.activeElement?.dataset.testid ?? document.activeElement?.className ?? ''));
    }
    for (const want of ['where', 'point', 'show']) assert.ok(reached.has(want), `Tab reaches ${want}: ${[...reached]}`);
    assert.ok([...reached].some((name) => /maplibregl-canvas/.test(name)), 'Tab reaches the map');
    assert.deepEqual(bad, []);
    await close();
  });
}

whole('on paper there are the date, the list and the map', async () => {
  const { page, close } = await open(embed('&theme=night'));
  await live(page);
  await mapped(page);
  await until('an idle map', () => page.evaluate(() => window.__embed.idle()), 60_000);
  await page.emulateMedia({ media: 'print' });
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  assert.equal(await page.locator('#list > .asof').isVisible(), true);
  assert.match(await page.locator('#list > .asof').innerText(), /20\d\d.*\d\d:\d\d/);
  assert.equal(await page.locator('.buttons').isVisible(), false);
  assert.equal(await page.locator('.printed').isVisible(), true);
  await page.screenshot({ path: join(shots, 'embed-print.png'), fullPage: true });
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor), 'rgba(0, 0, 0, 0)', 'no ink where there is nothing');
  assert.match(await page.locator('.printed').evaluate((i) => getComputedStyle(i).filter), /invert/, 'a map of the night is light on paper');
  const ink = await page.evaluate(() => [getComputedStyle(document.body).color, getComputedStyle(document.querySelector('.items h3')).color]);
  assert.deepEqual(ink, ['rgb(21, 32, 44)', 'rgb(21, 32, 44)'], 'dark letters on paper, by night too');
  await close();
});
