import assert from "node:assert/strict";
import { crc32c, updateCrc32c } from "../../lib/bytes/crc32c.ts";

const ascii = (text: string) => new TextEncoder().encode(text);

/** Bit by bit, straight from the definition. */
function slowCrc32c(bytes: Uint8Array): number {
  let register = 0xffffffff;
  for (const byte of bytes) {
    register ^= byte;
    for (let i = 0; i < 8; i++) register = (register >>> 1) ^ (register & 1 ? 0x82f63b78 : 0);
  }
  return ~register >>> 0;
}

Deno.test("crc32c() gives the check value and the vectors of RFC 3720", () => {
  assert.equal(crc32c(ascii("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

Deno.test("updateCrc32c() leaves the register uninverted and goes on from it", () => {
  assert.equal(updateCrc32c(0xffffffff, ascii("123456789")), 0x1cf96d7c);
  const whole = updateCrc32c(0xffffffff, ascii("123456789"));
  const parts = updateCrc32c(updateCrc32c(0xffffffff, ascii("1234")), ascii("56789"));
  assert.equal(parts, whole);
});

Deno.test("crc32c() equals the bitwise definition at every alignment and length", () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 89 + 7) & 255);
  for (let start = 0; start < 5; start++) {
    for (let length = 0; length <= 70; length++) {
      const part = bytes.subarray(start, start + length);
      assert.equal(crc32c(part), slowCrc32c(part), `${start}+${length}`);
    }
  }
});
