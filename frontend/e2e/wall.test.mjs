// The wall, which nobody touches: what it does with what happens to it, and what a console tells it from afar.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { call, openPage, point, root, shots, startBrowser, startServer, until } from './lib.mjs';

const city = join(root, 'build/city');
const size = { width: 960, height: 540 };
/** A part of four draws the map of all four. */
const small = { width: 480, height: 270 };
let browser;
let server;
let cameras;
/** A wall whose server is replaced by another version while the other tests run. */
let old;
let upgraded;

/** Two cameras that send what moves; none of them answers while they are away. Their pictures are a test card, made by FFmpeg. */
let away = false;
const made = (name) => readFileSync(join(import.meta.dirname, 'camera', name));
function pictures(response) {
  response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=next' });
  let n = 0;
  const timer = setInterval(() => {
    if (away) return response.destroy();
    const picture = made(`picture-${1 + (n++ % 2)}.jpg`);
    response.write(`--next\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`);
    response.write(picture);
    response.write('\r\n');
  }, 400);
  response.on('close', () => clearInterval(timer));
}
/** Two pieces of two seconds, again and again, as a camera would that never stops. */
function playlist() {
  const first = Math.floor(Date.now() / 2000) - 1_000_000;
  const pieces = [0, 1, 2].map((i) => `#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\nvideo-${(first + i) % 2}.ts?${first + i}`);
  return `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:${first}\n#EXT-X-DISCONTINUITY-SEQUENCE:${first}\n${pieces.join('\n')}\n`;
}

const state = (page) => page.evaluate(() => document.documentElement.dataset.state).catch(() => '');
const isLive = (page) => until('the word LIVE', async () => (await state(page)) === 'LIVE', 60_000);
/** Opens a wall that is closed with its test; what its cameras are asked is no request that must not be. */
const open = async (t, path, options = {}) => {
  const wall = await openPage(browser, `${server.base}/wall?lang=en&theme=night${path}`, { ...size, ...options });
  t.after(() => wall.close());
  wall.wrong = () => wall.bad.filter((what) => what !== `request to 127.0.0.1:${cameras.address().port}`);
  await isLive(wall.page);
  await until('a map', () => wall.page.evaluate(() => window.__rasad?.mapIdle() === true), 60_000);
  return wall;
};
/** Where a place of the city is on the glass, and whether it lies on the map. */
const onGlass = (page, lng, lat) =>
  page.evaluate(([lng, lat]) => {
    const { left, top, width, height } = document.querySelector('.ground').getBoundingClientRect();
    const [x, y] = window.__rasad.project(lng, lat);
    return { x: left + x, y: top + y, onMap: x >= 0 && y >= 0 && x <= width && y <= height, fromMiddle: Math.hypot(x - width / 2, y - height / 2) };
  }, [lng, lat]);
const incident = (key, lng, lat, more = {}) => call(server.base, 'PUT', `/api/v1/incidents/${key}`, point(lng, lat, { name: key, type: 'traffic_collision', priority: '3', status: 'on_scene', ...more }));
const layout = (name, body) => call(server.base, 'PUT', `/api/v1/layouts/${name}`, { area: { bbox: [-75.6, 39.7, -75.5, 39.78] }, panels: ['counters', 'worst'], layers: ['units', 'incidents'], language: 'en', theme: 'night', ...body });
const place = (page) => page.evaluate(() => document.querySelector('.display').style.transform);

before(async () => {
  browser = await startBrowser();
  execFileSync('go', ['build', '-trimpath', '-ldflags', '-X main.build=another', '-o', 'bin/rasad-another', './server'], { cwd: root, stdio: 'inherit', env: { ...process.env, CGO_ENABLED: '0' } });
  const first = await startServer();
  const wall = await openPage(browser, `${first.base}/wall?lang=en`, { width: 480, height: 270 });
  await isLive(wall.page);
  await wall.page.evaluate(() => (window.__old = true));
  old = { ...wall, place: await place(wall.page), began: Date.now() };
  wall.page.once('framenavigated', () => (old.waited = (Date.now() - old.began) / 1000));
  await first.stop();
  upgraded = await startServer({ data: first.dir, listen: new URL(first.base).host, bin: 'bin/rasad-another' });

  const still = await wall.page.screenshot({ type: 'jpeg', timeout: 60_000 });
  cameras = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*');
    if (request.url.startsWith('/still')) response.setHeader('content-type', 'image/jpeg').end(still);
    else if (away) request.socket.destroy();
    else if (request.url.startsWith('/pictures')) pictures(response);
    else if (request.url.startsWith('/video.m3u8')) response.setHeader('content-type', 'application/vnd.apple.mpegurl').end(playlist());
    else if (/^\/video-[01]\.ts/.test(request.url)) response.setHeader('content-type', 'video/mp2t').end(made(request.url.slice(1, 11)));
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => cameras.listen(0, '127.0.0.1', resolve));
  const config = join(shots, 'wall-test.yaml');
  writeFileSync(config, `cameras: ["http://127.0.0.1:${cameras.address().port}"]\n`);
  server = await startServer({ args: ['--city', city, '--config', config] });
  await incident('I-west', -75.58, 39.74);
  await incident('I-east', -75.52, 39.75);
});
after(async () => {
  await browser?.close();
  for (const one of [server, upgraded]) {
    await one?.stop();
    one?.clean();
  }
  cameras?.close();
});

test('a layout that is switched from afar applies, in its language, with its part of a larger wall, in step', async (t) => {
  await layout('whole', { title: 'Whole', devices: ['D1'], language: 'en' });
  const first = await open(t, '&device=D1', small);
  assert.equal(await first.page.evaluate(() => document.documentElement.lang), 'en');
  await layout('quarter-a', { part: { col: 0, row: 0, cols: 2, rows: 2 }, language: 'zh', devices: ['D1'] });
  await layout('quarter-d', { part: { col: 1, row: 1, cols: 2, rows: 2 }, language: 'zh', devices: ['D2'] });
  await until('the other layout', () => first.page.evaluate(() => document.documentElement.lang === 'zh' && document.querySelector('.display').style.inlineSize === `${2 * innerWidth}px`));
  const last = await open(t, '&device=D2', small);
  // One map over four displays: a place lies where it would lie if there were one glass.
  await until('two parts in step', async () => {
    const [a, d] = [await onGlass(first.page, -75.55, 39.74), await onGlass(last.page, -75.55, 39.74)];
    return Math.abs(a.x - d.x - small.width) < 3 && Math.abs(a.y - d.y - small.height) < 3;
  }, 30_000);
  const badge = (page) => page.evaluate(() => {
    const { left, top, right, bottom } = document.querySelector('.badge').getBoundingClientRect();
    return right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
  });
  assert.deepEqual([await badge(first.page), await badge(last.page)], [true, false]);
  const clocks = () => Promise.all([first, last].map(({ page }) => page.getByTestId('clock').first().innerText()));
  await until('one clock', async () => new Set(await clocks()).size === 1);
  // The part without the state of the whole says its own as soon as it is not well, on its own glass.
  const own = last.page.getByTestId('part-state');
  assert.deepEqual([await own.count(), await first.page.getByTestId('part-state').count()], [0, 0]);
  process.kill(server.pid, 'SIGSTOP');
  try {
    await until('a part that says it is late', () => own.count());
    const box = await own.boundingBox();
    assert.ok(box && box.x >= 0 && box.y >= 0 && box.x + box.width <= small.width && box.y + box.height <= small.height, JSON.stringify(box));
    assert.equal(await first.page.getByTestId('part-state').count(), 0);
  } finally {
    process.kill(server.pid, 'SIGCONT');
  }
  await until('all is well', async () => (await own.count()) === 0);
  assert.deepEqual([...first.wrong(), ...last.wrong()], []);
});

test('visitor mode is one key: sensitive incidents and cameras go; a picture that stands still says its age', async (t) => {
  const at = `http://127.0.0.1:${cameras.address().port}`;
  await call(server.base, 'PUT', '/api/v1/sites/C-street', point(-75.55, 39.74, { name: 'Market and 4th', type: 'camera', snapshot_url: `${at}/still.jpg` }));
  await call(server.base, 'PUT', '/api/v1/sites/C-court', point(-75.55, 39.741, { name: 'Court door', type: 'camera', snapshot_url: `${at}/still.jpg`, sensitive: true }));
  await incident('I-private', -75.55, 39.745, { name: 'A name that stays here', sensitive: true });
  await layout('eyes', { panels: ['counters', 'worst', 'cameras', 'alarms'], cameras: ['C-street', 'C-court'], devices: ['D3'] });
  const wall = await open(t, '&device=D3');
  const tile = (key) => wall.page.locator(`[data-testid="camera"][data-key="${key}"]`);
  await until('two pictures', async () => (await wall.page.locator('[data-testid="camera"] img').count()) === 2, 30_000);
  const sensitive = () => wall.page.locator('[data-testid="worst-incident"][data-key="I-private"], [data-testid="new-incident"][data-key="I-private"]').count();
  assert.equal(await sensitive(), 1);
  await wall.page.keyboard.press('v');
  await until('a wall for visitors', async () => (await wall.page.getByTestId('visitor').count()) === 1 && (await sensitive()) === 0 && (await tile('C-court').count()) === 0);
  assert.equal(await tile('C-street').count(), 1);
  await until('the age of a picture that does not move', async () => (await tile('C-street').getAttribute('data-old')) === 'true' && /\d/.test(await tile('C-street').locator('strong').innerText()), 40_000);
  await wall.page.screenshot({ path: join(shots, 'e2e-wall-visitors.png'), timeout: 60_000 });
  await wall.page.keyboard.press('v');
  await until('the room again', async () => (await sensitive()) === 1 && (await tile('C-court').count()) === 1);
  assert.deepEqual(wall.wrong(), []);
  await call(server.base, 'DELETE', '/api/v1/incidents/I-private?reason=test').catch(() => {});
});

test('cameras move, say so when they do not, and come back', async (t) => {
  const at = `http://127.0.0.1:${cameras.address().port}`;
  await call(server.base, 'PUT', '/api/v1/sites/C-bridge', point(-75.54, 39.74, { name: 'Bridge', type: 'camera', hls_url: `${at}/video.m3u8` }));
  await call(server.base, 'PUT', '/api/v1/sites/C-gate', point(-75.54, 39.741, { name: 'Gate', type: 'camera', mjpeg_url: `${at}/pictures` }));
  await layout('moving', { panels: ['counters', 'worst', 'cameras'], cameras: ['C-bridge', 'C-gate'], devices: ['D5'] });
  const wall = await open(t, '&device=D5');
  const tile = (key) => wall.page.locator(`[data-testid="camera"][data-key="${key}"]`);
  const old = async (key) => (await tile(key).getAttribute('data-old')) === 'true';
  const moment = () => tile('C-bridge').locator('video').evaluate((video) => video.currentTime);
  const picture = () => tile('C-gate').locator('img').evaluate((img) => img.src);
  const move = async (what) => {
    await until(`a video that plays ${what}`, async () => (await moment()) > 0 && !(await old('C-bridge')), 90_000);
    await until(`pictures ${what}`, async () => (await tile('C-gate').locator('img').count()) === 1 && !(await old('C-gate')), 90_000);
    const second = await moment();
    await until(`a video that goes on ${what}`, async () => (await moment()) !== second, 30_000);
  };
  await move('at first');
  const shown = await picture();
  await until('another picture', async () => (await picture()) !== shown, 30_000);
  await wall.page.screenshot({ path: join(shots, 'e2e-wall-cameras.png'), timeout: 60_000 });
  away = true;
  await until('two cameras that say how old they are', async () => (await old('C-bridge')) && (await old('C-gate')), 90_000);
  away = false;
  await move('again');
  // That a camera does not answer stands in the browser's log as well.
  assert.deepEqual(wall.wrong().filter((what) => !/^console: Failed to load resource/.test(what)), []);
});

test('a view that somebody holds does not move for a new incident, and goes on by one key', async (t) => {
  const wall = await open(t, '');
  await until('both incidents on the map', async () => (await onGlass(wall.page, -75.58, 39.74)).onMap && (await onGlass(wall.page, -75.52, 39.75)).onMap);
  const box = await wall.page.locator('.ground').boundingBox();
  await wall.page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await wall.page.mouse.down();
  await wall.page.mouse.move(box.x + box.width / 2 + 120, box.y + box.height / 2, { steps: 4 });
  await wall.page.mouse.up();
  await wall.page.locator('.held').waitFor();
  await wall.page.waitForTimeout(1500); // a map that is let go of glides on
  const before = await onGlass(wall.page, -75.55, 39.74);
  await incident('I-new', -75.45, 39.66, { status: 'open' });
  await wall.page.locator('[data-testid="new-incident"][data-key="I-new"]').waitFor();
  await wall.page.waitForTimeout(2500);
  const held = await onGlass(wall.page, -75.55, 39.74);
  assert.ok(Math.hypot(held.x - before.x, held.y - before.y) < 5, `the view moved by ${held.x - before.x}, ${held.y - before.y}`);
  await wall.page.keyboard.press('f');
  await until('a view of all incidents', async () => (await onGlass(wall.page, -75.45, 39.66)).onMap && (await onGlass(wall.page, -75.58, 39.74)).onMap);
  assert.deepEqual(wall.wrong(), []);
  await call(server.base, 'PATCH', '/api/v1/incidents/I-new', { properties: { sensitive: false } });
});

test('a tour visits incidents, and is never elsewhere when one is new or worse', async (t) => {
  await call(server.base, 'POST', '/api/v1/incidents/I-new/close', { reason: 'over' }).catch(() => {});
  await layout('tour', { area: { bbox: [-75.7, 39.6, -75.4, 39.82] }, tour: { on: true, dwell_s: 5 }, devices: ['D4'] });
  const wall = await open(t, '&device=D4');
  const near = async (lng, lat) => (await onGlass(wall.page, lng, lat)).fromMiddle < 60;
  await until('the tour at an incident', async () => (await near(-75.58, 39.74)) || (await near(-75.52, 39.75)), 30_000);
  const both = async () => (await onGlass(wall.page, -75.58, 39.74)).onMap && (await onGlass(wall.page, -75.52, 39.75)).onMap;
  /** From the moment that the view shows everything it shows that for longer than any stop of the tour. */
  const stays = async (what, lng, lat) => {
    await until(`everything, because ${what}`, async () => (await both()) && (await onGlass(wall.page, lng, lat)).onMap, 10_000);
    for (const end = Date.now() + 6500; Date.now() < end; await wall.page.waitForTimeout(250)) {
      assert.ok((await both()) && (await onGlass(wall.page, lng, lat)).onMap, `the tour was elsewhere while ${what}`);
    }
  };
  await call(server.base, 'PATCH', '/api/v1/incidents/I-east', { properties: { priority: '1' } });
  await stays('an incident became worse', -75.52, 39.75);
  await incident('I-fresh', -75.45, 39.64, { status: 'open' });
  await wall.page.locator('[data-testid="new-incident"][data-key="I-fresh"]').waitFor();
  await stays('an incident is new', -75.45, 39.64);
  assert.deepEqual(wall.wrong(), []);
});

test('a wall comes back alone from a lost context, killed workers and a server that is started anew', async (t) => {
  const ctx = await browser.newContext({ viewport: size });
  t.after(() => ctx.close());
  await ctx.addCookies([{ ...server.cookie, url: server.base, httpOnly: true, sameSite: 'Strict' }]);
  const page = await ctx.newPage();
  const bad = [];
  page.on('pageerror', (e) => bad.push(e.message));
  await page.addInitScript(() => {
    const real = window.Worker;
    window.__workers = [];
    window.Worker = class extends real {
      constructor(url, options) {
        super(url, options);
        window.__workers.push({ stream: options?.name === 'stream', worker: this });
      }
    };
  });
  await page.goto(`${server.base}/wall?lang=en&theme=night`);
  await isLive(page);
  await page.evaluate(() => (window.__same = true));
  const whole = () => until('a whole map', () => page.evaluate(() => window.__rasad?.mapIdle() === true && document.querySelector('[data-testid="stand-in"]').hidden), 60_000);
  await whole();

  // The context never comes back: a stand-in with the incidents covers the hole, until another map is there.
  await page.evaluate(() => document.querySelector('.ground canvas.maplibregl-canvas').getContext('webgl2').getExtension('WEBGL_lose_context').loseContext());
  await until('the stand-in', () => page.evaluate(() => !document.querySelector('[data-testid="stand-in"]').hidden), 3000);
  const colors = await page.evaluate(() => {
    const canvas = document.querySelector('[data-testid="stand-in"]');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const found = new Set();
    for (let i = 0; i < data.length; i += 4) found.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return found.size;
  });
  assert.ok(colors > 50, `the stand-in has ${colors} colours`);
  await whole();

  await page.evaluate(() => window.__workers.forEach(({ worker }) => worker.terminate()));
  const after = await page.evaluate(() => window.__workers.length);
  await until('other workers', () => page.evaluate((n) => window.__workers.slice(n).some(({ stream }) => stream) && window.__workers.slice(n).some(({ stream }) => !stream), after), 40_000);
  await isLive(page);
  await incident('I-after', -75.56, 39.735);
  await page.locator('[data-key="I-after"]').first().waitFor({ timeout: 20_000 });
  await whole();

  const { dir, base } = server;
  await server.stop('SIGKILL');
  await until('another word than LIVE', async () => (await state(page)) !== 'LIVE', 10_000);
  server = await startServer({ data: dir, listen: new URL(base).host, args: ['--city', city] });
  await isLive(page);
  assert.equal(await page.evaluate(() => window.__same), true, 'it came back by loading itself again');
  assert.deepEqual(bad, []);
});

test('a wall loads the screens of another version at a quiet minute, and has moved a little on its glass by then', { timeout: 150_000 }, async () => {
  const { page } = old;
  let moved = false;
  await until('the screens of the new server', async () => {
    const now = await page.evaluate(() => ({ old: window.__old === true, place: document.querySelector('.display')?.style.transform })).catch(() => null);
    if (now?.old && now.place !== old.place) moved = true;
    return now && !now.old;
  }, 140_000);
  assert.ok(old.waited > 60, `it waited ${old.waited} s, which is no quiet minute`);
  await isLive(page);
  const [x, y] = (await place(page)).match(/-?\d+/g).map(Number);
  assert.ok(moved || (await place(page)) !== old.place, 'nothing has moved on the glass in more than a minute');
  assert.ok(Math.abs(x) <= 2 && Math.abs(y) <= 2, `moved by ${x}, ${y}`);
});
