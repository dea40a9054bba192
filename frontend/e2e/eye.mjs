// The eye of the soak's robot, in a thread of its own: decoding pictures must not make its clock late.
import { parentPort, workerData } from 'node:worker_threads';
import { countColor, flatness, readPNG } from './png.mjs';

const { boxes, colors } = workerData;
parentPort.on('message', ({ at, png }) => {
  const picture = readPNG(Buffer.from(png.buffer, png.byteOffset, png.byteLength));
  const words = Object.fromEntries(Object.entries(colors).map(([word, color]) => [word, countColor(picture, boxes.badge, color)]));
  parentPort.postMessage({ at, words, map: flatness(picture, boxes.map), panel: flatness(picture, boxes.panel) });
});
