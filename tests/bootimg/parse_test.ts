import assert from "node:assert/strict";
import { concat } from "../../lib/bytes/concat.ts";
import { encodeBootImage } from "../../lib/bootimg/encode.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { OFFSET } from "../../lib/bootimg/layout.ts";
import { parseBootImage } from "../../lib/bootimg/parse.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

function make(): Uint8Array {
  return concat(encodeBootImage({
    headerVersion: 2,
    pageSizeBytes: 2048,
    addresses: { kernel: 1, ramdisk: 2, second: 3, tags: 4, dtb: 2 ** 40 },
    kernel: bytesOf("KKKKK"),
    ramdisk: bytesOf("RRR"),
    second: bytesOf("S"),
    dtb: bytesOf("DDDDDDD"),
    cmdline: "a=b " + "x".repeat(1000),
    name: "name",
  }));
}

const put32 = (bytes: Uint8Array, offset: number, value: number) =>
  new DataView(bytes.buffer).setUint32(offset, value, true);

Deno.test("parseBootImage() gives back what was encoded", () => {
  const image = parseBootImage(make());
  assert.equal(image.headerVersion, 2);
  assert.equal(image.pageSizeBytes, 2048);
  assert.deepEqual(image.addresses, { kernel: 1, ramdisk: 2, second: 3, tags: 4, dtb: 2 ** 40 });
  const texts = [image.kernel, image.ramdisk, image.second, image.recoveryDtbo, image.dtb]
    .map((part) => new TextDecoder().decode(part));
  assert.deepEqual(texts, ["KKKKK", "RRR", "S", "", "DDDDDDD"]);
  assert.equal(image.cmdline, "a=b " + "x".repeat(1000));
  assert.equal(image.name, "name");
  assert.equal(image.idMatches, true);
});

Deno.test("parseBootImage() reads an image whose last padding is missing", () => {
  const bytes = make();
  const image = parseBootImage(bytes.subarray(0, 4 * 2048 + 7));
  assert.equal(new TextDecoder().decode(image.dtb), "DDDDDDD");
  assert.throws(() => parseBootImage(bytes.subarray(0, 4 * 2048 + 6)), { kind: "corrupt" });
});

Deno.test("parseBootImage() refuses nonsense with a typed error", () => {
  const refused = (change: (bytes: Uint8Array) => void, kind: string, state: RegExp) => {
    const bytes = make();
    change(bytes);
    assert.throws(() => parseBootImage(bytes), { kind, state });
  };
  refused((b) => b[0] = 0, "corrupt", /ANDROID!/);
  refused((b) => put32(b, OFFSET.headerVersion, 3), "unsupported", /version 3/);
  refused((b) => put32(b, OFFSET.headerVersion, 0xffffffff), "unsupported", /version 4294967295/);
  refused((b) => put32(b, OFFSET.pageSize, 0), "corrupt", /page size is 0/);
  refused((b) => put32(b, OFFSET.pageSize, 0xfffff800), "corrupt", /page size/);
  refused((b) => put32(b, OFFSET.kernelSize, 0xffffffff), "corrupt", /kernel of 4294967295 bytes/);
  refused((b) => put32(b, OFFSET.dtbSize, 2049), "corrupt", /devicetree of 2049 bytes/);
  refused((b) => put32(b, OFFSET.headerSize, 1648), "corrupt", /1648 bytes/);
  refused((b) => put32(b, OFFSET.dtbAddress + 4, 0x80000000), "corrupt", /devicetree address/);
  assert.throws(() => parseBootImage(new Uint8Array()), { kind: "corrupt" });
});

Deno.test("parseBootImage() ends in a result or a typed error, whatever is cut or flipped", () => {
  const whole = make();
  for (let cut = 0; cut < whole.length; cut += 97) {
    try {
      parseBootImage(whole.slice(0, cut));
    } catch (error) {
      assert.ok(error instanceof FastboopError, String(error));
    }
  }
  for (let i = 0; i < 1660; i++) {
    const bytes = whole.slice();
    bytes[i]! ^= 0x80;
    try {
      parseBootImage(bytes);
    } catch (error) {
      assert.ok(error instanceof FastboopError, String(error));
    }
  }
});
