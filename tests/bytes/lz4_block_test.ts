import assert from "node:assert/strict";
import { decodeLz4Block } from "../../lib/bytes/lz4_block.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
/** "abc", then 9 bytes from 3 back, then "xyz12". */
const BLOCK = Uint8Array.of(0x35, ...bytes("abc"), 3, 0, 0x50, ...bytes("xyz12"));
const PLAIN = "abcabcabcabcxyz12";

Deno.test("decodeLz4Block() decodes literals and overlapping matches", () => {
  const output = new Uint8Array(PLAIN.length);
  assert.deepEqual(decodeLz4Block(BLOCK, output), { written: PLAIN.length, complete: true });
  assert.equal(new TextDecoder().decode(output), PLAIN);
});

Deno.test("decodeLz4Block() stops where the output is full and says so", () => {
  const output = new Uint8Array(7);
  assert.deepEqual(decodeLz4Block(BLOCK, output), { written: 7, complete: false });
  assert.equal(new TextDecoder().decode(output), PLAIN.slice(0, 7));
});

Deno.test("decodeLz4Block() refuses distance 0, distances before the start and cut input", () => {
  const output = new Uint8Array(64);
  const changed = BLOCK.slice();
  changed[4] = 0;
  assert.equal(decodeLz4Block(changed, output), undefined);
  changed[4] = 4;
  assert.equal(decodeLz4Block(changed, output), undefined);
  for (const end of [1, 5, 6, 7, 9]) {
    assert.equal(decodeLz4Block(BLOCK.subarray(0, end), output), undefined, String(end));
  }
  assert.equal(decodeLz4Block(Uint8Array.of(0xf0, 255, 255), output), undefined);
});
