import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseBootImage } from "./boot_image.ts";

const PAGE = 2048;

function u32(value: number): Uint8Array {
  return new Uint8Array([value & 255, value >> 8 & 255, value >> 16 & 255, value >>> 24]);
}

/** A header of version 2 by hand, with kernel "K", ramdisk "RR" and device tree "DDD". */
function makeImage(): Uint8Array {
  const image = new Uint8Array(4 * PAGE);
  const text = (offset: number, value: string) =>
    image.set(new TextEncoder().encode(value), offset);
  text(0, "ANDROID!");
  image.set(u32(1), 8);
  image.set(u32(2), 16);
  image.set(u32(PAGE), 36);
  image.set(u32(2), 40);
  text(64, "a".repeat(512));
  text(608, "b=c");
  image.set(u32(1660), 1644);
  image.set(u32(3), 1648);
  text(PAGE, "K");
  text(2 * PAGE, "RR");
  text(3 * PAGE, "DDD");
  const hash = createHash("sha1").update("K").update(u32(1)).update("RR").update(u32(2));
  hash.update(u32(0)).update(u32(0)).update("DDD").update(u32(3));
  image.set(hash.digest(), 576);
  return image;
}

Deno.test("parseBootImage() takes the sections and the command line of version 2 apart", () => {
  const image = parseBootImage(makeImage());
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.deepEqual([text(image.kernel), text(image.ramdisk), text(image.deviceTree)], [
    "K",
    "RR",
    "DDD",
  ]);
  assert.equal(image.commandLine, "a".repeat(512) + "b=c");
});

Deno.test("parseBootImage() rejects a flipped byte wherever it counts", () => {
  const whole = makeImage();
  for (const offset of [0, 8, 36, 40, 576, 600, 1644, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE + 2]) {
    const image = whole.slice();
    image[offset]! ^= 1;
    assert.throws(() => parseBootImage(image), Error, `byte ${offset}`);
  }
  assert.throws(() => parseBootImage(whole.subarray(0, 3 * PAGE)));
  assert.throws(() => parseBootImage(new Uint8Array([...whole, 0])));
});
