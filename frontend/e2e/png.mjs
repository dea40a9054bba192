// Reads the PNGs that a browser makes: eight bits, RGB or RGBA, not interlaced.
import { inflateSync } from 'node:zlib';

/** Decodes to `width`, `height` and three bytes a pixel. Throws for any other kind of PNG. */
export function readPNG(png) {
  let at = 8;
  let header;
  const packed = [];
  while (at < png.length) {
    const size = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + size);
    if (type === 'IHDR') header = { width: body.readUInt32BE(0), height: body.readUInt32BE(4), bits: body[8], color: body[9], laced: body[12] };
    if (type === 'IDAT') packed.push(body);
    at += 12 + size;
  }
  if (!header || header.bits !== 8 || header.laced !== 0 || ![2, 6].includes(header.color)) throw new Error('a PNG of a kind that is not read');
  const { width, height } = header;
  const channels = header.color === 6 ? 4 : 3;
  const raw = inflateSync(Buffer.concat(packed));
  const stride = width * channels;
  const rgb = Buffer.alloc(width * height * 3);
  let above = Buffer.alloc(stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    const row = raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    for (let x = 0; x < stride; x++) {
      const left = x < channels ? 0 : row[x - channels];
      const up = above[x];
      if (filter === 1) row[x] += left;
      else if (filter === 2) row[x] += up;
      else if (filter === 3) row[x] += (left + up) >> 1;
      else if (filter === 4) {
        const corner = x < channels ? 0 : above[x - channels];
        const [byLeft, byUp, byCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
        row[x] += byLeft <= byUp && byLeft <= byCorner ? left : byUp <= byCorner ? up : corner;
      }
    }
    for (let x = 0; x < width; x++) row.copy(rgb, (y * width + x) * 3, x * channels, x * channels + 3);
    above = row;
  }
  return { width, height, rgb };
}

/** The share of a box (fractions of the picture: left, top, right, bottom) that has its commonest colour. */
export function flatness({ width, height, rgb }, [left, top, right, bottom]) {
  const counts = new Map();
  let [all, most] = [0, 0];
  for (let y = Math.floor(top * height); y < Math.floor(bottom * height); y++) {
    for (let x = Math.floor(left * width); x < Math.floor(right * width); x++) {
      const i = (y * width + x) * 3;
      const color = (rgb[i] << 16) | (rgb[i + 1] << 8) | rgb[i + 2];
      const n = (counts.get(color) ?? 0) + 1;
      counts.set(color, n);
      if (n > most) most = n;
      all++;
    }
  }
  return all === 0 ? 1 : most / all;
}

/** How many pixels of a box have a colour, within `near` of 255 in each channel. */
export function countColor({ width, height, rgb }, [left, top, right, bottom], color, near = 40) {
  let n = 0;
  for (let y = Math.floor(top * height); y < Math.floor(bottom * height); y++) {
    for (let x = Math.floor(left * width); x < Math.floor(right * width); x++) {
      const i = (y * width + x) * 3;
      if (Math.abs(rgb[i] - color[0]) <= near && Math.abs(rgb[i + 1] - color[1]) <= near && Math.abs(rgb[i + 2] - color[2]) <= near) n++;
    }
  }
  return n;
}
