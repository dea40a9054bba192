// A wall over a server that is killed again and again, with 1,000 units at 1 Hz. Prints memory as it goes; fails when the
// wall does not come back, shows another world than the server's, or its heap grows.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bearer, openPage, root, startBrowser, startServer, until } from './lib.mjs';

const minutes = Number(process.argv[2] ?? 8);
const args = ['--city', join(root, 'build/city')];
const heapOf = async (page) => {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('HeapProfiler.collectGarbage');
  const { usedSize } = await cdp.send('Runtime.getHeapUsage');
  await cdp.detach();
  return usedSize;
};
const residentMB = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) >> 10;

let server = await startServer({ args });
const listen = new URL(server.base).host;
const simulate = () => spawn(join(root, 'bin/rasad'), ['simulate', '--server', server.base, '--token', server.token, '--units', '1000', '--hz', '1'], { stdio: 'ignore' });
let crews = simulate();
const browser = await startBrowser();
let failed = 0;
try {
  const { page, bad } = await openPage(browser, `${server.base}/wall?lang=zh&theme=night`, { width: 1280, height: 720 });
  const state = () => page.evaluate(() => document.documentElement.dataset.state);
  const settled = () => until('LIVE and the server\'s world', async () => {
    if ((await state()) !== 'LIVE') return false;
    const { body } = { body: await (await fetch(`${server.base}/api/v1/features?limit=1`, { headers: bearer(server.base) })).headers.get('rasad-seq') };
    return (await page.evaluate(() => window.__rasad.seq())) + 40 >= Number(body);
  }, 60_000);
  await settled();
  const began = Date.now();
  let early = 0;
  for (let round = 1; Date.now() - began < minutes * 60_000; round++) {
    await new Promise((r) => setTimeout(r, 20_000));
    const heap = await heapOf(page);
    if (early === 0 && Date.now() - began > (minutes * 60_000) / 4) early = heap;
    console.log(`${Math.round((Date.now() - began) / 1000)} s: wall heap ${(heap / 1e6).toFixed(1)} MB, server ${residentMB(server.pid)} MB, ${await state()}`);
    crews.kill();
    await server.stop('SIGKILL');
    await until('a word other than LIVE', async () => (await state()) !== 'LIVE', 15_000);
    server = await startServer({ data: server.dir, listen, args });
    crews = simulate();
    const back = Date.now();
    await settled();
    console.log(`  killed and back: LIVE ${Date.now() - back} ms after the server was ready`);
  }
  const end = await heapOf(page);
  console.log(`heap at a quarter ${(early / 1e6).toFixed(1)} MB, at the end ${(end / 1e6).toFixed(1)} MB`);
  if (early > 0 && end > early * 1.1) {
    console.error('the heap of the wall grew by more than a tenth');
    failed = 1;
  }
  const errors = bad.filter((b) => !b.includes('ERR_CONNECTION_REFUSED') && !b.includes('WebSocket'));
  if (errors.length > 0) {
    console.error(errors.slice(0, 5).join('\n'));
    failed = 1;
  }
} finally {
  crews.kill();
  await browser.close();
  await server.stop();
  server.clean();
}
process.exit(failed);
