import assert from "node:assert/strict";
import {
  BLOCK_BYTES,
  blockLayout,
  encodeHeader,
  getEntry,
  MAX_BLOCKS,
  parseHeader,
  setEntry,
} from "../../../lib/sources/disk_cache/block_format.ts";

Deno.test("blockLayout() takes the largest source and the longest name, and none beyond", () => {
  assert.equal(blockLayout("a", MAX_BLOCKS * BLOCK_BYTES)?.blockCount, MAX_BLOCKS);
  assert.equal(blockLayout("a", MAX_BLOCKS * BLOCK_BYTES + 1), undefined);
  assert.ok(blockLayout("x".repeat(16 << 10), 5));
  assert.equal(blockLayout("x".repeat((16 << 10) + 1), 5), undefined);
});

Deno.test("blockLayout() never lays header, table and data over each other", () => {
  for (const nameBytes of [0, 1, 4059, 4060, 4061, 9000]) {
    for (const blocks of [0, 1, 512, 513]) {
      const layout = blockLayout("x".repeat(nameBytes), blocks * BLOCK_BYTES)!;
      assert.ok(layout.tableOffsetBytes >= encodeHeader(layout).length);
      assert.ok(layout.dataOffsetBytes >= layout.tableOffsetBytes + blocks * 8);
    }
  }
});

Deno.test("parseHeader() gives the layout back, and refuses every flipped bit", () => {
  const layout = blockLayout('http:https://a/x:size=5:etag="\u00e9"', 700_000)!;
  const header = encodeHeader(layout);
  assert.deepEqual(parseHeader(header), layout);
  for (let bit = 0; bit < header.length * 8; bit++) {
    const bad = header.slice();
    bad[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(parseHeader(bad), undefined, `bit ${bit}`);
  }
});

Deno.test("getEntry() tells no entry, half of one and a flipped one from a whole one", () => {
  const table = new DataView(new ArrayBuffer(16));
  assert.equal(getEntry(table, 1), undefined);
  for (const checksum of [0, 1, 0x80000000, 0xffffffff]) {
    setEntry(table, 1, checksum);
    assert.equal(getEntry(table, 1), checksum);
    table.setUint32(8 + 4, 0, true);
    if (checksum !== 0xffffffff) assert.equal(getEntry(table, 1), undefined);
    setEntry(table, 1, checksum);
    table.setUint8(8, table.getUint8(8) ^ 1);
    assert.equal(getEntry(table, 1), undefined);
  }
});
