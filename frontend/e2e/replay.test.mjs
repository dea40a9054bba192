// The past on every screen: what was closed is open again, the hash is the recorded one, nothing can be ordered, the present
// is never lost from sight, and one key leads back to it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bearer, call, jsonStream, openPage, point, shots, startBrowser, startServer, until } from './lib.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const units = ['E1', 'E2', 'A1', 'P1'];

let browser;
let server;
/** The console that was open all the while, and the hash of each frame that it saw. */
let desk;
let stream;
let moved = 0;

/** A second of a city: each unit goes on by some metres, three times. */
async function second() {
  for (let i = 0; i < 3; i++) {
    moved++;
    await Promise.all(units.map((id, u) => fetch(`${server.base}/feeds/osmand?id=${id}&lat=${(39.74 + moved * 1e-4).toFixed(6)}&lon=${(-75.55 - u * 0.002).toFixed(6)}&speed=10`, { headers: bearer(server.base) })));
    await pause(300);
  }
}
const seconds = async (n) => { for (let i = 0; i < n; i++) await second(); };
const state = (page) => page.evaluate(() => document.documentElement.dataset.state);
const says = (page, ...words) => until(words.join(' or '), async () => words.includes(await state(page)), 60_000);
const isLive = (page) => says(page, 'LIVE', 'PARTIAL');
const seqOf = (page) => page.evaluate(() => ({ seq: window.__rasad.seq(), hash: window.__rasad.hash() }));
/** The moment of the picture has come: the bar is not looking for it. */
const settled = (page) => until('the moment', async () => (await page.getByTestId('time-bar').getAttribute('aria-busy')) === 'false');
async function clean(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`), []);
}

/** A commander who has signed in: the first account is an administrator, who writes no briefs. */
async function commander() {
  const ask = async (method, path, body, cookie) => {
    const headers = { origin: server.base, 'content-type': 'application/json', ...(cookie ? { cookie: `${cookie.name}=${cookie.value}` } : {}) };
    const res = await fetch(server.base + path, { method, headers, body: JSON.stringify(body) });
    if (!res.ok) throw new Error(`${method} ${path}: ${res.status} ${await res.text()}`);
    const set = res.headers.getSetCookie()[0];
    if (!set) return cookie;
    const [name, value] = set.split(';')[0].split(/=(.*)/s);
    return { name, value };
  };
  const [old, password] = ['a password for the first day', 'night harbour lantern 42'];
  await ask('POST', '/api/v1/accounts', { name: 'mayor', role: 'commander', display_name: 'Zahra Amini', password: old, language: 'en' }, server.cookie);
  await ask('PUT', '/api/v1/account/password', { old, new: password }, await ask('POST', '/api/v1/session', { name: 'mayor', password: old }));
  return ask('POST', '/api/v1/session', { name: 'mayor', password });
}

before(async () => {
  browser = await startBrowser();
  server = await startServer();
  for (const [u, id] of units.entries()) await call(server.base, 'PUT', `/api/v1/units/${id}`, point(-75.55 - u * 0.002, 39.74, { name: id, type: 'engine', agency: 'fire', status: 'available' }));
  desk = await openPage(browser, `${server.base}/console?lang=en&theme=night`, { width: 1280, height: 800 });
  await isLive(desk.page);
  stream = await jsonStream(desk.page);
  await call(server.base, 'PUT', '/api/v1/incidents/OLD', point(-75.55, 39.74, { name: 'Market Street 100', type: 'structure_fire', priority: '3' }));
  await call(server.base, 'POST', '/api/v1/incidents/OLD/assign', { units: ['E1'] });
  await seconds(2);
  await call(server.base, 'POST', '/api/v1/units/E1/status', { status: 'on_scene' });
  await second();
  await call(server.base, 'PATCH', '/api/v1/incidents/OLD', { properties: { priority: '1' } });
  await second();
  await call(server.base, 'POST', '/api/v1/incidents/OLD/close', { next: { E1: 'available' } });
  await seconds(2);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.clean();
});

test('on the console the past is what was live then, and the present is never lost', async () => {
  const { page, bad } = desk;
  const row = (key) => page.locator(`[data-testid="incident-row"][data-key="${key}"]`);
  assert.equal(await row('OLD').count(), 0, 'a closed incident is not in the list of now');

  await page.keyboard.press('p');
  await says(page, 'REPLAY');
  await page.keyboard.press('Space');
  await settled(page);
  assert.equal(await page.getByTestId('time-play').getAttribute('data-playing'), 'false');

  // From act to act, back: closed, arrived or raised, opened.
  await page.getByTestId('time-scrub').evaluate((input) => {
    input.value = input.max;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
  await settled(page);
  const acts = [];
  for (let i = 0; i < 8 && !/opened/.test(acts.at(-1) ?? ''); i++) {
    await page.keyboard.press('[');
    const told = await until('another act', async () => {
      const bar = await page.evaluate(() => ({ busy: document.querySelector('[data-testid="time-bar"]').ariaBusy, told: document.querySelector('.told').innerText }));
      return bar.busy === 'false' && bar.told !== '' && bar.told !== acts.at(-1) && bar.told;
    }, 20_000, () => acts.join(' | '));
    acts.push(told);
  }
  assert.ok(acts.some((act) => /closed/.test(act)) && acts.some((act) => /E1.*arrived/.test(act)) && acts.some((act) => /riority|threat/.test(act)), acts.join(' | '));
  assert.match(acts.at(-1), /Market Street 100.* opened/);

  // The closed incident is open, and the hash of every moment is the recorded one.
  await row('OLD').waitFor();
  const proven = new Set();
  for (let i = 0; i < 12 && proven.size < 4; i++) {
    const { seq, hash } = await seqOf(page);
    const said = await stream.hashAt(seq);
    if (said !== undefined) {
      assert.equal(hash, said, `frame ${seq}`);
      proven.add(seq);
    }
    await page.keyboard.press(i % 3 === 2 ? ']' : 'Period');
    await page.getByTestId('time-scrub').evaluate((input, i) => {
      input.value = String(Number(input.value) + 400 + i * 50);
      input.dispatchEvent(new Event('change', { bubbles: true }));
    }, i);
    await settled(page);
  }
  assert.ok(proven.size >= 4, `only the frames ${[...proven]} could be held against the live ones`);
  assert.equal(await page.getByTestId('replay').getAttribute('data-proven'), 'true');
  assert.equal(await state(page), 'REPLAY');

  // Nothing can be ordered, and the reason is said.
  await page.keyboard.press('n');
  await page.getByTestId('toast').filter({ hasText: 'past cannot be changed' }).waitFor();
  assert.equal(await page.getByTestId('incident-form').count(), 0);
  assert.equal(await page.getByTestId('incident-new').isDisabled(), true);

  // A call comes in while somebody looks at the past.
  await call(server.base, 'PUT', '/api/v1/incidents/NEW', point(-75.56, 39.745, { name: 'Harbour 7', type: 'medical', priority: '1' }));
  await page.locator('[role="alert"] [data-testid="present-new"][data-key="NEW"]').waitFor({ timeout: 10_000 });
  assert.equal(await row('NEW').count(), 0, 'the lists are of the past');
  await page.keyboard.press('q');
  await row('NEW').waitFor();
  assert.equal(await page.getByTestId('incident-new').isDisabled(), true, 'nothing is ordered beside the past either');
  await page.keyboard.press('q');
  assert.equal(await page.getByTestId('half-past').count() + await page.getByTestId('half-live').count(), 2);
  await until('two maps', () => page.evaluate(() => document.querySelectorAll('canvas.maplibregl-canvas').length === 2));
  await clean(page);
  await page.screenshot({ path: join(shots, 'e2e-console-replay.png') });

  // One key.
  await page.keyboard.press('Escape');
  await isLive(page);
  await row('NEW').waitFor();
  assert.equal(await row('OLD').count(), 0);
  assert.equal(await page.getByTestId('time-bar').count(), 0);
  await until('the hash of the present', async () => {
    const { seq, hash } = await seqOf(page);
    return (await stream.hashAt(seq)) === hash;
  });
  await stream.close();
  assert.deepEqual(bad, []);
});

test('a wall is sent to the past by its address, says when it comes back, and comes back by one key', async () => {
  await seconds(6); // what came just before somebody looked away would still be news
  const at = new Date(Date.now() - 5000).toISOString();
  const { page, bad, close } = await openPage(browser, `${server.base}/wall?lang=fa&theme=night&at=${encodeURIComponent(at)}&speed=0`, { width: 1280, height: 720 });
  await says(page, 'REPLAY');
  const returns = () => page.getByTestId('replay-returns').innerText();
  await until('a minute count that runs', async () => /۹:|۰۹:/.test(await returns()), 10_000);
  await page.keyboard.press('ArrowLeft');
  await until('ten minutes again', async () => /۱۰:۰۰|۹:۵/.test(await returns()));
  await page.locator('[data-testid="present-new"][data-key="NEW"]').waitFor({ state: 'detached' }); // it was there before
  await call(server.base, 'PUT', '/api/v1/incidents/NEW2', point(-75.53, 39.742, { name: 'North Pier', type: 'flood', priority: '2' }));
  await page.locator('[data-testid="present-new"][data-key="NEW2"]').waitFor();
  await page.screenshot({ path: join(shots, 'e2e-wall-replay-fa.png') });
  await page.keyboard.press('Escape');
  await isLive(page);
  assert.equal(new URL(page.url()).searchParams.get('at'), null, 'a wall that loads itself again is live');
  assert.deepEqual(bad, []);
  await close();
});

test('a brief of the past is read by touch, and nothing else', async () => {
  await call(server.base, 'PUT', '/api/v1/situation', { text: 'River over the mark.', lang: 'en', author: 'Col. Rad' });
  await second();
  const { page, bad, close } = await openPage(browser, `${server.base}/brief?lang=en&theme=day`, { width: 834, height: 1112, hasTouch: true, cookie: await commander() });
  await isLive(page);
  await page.getByTestId('edit-situation').waitFor();
  await page.getByTestId('replay-open').tap();
  await says(page, 'REPLAY');
  await page.getByTestId('time-play').tap();
  await settled(page);
  assert.equal(await page.getByTestId('edit-situation').count(), 0);
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('[data-testid="time-bar"] :is(button, select, label:not(.length), input[type="range"])')]
      .map((e) => [e.outerHTML.slice(0, 60), e.getBoundingClientRect()])
      .filter(([, r]) => r.width < 44 || r.height < 44)
      .map(([html]) => html));
  assert.deepEqual(small, [], 'a finger needs 44 px');
  // The moment that is shown stands on every number.
  const at = (await page.getByTestId('time-at').locator('b').innerText()).slice(0, 5);
  const dated = await page.locator('.basis').first().innerText();
  assert.ok(dated.includes(at) || (await page.locator('body').innerText()).includes(`as of ${at}`), `${dated} does not say ${at}`);
  await clean(page);
  await page.screenshot({ path: join(shots, 'e2e-brief-replay.png') });
  await page.getByTestId('time-live').tap();
  await isLive(page);
  await page.getByTestId('edit-situation').waitFor();
  assert.deepEqual(bad, []);
  await close();
});
