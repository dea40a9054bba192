// Roads, closures and coverage, end to end: what a dispatcher draws on the map changes who is sent, by the next frame.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bearer, call, openPage, point, root, shots, startBrowser, startServer, until } from './lib.mjs';

// South of the Christina River in Wilmington. E1 stands north of it, a short way over the bridge of South Market Street; E2
// stands on the incident's side and is farther. Only E1 has advanced life support.
const place = [-75.5565, 39.7315];
const units = {
  E1: { at: [-75.5525, 39.7395], name: 'Engine 1', capabilities: ['engine', 'als'] },
  E2: { at: [-75.556, 39.718], name: 'Engine 2', capabilities: ['engine'] },
};
const bridge = [[-75.5541, 39.7363], [-75.5549, 39.7352]];

let browser;
let server;
let beat;

before(async () => {
  browser = await startBrowser();
  server = await startServer({ args: ['--city', join(root, 'build/city')] });
  for (const [id, { at, name, capabilities }] of Object.entries(units)) {
    await call(server.base, 'PUT', `/api/v1/units/${id}`, point(...at, { name, type: 'engine', agency: 'fire', status: 'available', capabilities }));
  }
  await call(server.base, 'PUT', '/api/v1/incidents/BRIDGE', point(...place, { name: 'South Market Street 400', type: 'structure_fire', priority: '1' }));
  // Radios that stand still go on reporting.
  const report = () => Promise.all(Object.entries(units).map(([id, { at }]) => fetch(`${server.base}/feeds/osmand?id=${id}&lat=${at[1]}&lon=${at[0]}&speed=0`, { headers: bearer(server.base) })));
  beat = setInterval(() => void report().catch(() => undefined), 5000);
});
after(async () => {
  clearInterval(beat);
  await browser?.close();
  await server?.stop();
  server?.clean();
});

const isLive = (page) => until('the word LIVE', () => page.evaluate(() => document.documentElement.dataset.state === 'LIVE'), 60_000);
const idle = (page) => until('an idle map', () => page.evaluate(() => window.__rasad.mapIdle()), 60_000);
const order = (page) => page.getByTestId('nearest-row').evaluateAll((rows) => rows.map((row) => row.dataset.key));
const eta = async (page, id) => Number(await page.locator(`[data-testid="nearest-row"][data-key="${id}"]`).getAttribute('data-eta'));
const share = async (page) => Number(await page.getByTestId('coverage-share').getAttribute('data-share'));
const hazards = async () => (await call(server.base, 'GET', '/api/v1/hazards?limit=100')).body.features;
const rowOf = (page, id) => page.locator(`[data-testid="nearest-row"][data-key="${id}"]`);
/** What the screen says of the way of a unit. */
const wayOf = async (page, id) => {
  await rowOf(page, id).hover();
  const way = page.locator(`[data-testid="route"][data-unit="${id}"]`);
  return until(`the way of ${id}`, async () => {
    const text = await way.innerText().catch(() => '');
    return text.includes(' · ') || /\d/.test(text) ? text : null;
  });
};
/** Where a place is on the page. */
const onPage = async (page, [lng, lat]) => {
  const box = await page.getByRole('region', { name: /^Map/ }).boundingBox();
  const [x, y] = await page.evaluate(([lng, lat]) => window.__rasad.project(lng, lat), [lng, lat]);
  return [box.x + x, box.y + y];
};
/** Notes, in the page itself, when the frame with a hazard came and when the list and the figure were others: a busy machine delays the test, not the screen. */
const watchPage = (page) =>
  page.evaluate(() => {
    const seen = (window.__seen = { frame: 0, order: 0, share: 0 });
    const look = () => {
      const order = [...document.querySelectorAll('[data-testid="nearest-row"]')].map((row) => row.dataset.key).join();
      const share = document.querySelector('[data-testid="coverage-share"]')?.dataset.share;
      if (order === 'E2,E1') seen.order ||= performance.now();
      if (share !== undefined && share !== seen.first) seen.share ||= performance.now();
    };
    seen.first = document.querySelector('[data-testid="coverage-share"]')?.dataset.share;
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
    const stream = new WebSocket(`${location.origin.replace('http', 'ws')}/api/v1/stream`, 'rasad.json.v1');
    stream.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      if (frame.base !== 0 && frame.put?.some((f) => f.properties.kind === 'hazard')) seen.frame ||= performance.now();
    };
    return new Promise((resolve) => (stream.onopen = resolve));
  });
async function openIncident(page) {
  await page.locator('[data-testid="incident-row"][data-key="BRIDGE"]').click();
  await until('both engines in the list', async () => (await order(page)).length === 2, 20_000);
}

test('closing the bridge re-ranks the list, sends the way round and costs coverage, and withdrawing it brings all back', async () => {
  const { page, bad, close } = await openPage(browser, `${server.base}/console?lang=en&theme=night`, { width: 1280, height: 800 });
  await isLive(page);
  await openIncident(page);
  assert.deepEqual(await order(page), ['E1', 'E2']);
  assert.equal(await rowOf(page, 'E1').getAttribute('data-by'), 'road');
  const before = { E1: await eta(page, 'E1'), E2: await eta(page, 'E2') };
  assert.ok(before.E1 < before.E2);
  assert.match(await rowOf(page, 'E1').innerText(), /by road/);
  assert.match(await rowOf(page, 'E1').innerText(), new RegExp(`${Math.floor(before.E1 / 60)} min`));
  assert.match(await wayOf(page, 'E1'), /South Market Street/);
  // What sending each costs: E1 is the only one with advanced life support.
  const cost = rowOf(page, 'E1').getByTestId('nearest-cost');
  const { lost, of } = await until('the cost of E1', async () => {
    const [lost, of] = [Number(await cost.getAttribute('data-points')), await cost.getAttribute('data-capability')];
    return lost > 0 ? { lost, of } : null;
  });
  assert.equal(of, 'als');
  assert.match(await cost.innerText(), new RegExp(`${lost.toFixed(1)} points\\W+Advanced life support`));

  // The layer of gaps, of advanced life support.
  await page.keyboard.press('v');
  await page.getByTestId('coverage').getByRole('button', { name: /Advanced life support/ }).click();
  const covered = await until('the share', async () => share(page).catch(() => 0));
  const tile = await fetch(`${server.base}/api/v1/coverage/12/1188/1554.png?capability=als&seconds=480`, { headers: bearer(server.base) });
  assert.equal(tile.headers.get('content-type'), 'image/png');

  // Draw along the bridge with the mouse: B, two clicks, Enter.
  await page.keyboard.press('b');
  await page.getByTestId('closure-form').waitFor();
  await idle(page);
  for (const at of bridge) await page.mouse.click(...(await onPage(page, at)));
  await until('two points', async () => (await page.getByTestId('closure-points').getAttribute('data-points')) === '2');
  await until('the name of the street', async () => (await page.getByTestId('closure-name').inputValue()) === 'South Market Street');
  await watchPage(page);
  await page.keyboard.press('Enter');
  await until('E2 before E1', async () => (await order(page)).join() === 'E2,E1', 15_000);
  await until('less coverage', async () => (await share(page)) < covered - 0.002, 15_000);
  const seen = await page.evaluate(() => window.__seen);
  console.log(`closed: list ${Math.round(seen.order - seen.frame)} ms and coverage ${Math.round(seen.share - seen.frame)} ms after the frame, ${covered} -> ${await share(page)}`);

  const [hazard] = await hazards();
  assert.equal(hazard.geometry.type, 'LineString');
  assert.equal(hazard.properties.type, 'road_closed');
  assert.equal(hazard.properties.impassable, true);
  assert.equal(hazard.properties.name, 'South Market Street');
  assert.equal(await eta(page, 'E2'), before.E2);
  assert.ok((await eta(page, 'E1')) > before.E2);
  assert.match(await rowOf(page, 'E1').innerText(), /detour round a closure/);
  await until('a way round', async () => (await wayOf(page, 'E1')).includes('East Front Street'));
  await idle(page);
  await page.waitForTimeout(2500); // the gaps follow within two seconds
  await idle(page);
  await page.screenshot({ path: join(shots, 'roads-closed-bridge.png') });

  // Withdrawn from the list of closures: everything is as it was.
  await page.keyboard.press('l');
  await page.getByTestId('closure-withdraw').click();
  await page.locator('[data-testid="closure-row"]').waitFor({ state: 'detached' });
  await openIncident(page);
  await until('E1 before E2', async () => (await order(page)).join() === 'E1,E2', 15_000);
  await until('the coverage back', async () => Math.abs((await share(page)) - covered) < 0.002, 15_000);
  assert.equal(await eta(page, 'E1'), before.E1);
  assert.deepEqual(await hazards(), []);
  assert.deepEqual(bad, []);
  await close();
});

test('a closure is drawn, withdrawn and brought back without a mouse, and the wall shows it', async () => {
  const wall = await openPage(browser, `${server.base}/wall?lang=fa&theme=night`, { width: 1024, height: 576 });
  const { page, bad, close } = await openPage(browser, `${server.base}/console?lang=fa&theme=night`, { width: 1280, height: 800 });
  await isLive(page);
  await page.locator('[data-testid="incident-row"][data-key="BRIDGE"]').waitFor();
  await page.keyboard.press('w'); // the incident that waits for a unit
  await until('the list', async () => (await order(page)).length === 2, 20_000);
  await page.keyboard.press('b');
  await page.getByTestId('closure-form').waitFor();
  const points = () => page.getByTestId('closure-points').getAttribute('data-points').then(Number);
  for (const key of ['Space', 'ArrowRight', 'Shift+ArrowRight', 'Space', 'ArrowDown', 'Space', 'Backspace']) await page.keyboard.press(key);
  await until('two points, the third taken back', async () => (await points()) === 2);
  // Keys are letters while somebody writes.
  await page.getByTestId('closure-reason').fill('نشست پل');
  await page.keyboard.press('Backspace');
  await page.keyboard.press('Space');
  assert.equal(await points(), 2);
  await page.keyboard.press('Enter');
  const made = await until('the closure', async () => (await hazards())[0]);
  assert.equal(made.properties.reason, 'نشست پ');
  assert.equal(made.geometry.coordinates.length, 2);

  // The list of closures: withdraw, undo.
  await page.keyboard.press('l');
  const row = page.locator(`[data-testid="closure-row"][data-key="${made.id}"]`);
  await row.waitFor();
  assert.match(await row.innerText(), /نشست پ/);
  await row.getByTestId('closure-withdraw').focus();
  await page.keyboard.press('Enter');
  await until('no closure', async () => (await hazards()).length === 0);
  await row.waitFor({ state: 'detached' });
  await page.keyboard.press('u');
  const again = await until('the closure again', async () => (await hazards())[0]);
  assert.deepEqual(again.geometry, made.geometry);
  assert.equal(again.properties.reason, made.properties.reason);
  await row.waitFor();

  // Escape leaves a drawing, and nothing of it stays.
  await page.keyboard.press('b');
  await page.keyboard.press('Space');
  await page.keyboard.press('Escape');
  await page.getByTestId('closure-form').waitFor({ state: 'detached' });
  assert.equal((await hazards()).length, 1);

  // The wall: the share of the record, in Persian digits.
  await isLive(wall.page);
  const figure = wall.page.getByTestId('coverage-wall');
  await figure.waitFor({ timeout: 20_000 });
  const record = (await call(server.base, 'GET', '/api/v1/features?kind=coverage')).body.features[0].properties.standards[0].share;
  await until('the figure of the record', async () => Math.abs(Number(await figure.getAttribute('data-share')) - record) < 0.05);
  assert.match(await wall.page.getByTestId('coverage-figure').innerText(), /[۰-۹]٫[۰-۹]٪/);
  assert.equal((await wall.page.getByTestId('counter-hazards').innerText()).replace(/[^۰-۹]/g, ''), '۱');
  await idle(wall.page);
  await wall.page.screenshot({ path: join(shots, 'roads-wall-fa.png') });
  assert.deepEqual(bad, []);
  assert.deepEqual(wall.bad, []);
  await wall.close();
  await close();
});
