// The living map, end to end: from a radio fix to a pixel on the wall.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { bearer, call, jsonStream, openPage, point, root, shots, startBrowser, startServer, tokenOf, until } from './lib.mjs';

const run = promisify(execFile);
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

const text = (page, id) => page.getByTestId(id).first().innerText();
const isLive = (page) => until('the word LIVE', () => page.evaluate(() => document.documentElement.dataset.state === 'LIVE'), 60_000);

test('an incident opened on the console appears on the wall, is assigned, and both screens equal the server', async () => {
  const wall = await openPage(browser, `${server.base}/wall?lang=en&theme=night`);
  const desk = await openPage(browser, `${server.base}/console?lang=en&theme=night`, { width: 1280, height: 800 });
  await isLive(wall.page);
  await isLive(desk.page);
  await until('200 units on the wall', async () => (await text(wall.page, 'counter-units')).replace(/\D/g, '').includes('200'), 60_000);

  // The units move: positions of the demo change from one second to the next.
  const places = async () => (await call(server.base, 'GET', '/api/v1/units?limit=1000')).body.features.map((f) => f.geometry.coordinates.join());
  const first = await places();
  await until('units that moved', async () => (await places()).filter((p, i) => p !== first[i]).length > 20, 20_000);

  // Open an incident with the keyboard.
  await desk.page.keyboard.press('n');
  await desk.page.getByTestId('incident-form').waitFor();
  const type = desk.page.getByTestId('incident-type');
  await type.fill('Structure fire');
  await desk.page.keyboard.press('Enter');
  await desk.page.getByTestId('incident-name').fill('Market Street 100');
  await desk.page.getByTestId('incident-save').click();
  const mine = await until('the incident in the world', async () => {
    // One of the simulation may be at the same place: then the form asks once whether it is the same.
    const asked = desk.page.locator('.likely.warned');
    if (await asked.isVisible()) await desk.page.getByTestId('incident-save').click({ timeout: 2000 }).catch(() => {});
    return (await call(server.base, 'GET', '/api/v1/incidents?limit=1000')).body.features.find((f) => f.properties.name === 'Market Street 100');
  });
  await desk.page.locator(`[data-testid="incident-row"][data-key="${mine.id}"]`).waitFor();
  await wall.page.getByText('Market Street 100').first().waitFor({ timeout: 15_000 });

  // Who is nearest, assign, and every screen knows.
  await desk.page.locator(`[data-testid="incident-row"][data-key="${mine.id}"]`).click();
  await desk.page.getByTestId('nearest-row').first().waitFor();
  const chosen = await desk.page.getByTestId('nearest-row').first().getAttribute('data-key');
  await desk.page.getByTestId('nearest-row').first().click();
  await desk.page.getByTestId('assign-button').click();
  await until('the assignment', async () => (await call(server.base, 'GET', `/api/v1/incidents/${mine.id}`)).body.properties.assigned?.includes(chosen));
  await desk.page.screenshot({ path: join(shots, 'e2e-console.png') });
  await wall.page.screenshot({ path: join(shots, 'e2e-wall.png') });

  // The crew of the simulation answers: the unit leaves.
  await until('the unit on its way', async () => (await call(server.base, 'GET', `/api/v1/units/${chosen}`)).body.properties.status !== 'dispatched', 40_000);

  // Every screen has the hash that the stream says.
  const stream = await jsonStream(desk.page);
  for (const page of [wall.page, desk.page]) {
    await until('equal hashes', async () => {
      const { seq, hash } = await page.evaluate(() => ({ seq: window.__rasad.seq(), hash: window.__rasad.hash() }));
      const said = await stream.hashAt(seq);
      assert.ok(said === undefined || said === hash, `at ${seq} the screen has ${hash}, the server ${said}`);
      return said === hash;
    }, 20_000);
  }
  await stream.close();
  assert.deepEqual(wall.bad, []);
  assert.deepEqual(desk.bad, []);
  await wall.close();
  await desk.close();
});

test('a phone moves a unit on the map by curl, and a JSON client sees the frame', async () => {
  await call(server.base, 'PUT', '/api/v1/units/PHONE-1', point(-75.55, 39.74, { name: 'Test 1', type: 'engine', agency: 'fire', status: 'available' }));
  const desk = await openPage(browser, `${server.base}/console?lang=en`);
  await isLive(desk.page);
  const stream = await jsonStream(desk.page, '', 'PHONE-1');
  await until('a keyframe', async () => (await stream.first())?.base === 0);
  const { stdout } = await run('curl', ['-sS', '-w', ' %{http_code}', `${server.base}/feeds/osmand/${tokenOf(server.dir, 'feed', '--moves', 'PHONE-*')}?id=PHONE-1&lat=39.7403&lon=-75.5500&speed=10&bearing=182&accuracy=8`]);
  assert.match(stdout, /"accepted":\s*true.* 200$/s);
  const row = await until('the move', async () => (await stream.moves()).find((m) => m[2] === 39.7403));
  assert.deepEqual(row.slice(0, 5), ['PHONE-1', -75.55, 39.7403, 182, 5.1]);
  assert.equal(row[6], 8);
  const { body } = await call(server.base, 'GET', '/api/v1/units/PHONE-1');
  assert.deepEqual(body.geometry.coordinates.slice(0, 2), [-75.55, 39.7403]);
  await stream.close();
  await desk.close();
});

test('screens say NOT LIVE when the server dies, come back alone, and kill -9 loses nothing acknowledged', async () => {
  const mine = await startServer({ args: ['--city', join(root, 'build/city')] });
  const listen = new URL(mine.base).host;
  await call(mine.base, 'PUT', '/api/v1/units/K1', point(-75.55, 39.74, { name: 'Kill 1', type: 'engine', agency: 'fire' }));
  const wall = await openPage(browser, `${mine.base}/wall?lang=fa&theme=night`);
  await isLive(wall.page);
  const acked = [];
  let load = true;
  const writers = Array.from({ length: 8 }, async (_, w) => {
    for (let i = 0; load; i++) {
      const id = `I-${w}-${i}`;
      try {
        await call(mine.base, 'PUT', `/api/v1/incidents/${id}`, point(-75.55, 39.74, { name: id, type: 'medical', priority: '3' }));
        acked.push(id);
      } catch {
        return; // the server is dead; what it did not acknowledge may be lost
      }
    }
  });
  await until('a hundred acknowledged', () => acked.length > 100);
  await mine.stop('SIGKILL');
  load = false;
  await Promise.all(writers);
  await until('the word NOT LIVE', () => wall.page.evaluate(() => document.documentElement.dataset.state === 'NOT_LIVE'), 40_000);
  await wall.page.screenshot({ path: join(shots, 'e2e-wall-not-live-fa.png') });
  const again = await startServer({ data: mine.dir, listen, args: ['--city', join(root, 'build/city')] });
  const { body } = await call(again.base, 'GET', '/api/v1/incidents?limit=10000');
  const there = new Set(body.features.map((f) => f.id));
  assert.deepEqual(acked.filter((id) => !there.has(id)), []);
  await isLive(wall.page);
  await wall.close();
  const { code } = await again.stop();
  assert.equal(code, 0, again.log());
  again.clean();
});

test('the past can be played to any screen, marked REPLAY', async () => {
  const { body } = await call(server.base, 'GET', '/api/v1/city');
  const at = new Date(Date.parse(body.now) - 5_000).toISOString();
  const desk = await openPage(browser, `${server.base}/console?lang=en`);
  await isLive(desk.page);
  const stream = await jsonStream(desk.page, `?at=${encodeURIComponent(at)}&speed=4`);
  await until('frames of the past', async () => (await stream.frames()) > 2);
  const first = await stream.first();
  assert.equal(first.base, 0);
  assert.equal(first.mode, 'replay');
  assert.ok(Date.parse(first.time) <= Date.parse(at) + 50, `${first.time} is not at or before ${at}`);
  await stream.close();
  await desk.close();
});

test('a silent feed makes a screen say PARTIAL and its name, and its return LIVE', async () => {
  const config = join(shots, 'partial.yaml');
  writeFileSync(config, 'feeds:\n  osmand: {interval: 2s}\n');
  const mine = await startServer({ args: ['--config', config] });
  await call(mine.base, 'PUT', '/api/v1/units/P1', point(-75.55, 39.74, { name: 'Patrol 1', type: 'police', agency: 'police' }));
  const wall = await openPage(browser, `${mine.base}/wall?lang=zh&theme=day`, { width: 1280, height: 720 });
  await until('the word PARTIAL', () => wall.page.evaluate(() => document.documentElement.dataset.state === 'PARTIAL'), 60_000);
  await until('the name of the feed', async () => (await wall.page.locator('body').innerText()).includes('osmand'));
  await wall.page.screenshot({ path: join(shots, 'e2e-wall-partial-zh.png') });
  let lat = 39.74;
  await until('the word LIVE', async () => {
    lat += 0.00001;
    await fetch(`${mine.base}/feeds/osmand?id=P1&lat=${lat.toFixed(6)}&lon=-75.55`, { headers: bearer(mine.base) });
    return wall.page.evaluate(() => document.documentElement.dataset.state === 'LIVE');
  });
  assert.deepEqual(wall.bad, []);
  await wall.close();
  await mine.stop();
  mine.clean();
});
