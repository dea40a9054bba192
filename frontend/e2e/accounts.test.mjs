// Accounts as people meet them: the first start, a colleague, a second factor, a wall, the record. All with the keyboard,
// and every page looked over by axe.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPage, root, startBrowser, until } from './lib.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const passwords = { amini: 'seven lamps under rivers', karimi: 'paper boats in october' };
const dir = mkdtempSync(join(tmpdir(), 'rasad-accounts-'));
let browser, child, base, link;
let log = '';

/** A server of its own: here the first account is made by a person, not by the harness. */
before(async () => {
  child = spawn(join(root, 'bin/rasad'), ['serve', '--listen', '127.0.0.1:0', '--data', dir], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (b) => (out += b));
  child.stderr.on('data', (b) => (log += b));
  link = await until('the setup link', () => out.match(/http\S+\/setup#\S+/)?.[0], 60_000, () => out + log);
  base = new URL(link).origin;
  await until('readiness', async () => (await fetch(`${base}/readyz`).catch(() => null))?.status === 200, 60_000, () => log);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  const gone = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  await gone;
  rmSync(dir, { recursive: true, force: true });
});

/** A browser of somebody who is not signed in. */
const open = async (path, more = {}) => {
  const opened = await openPage(browser, `${base}${path}`, { cookie: null, locale: 'en-GB', ...more });
  opened.page.setDefaultTimeout(60_000);
  return opened;
};
/** What the browser itself says of calls that are refused on purpose is no fault of the page. */
const faults = (bad) => bad.filter((text) => !/status of (?:400|401|403|404|429)/.test(text));

/** Presses Tab until the element has the focus: whoever has no mouse gets there too. */
async function tabTo(page, testid, most = 120) {
  await page.getByTestId(testid).first().waitFor();
  for (let i = 0; i < most; i++) {
    if ((await page.evaluate(() => document.activeElement?.getAttribute('data-testid'))) === testid) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`${testid} is not reached by Tab`);
}
async function type(page, testid, text) {
  await tabTo(page, testid);
  await page.keyboard.type(text);
}
async function press(page, testid, key = 'Enter') {
  await tabTo(page, testid);
  await page.keyboard.press(key);
}
async function signIn(page, name, path = '/signin') {
  await page.goto(base + path);
  await page.getByTestId('signin').waitFor();
  await type(page, 'signin-name', name);
  await type(page, 'signin-password', passwords[name]);
  await page.keyboard.press('Enter');
}
/** Gives the proof when a call asks for it; a sign-in of the last ten minutes counts as one. */
async function prove(page, name, done) {
  await until('the answer', async () => {
    if (await page.getByTestId('stepup').isVisible()) {
      await type(page, 'stepup-password', passwords[name]);
      await page.keyboard.press('Enter');
    }
    return done();
  }, 60_000);
}

test('the first account is made by the link, with the keyboard, and the link works once', async () => {
  const { page, bad, close } = await open('/console');
  await page.getByTestId('signin').waitFor();
  assert.equal(new URL(page.url()).search, '?next=%2Fconsole', 'without a session the console leads to the sign-in page, and back');

  await page.goto(link);
  await page.getByTestId('setup').waitFor();
  await type(page, 'setup-display', 'Zahra Amini');
  await type(page, 'setup-name', 'amini');
  await type(page, 'setup-password', 'passwordpassword');
  await press(page, 'setup-submit');
  await page.locator('[data-testid="setup-password"][aria-invalid="true"]').waitFor();
  const described = await page.getByTestId('setup-password').getAttribute('aria-describedby');
  const errors = await Promise.all(described.split(' ').map((id) => page.locator(`[id="${id}"]`).innerText()));
  assert.match(errors.join(' '), /among the first/i, 'the reason is tied to the field');

  await page.getByTestId('setup-password').fill('');
  await page.getByTestId('setup-password').focus();
  await page.keyboard.type(passwords.amini);
  await press(page, 'setup-submit');
  await page.getByTestId('next').waitFor();
  assert.equal(new URL(page.url()).hash, '', 'the used token does not stay in the address');
  await page.goto(`${base}/console`);
  await page.getByTestId('who').waitFor();

  const second = await open(new URL(link).pathname + new URL(link).hash);
  await second.page.getByTestId('setup').waitFor();
  await second.page.getByTestId('setup-display').fill('Somebody Else');
  await second.page.getByTestId('setup-name').fill('else');
  await second.page.getByTestId('setup-password').fill('another lamp under rivers');
  await second.page.getByTestId('setup-submit').click();
  await second.page.locator('[aria-invalid="true"]').waitFor();
  assert.deepEqual(faults([...bad, ...second.bad]), []);
  await second.close();
  await close();
});

test('a colleague is let in by a one-time link, signs in, and is out at once when disabled', async () => {
  const admin = await open('/signin');
  await signIn(admin.page, 'amini', '/signin?next=/admin/people');
  await press(admin.page, 'person-new');
  await type(admin.page, 'person-display', 'Reza Karimi');
  await type(admin.page, 'person-name', 'karimi');
  await press(admin.page, 'person-save');
  await prove(admin.page, 'amini', () => admin.page.getByTestId('person-made').isVisible());
  const invitation = await admin.page.getByTestId('one-time-link').inputValue();

  const colleague = await open('/signin');
  await colleague.page.goto(invitation);
  await type(colleague.page, 'setup-password', passwords.karimi);
  await press(colleague.page, 'setup-submit');
  await press(colleague.page, 'reset-signin');
  await colleague.page.getByTestId('signin').waitFor();
  await signIn(colleague.page, 'karimi', '/signin?next=/account');
  await colleague.page.getByTestId('account-display').waitFor();

  // Wrong passwords are told alike for those who exist and those who do not.
  const stranger = await open('/signin');
  for (const name of ['karimi', 'nobody']) {
    await stranger.page.goto(`${base}/signin`);
    await type(stranger.page, 'signin-name', name);
    await type(stranger.page, 'signin-password', 'not the password');
    await stranger.page.keyboard.press('Enter');
    await stranger.page.locator('[data-testid="signin-password"][aria-invalid="true"]').waitFor();
    assert.equal(await stranger.page.evaluate(() => document.activeElement?.getAttribute('data-testid')), 'signin-password');
  }
  await stranger.close();

  await colleague.page.goto(`${base}/console`);
  await colleague.page.getByTestId('who').waitFor();
  await admin.page.goto(`${base}/admin/people`);
  const row = admin.page.locator('[data-testid="person-row"][data-name="karimi"] a');
  await row.focus();
  await admin.page.keyboard.press('Enter');
  await press(admin.page, 'person-disable');
  await press(admin.page, 'ask-yes');
  await admin.page.locator('[data-testid="ask-why"][aria-invalid="true"]').waitFor();
  await type(admin.page, 'ask-why', 'left the centre');
  await press(admin.page, 'ask-yes');
  await admin.page.getByTestId('person-enable').waitFor();
  await until('the sign-in page', () => new URL(colleague.page.url()).pathname === '/signin', 30_000);

  await admin.page.goto(`${base}/admin/acts?q=left+the+centre`);
  await admin.page.getByTestId('act-row').first().waitFor();
  assert.deepEqual(faults([...admin.bad, ...colleague.bad]), []);
  await admin.close();
  await colleague.close();
});

/** The code of a key at this moment, as an authenticator app shows it (RFC 6238). */
function codeOf(secret, at = Date.now()) {
  const bits = [...secret.replaceAll(/[^A-Z2-7]/g, '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac('sha1', key).update(step).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

test('a second factor is switched on by its first code, and a recovery code opens once', async () => {
  const { page, bad, close } = await open('/signin');
  await signIn(page, 'amini', '/signin?next=/account');
  await press(page, 'factor-begin');
  await prove(page, 'amini', () => page.getByTestId('factor-secret').isVisible());
  const secret = await page.getByTestId('factor-secret').inputValue();
  const [recovery] = (await page.getByTestId('factor-codes').inputValue()).split('\n');
  await press(page, 'factor-kept', 'Space');
  await type(page, 'factor-code', codeOf(secret));
  await press(page, 'factor-confirm');
  await page.getByTestId('factor-remove').waitFor();

  const other = await open('/signin');
  await signIn(other.page, 'amini', '/signin?next=/account');
  await other.page.locator('[data-testid="signin"][data-step="code"]').waitFor();
  assert.equal(await other.page.evaluate(() => document.activeElement?.getAttribute('data-testid')), 'signin-code', 'the code can be typed at once');
  await other.page.keyboard.type(recovery);
  await other.page.keyboard.press('Enter');
  await other.page.getByTestId('factor-remove').waitFor();
  await press(other.page, 'factor-remove');
  await other.page.getByTestId('factor-begin').waitFor();
  assert.deepEqual(faults([...bad, ...other.bad]), []);
  await other.close();
  await close();
});

test('a wall shows a code, is admitted from a console, and shows a code again when it is revoked', async () => {
  const wall = await open('/wall', { width: 1280, height: 720 });
  const codeOn = () => wall.page.evaluate(() => document.querySelector('[data-testid="enrol"]')?.getAttribute('data-code')).catch(() => '');
  const code = await until('a code', codeOn, 60_000);
  const capPx = await wall.page.locator('.code').evaluate((e) => parseFloat(getComputedStyle(e).fontSize) * 0.727);
  // 51 mm at 8 m on a wall of 5.2 m: what a primary figure needs.
  assert.ok((capPx / 1280) * 5200 > 51, `the code is ${capPx} px high`);

  const admin = await open('/signin');
  await signIn(admin.page, 'amini', '/signin?next=/admin/walls');
  await press(admin.page, 'wall-admit');
  await type(admin.page, 'wall-code', code.replace('-', '').toLowerCase());
  await press(admin.page, 'wall-look');
  await type(admin.page, 'wall-name', 'Operations room');
  await press(admin.page, 'wall-yes');
  await prove(admin.page, 'amini', () => admin.page.getByTestId('wall-approved').isVisible());
  // It loads itself again, so a question may meet a page that is gone.
  await until('the wall', () => wall.page.evaluate(() => document.documentElement.dataset.state === 'LIVE').catch(() => false), 60_000);

  await admin.page.goto(`${base}/admin/walls`);
  await admin.page.locator('[data-testid="wall-row"] a').focus();
  await admin.page.keyboard.press('Enter');
  await until('its health', async () => /1,280 × 720/.test(await admin.page.getByTestId('wall-health').innerText()), 60_000);
  await press(admin.page, 'wall-revoke');
  await type(admin.page, 'ask-why', 'the screen was sold');
  await press(admin.page, 'ask-yes');
  const again = await until('another code', codeOn, 60_000);
  assert.notEqual(again, code);
  assert.deepEqual(faults([...admin.bad, ...wall.bad]), []);
  await admin.close();
  await wall.close();
});

// `make shots` looks in every language; `make test`, which has fifteen minutes, in the one that is mirrored.
const looks = process.env.RASAD_EVERY_LANGUAGE ? [['en', 'night'], ['fa', 'day'], ['zh', 'night']] : [['fa', 'day']];

test('axe finds nothing serious on any of these pages', async () => {
  const signed = await open('/signin');
  await signIn(signed.page, 'amini', '/signin?next=/admin/people');
  await signed.page.getByTestId('person-row').first().waitFor();
  const person = await signed.page.locator('[data-testid="person-row"][data-name="karimi"] a').getAttribute('href');
  const nobody = await open('/signin');
  const pages = [
    [nobody.page, '/signin', 'signin'],
    [nobody.page, '/setup#token', 'setup'],
    [nobody.page, '/wall', 'enrol'],
    [signed.page, '/account', 'account-display'],
    [signed.page, '/admin/people', 'person-row'],
    [signed.page, '/admin/people/new', 'person-form'],
    [signed.page, person, 'person-edit'],
    [signed.page, '/admin/programs/new', 'program-form'],
    [signed.page, '/admin/walls/new', 'wall-code-form'],
    [signed.page, '/admin/audiences/brief', 'preview-kind'],
    [signed.page, '/admin/policy', 'policy-search'],
    [signed.page, '/admin/acts', 'act-row'],
    [signed.page, '/', 'who'],
    [signed.page, '/wall', 'state-word'],
    [signed.page, '/console', 'state-word'],
    [signed.page, '/layouts', 'layout-new'],
    [nobody.page, '/gallery', 'state-word'],
  ];
  const found = [];
  for (const [lang, theme] of looks) {
    for (const [page, path, testid] of pages) {
      const [where, hash] = path.split('#');
      await page.goto(`${base}${where}?lang=${lang}&theme=${theme}${hash ? `#${hash}` : ''}`);
      await page.getByTestId(testid).first().waitFor();
      await page.evaluate(axe);
      const serious = await page.evaluate(async () => {
        const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
        return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(', ')}`);
      });
      found.push(...serious.map((text) => `${path} ${lang} ${theme}: ${text}`));
    }
  }
  assert.deepEqual(found, []);
  assert.deepEqual(faults([...signed.bad, ...nobody.bad]), []);
  await signed.close();
  await nobody.close();
});
