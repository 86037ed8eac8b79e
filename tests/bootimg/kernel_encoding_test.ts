import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { concat } from "../../lib/bytes/concat.ts";
import { appendsDevicetree, encodeKernel } from "../../lib/bootimg/kernel_encoding.ts";

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i >> 4) & 0xff);
const dtb = Uint8Array.of(0xd0, 0x0d, 0xfe, 0xed, 1, 2, 3);

Deno.test("encodeKernel() leaves an image as it is and appends the devicetree to it", () => {
  assert.deepEqual(encodeKernel({ bytes }, undefined, "image"), [bytes]);
  assert.deepEqual(encodeKernel(bytes, undefined, "image"), [bytes]);
  assert.equal(encodeKernel({ bytes }, dtb, "image+dtb")[0], bytes, "not copied");
  assert.deepEqual(concat(encodeKernel({ bytes }, dtb, "image+dtb")), concat([bytes, dtb]));
});

Deno.test("encodeKernel() compresses without time or system, the same each time", () => {
  const [gzip] = encodeKernel({ bytes }, dtb, "image.gz");
  assert.deepEqual([...gzip!.subarray(0, 8)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
  assert.equal(gzip![9], 255);
  assert.deepEqual(new Uint8Array(gunzipSync(gzip!)), bytes);
  assert.deepEqual(encodeKernel({ bytes }, dtb, "image.gz"), [gzip]);
  assert.deepEqual(encodeKernel({ bytes }, dtb, "image.gz+dtb"), [gzip, dtb]);
});

Deno.test("encodeKernel() takes the gzip stream that is there already", () => {
  const gzip = Uint8Array.of(0x1f, 0x8b, 9);
  assert.deepEqual(encodeKernel({ bytes, gzip }, dtb, "image.gz+dtb"), [gzip, dtb]);
  assert.deepEqual(encodeKernel({ bytes, gzip }, dtb, "image"), [bytes]);
});

Deno.test("encodeKernel() says what it does not do", () => {
  for (const encoding of ["image.lz4", "image.lz4+dtb", "image.zst", "image.zst+dtb", "zImage"]) {
    assert.throws(() => encodeKernel({ bytes }, dtb, encoding), { kind: "unsupported" }, encoding);
  }
  const packed = Uint8Array.of(0x1f, 0x8b, 8);
  assert.throws(() => encodeKernel({ bytes: packed }, dtb, "image"), { kind: "unsupported" });
  assert.throws(() => encodeKernel({ bytes }, undefined, "image+dtb"), { kind: "usage" });
});

Deno.test("appendsDevicetree() follows the name", () => {
  assert.equal(appendsDevicetree("image.gz+dtb"), true);
  assert.equal(appendsDevicetree("image.gz"), false);
});
