import { describe, expect, test } from "vitest";
import type { Feature } from "../../world/feature";
import { cameraOf, Frozen, JpegStream, retryAfter } from "./camera";

const site = (props: Record<string, unknown>) => ({ kind: "site", key: "C1", props }) as unknown as Feature;
const bytes = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const jpeg = (body: string) => `\xff\xd8${body}\xff\xd9`;
const shown = (pictures: readonly Uint8Array[]) => pictures.map((p) => String.fromCharCode(...p));

test("a site is shown by the best that it offers", () => {
  expect(cameraOf(site({}))).toBeNull();
  expect(cameraOf(site({ snapshot_url: "https://c.example/1.jpg" }))).toEqual({ how: "snapshot", url: "https://c.example/1.jpg" });
  expect(cameraOf(site({ snapshot_url: "https://c.example/1.jpg", mjpeg_url: "https://c.example/1" }))?.how).toBe("mjpeg");
  expect(cameraOf(site({ hls_url: "https://c.example/1.m3u8", mjpeg_url: "https://c.example/1" }))?.how).toBe("hls");
});

test("a camera that is away is asked less and less often, at most every minute or so, and for ever", () => {
  const waits = Array.from({ length: 40 }, (_, i) => retryAfter(i + 1, 0.5));
  expect(waits[0]).toBe(2000);
  waits.forEach((wait, i) => expect(wait).toBeGreaterThanOrEqual(waits[i - 1] ?? 0));
  expect(retryAfter(1000, 1)).toBe(75_000);
  expect(retryAfter(0, 0)).toBeGreaterThan(1000);
});

describe("a stream of JPEGs", () => {
  const type = 'multipart/x-mixed-replace; boundary="--frame"';
  const withLength = (body: string) => `--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg(body).length}\r\n\r\n${jpeg(body)}\r\n`;
  const without = (body: string) => `--frame\r\nContent-Type: image/jpeg\r\n\r\n${jpeg(body)}\r\n`;

  test.each([["with lengths", withLength], ["without", without]] as const)("%s is the same however it is cut", (_, part) => {
    const all = `preamble\r\n${part("one")}${part("two --fra")}${part("three")}${part("four")}--frame`;
    for (let cut = 1; cut < 60; cut++) {
      const stream = new JpegStream(type);
      const found: string[] = [];
      for (let at = 0; at < all.length; at += cut) found.push(...shown(stream.take(bytes(all.slice(at, at + cut)))).map((s) => s.trim()));
      expect(found, `cut into ${cut}`).toEqual(["one", "two --fra", "three", "four"].map(jpeg));
    }
  });

  test("gives nothing that is no picture", () => {
    const stream = new JpegStream("multipart/x-mixed-replace;boundary=frame");
    expect(stream.take(bytes("--frame\r\nContent-Length: 5\r\n\r\nhello\r\n--frame\r\n"))).toEqual([]);
  });

  test("is refused when it is none, or has a part without an end", () => {
    expect(() => new JpegStream("text/html")).toThrow("no stream");
    expect(() => new JpegStream("multipart/x-mixed-replace")).toThrow("no stream");
    expect(() => new JpegStream(type).take(bytes("--frame\r\nContent-Length: 999999999\r\n\r\n"))).toThrow("999999999");
  });
});

test("a picture that comes again has not moved", async () => {
  const frozen = new Frozen();
  expect(await frozen.moved(bytes("a"))).toBe(true);
  expect(await frozen.moved(bytes("a"))).toBe(false);
  expect(await frozen.moved(bytes("b"))).toBe(true);
  expect(await frozen.moved(bytes("a"))).toBe(true);
});
