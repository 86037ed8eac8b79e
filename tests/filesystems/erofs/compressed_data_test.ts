import assert from "node:assert/strict";
import { CompressedData } from "../../../lib/filesystems/erofs/compressed_data.ts";
import { DecodedClusters } from "../../../lib/filesystems/erofs/decoded_clusters.ts";
import { ExtentMap, FORMAT } from "../../../lib/filesystems/erofs/extent_map.ts";
import { MAX_STORED_BYTES } from "../../../lib/filesystems/erofs/format.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { ofKind } from "../../support/expect_kind.ts";

const BLOCK_BYTES = 512;

function open(map: ExtentMap, image: Uint8Array): CompressedData {
  const reader = new MemoryReader(image, "image");
  return new CompressedData(() => "file", map, {
    image: reader,
    meta: reader,
    packed: () => Promise.reject(new Error("not asked for")),
    clusters: new DecodedClusters(1 << 20),
    blockBytes: BLOCK_BYTES,
    paddedInFront: true,
  });
}

Deno.test("CompressedData keeps apart what extents that share a cluster make of it", async () => {
  const image = Uint8Array.from({ length: 4 * BLOCK_BYTES }, (_, i) => i * 7 + (i >>> 8));
  const map = new ExtentMap(1000);
  // The same stored block thrice, of the same length twice: rotated by 0, by 300, and not rotated.
  map.add(0, FORMAT.INTERLACED, BLOCK_BYTES, BLOCK_BYTES);
  map.add(300, FORMAT.INTERLACED, BLOCK_BYTES, BLOCK_BYTES);
  map.add(600, FORMAT.SHIFTED, BLOCK_BYTES, BLOCK_BYTES);
  const whole = new Uint8Array(1000);
  await open(map, image).readAt(0, whole);
  const inParts = new Uint8Array(1000);
  const data = open(map, image);
  for (let at = 0; at < 1000; at += 100) await data.readAt(at, inParts.subarray(at, at + 100));
  assert.deepEqual(inParts, whole);
  assert.deepEqual(whole.subarray(300, 302), image.slice(BLOCK_BYTES + 300, BLOCK_BYTES + 302));
});

Deno.test("CompressedData refuses a cluster that is stored in more bytes than any", async () => {
  const image = new Uint8Array(2 * MAX_STORED_BYTES).fill(9);
  const read = async (storedBytes: number) => {
    const map = new ExtentMap(2000);
    map.add(0, FORMAT.SHIFTED, 0, storedBytes);
    for (const [from, to] of [[0, 2000], [1, 1999]] as const) {
      const bytes = new Uint8Array(to - from);
      await open(map, image).readAt(from, bytes);
      assert.ok(bytes.every((byte) => byte === 9));
    }
  };
  await read(MAX_STORED_BYTES);
  await assert.rejects(read(MAX_STORED_BYTES + 1), ofKind("corrupt", /1048577 bytes/));
});
