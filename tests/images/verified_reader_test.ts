import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { BlockHashes } from "../../lib/images/pipeline/hints.ts";
import { VerifiedReader } from "../../lib/images/verified_reader.ts";
import { FaultyReader, type ReadFault } from "../support/faulty_reader.ts";

const BLOCK = 4096;
const bytes = Uint8Array.from({ length: 20 * BLOCK + 100 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

function hashesOf(content: Uint8Array, blockSizeBytes = BLOCK): BlockHashes {
  const count = Math.ceil(content.length / blockSizeBytes);
  const hashes = new Uint8Array(count * 32);
  for (let i = 0; i < count; i++) {
    const block = content.subarray(i * blockSizeBytes, (i + 1) * blockSizeBytes);
    hashes.set(createHash("sha256").update(block).digest(), i * 32);
  }
  return { kind: "block-hashes", blockSizeBytes, sizeBytes: content.length, hashes };
}

async function read(reader: VerifiedReader, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  await reader.readAt(offset, into);
  return into;
}

Deno.test("readAt() serves any range of right blocks", async () => {
  for (const blockSizeBytes of [1000, BLOCK, 1 << 20]) {
    const upstream = new FaultyReader(bytes);
    const reader = new VerifiedReader(upstream, hashesOf(bytes, blockSizeBytes));
    for (const [offset, length] of [[0, bytes.length], [5, 1], [4000, 9000], [bytes.length, 0]]) {
      assert.deepEqual(
        await read(reader, offset!, length!),
        bytes.slice(offset, offset! + length!),
      );
    }
    await assert.rejects(read(reader, bytes.length, 1), { kind: "limit" });
    await reader[Symbol.asyncDispose]();
    assert.equal(upstream.disposed, true);
  }
});

Deno.test("readAt() refuses each block with a flipped byte, and only that", async () => {
  const hashes = hashesOf(bytes);
  for (const at of [0, BLOCK - 1, BLOCK, 7 * BLOCK + 5, bytes.length - 1]) {
    const bad = bytes.slice();
    bad[at]! ^= 1;
    const reader = new VerifiedReader(new FaultyReader(bad), hashes);
    const block = Math.floor(at / BLOCK);
    await assert.rejects(read(reader, block * BLOCK, 1), {
      kind: "source",
      message: new RegExp(
        `^Check the block at ${block * BLOCK} of faulty: its SHA-256 begins with ` +
          "[0-9a-f]{16}, must begin with [0-9a-f]{16}$",
      ),
    });
    const other = (block + 1) % 20 * BLOCK;
    assert.deepEqual(await read(reader, other, 10), bytes.slice(other, other + 10));
    await reader[Symbol.asyncDispose]();
  }
});

Deno.test("readAt() gives nothing of a wrong block to the caller", async () => {
  const reader = new VerifiedReader(
    new FaultyReader(bytes, () => ({ wrong: true })),
    hashesOf(bytes),
  );
  const into = new Uint8Array(BLOCK);
  await assert.rejects(reader.readAt(0, into), { kind: "source" });
  assert.ok(into.every((byte) => byte === 0));
  await reader[Symbol.asyncDispose]();
});

Deno.test("a block that was wrong once is asked for again", async () => {
  const fault = (index: number): ReadFault | undefined => index === 0 ? { wrong: true } : undefined;
  const reader = new VerifiedReader(new FaultyReader(bytes, fault), hashesOf(bytes));
  await assert.rejects(read(reader, 0, 1), { kind: "source" });
  assert.deepEqual(await read(reader, 0, 10), bytes.slice(0, 10));
  await reader[Symbol.asyncDispose]();
});

Deno.test("small reads of a block share one fetch and one check", async () => {
  const upstream = new FaultyReader(bytes);
  const reader = new VerifiedReader(upstream, hashesOf(bytes));
  await Promise.all(Array.from({ length: 30 }, (_, i) => read(reader, i * 100, 50)));
  await read(reader, 10, 10);
  assert.equal(upstream.reads.length, 1);
  await reader[Symbol.asyncDispose]();
});

Deno.test("VerifiedReader refuses hashes that do not fit", () => {
  const good = hashesOf(bytes);
  const make = (change: Partial<BlockHashes>) => () =>
    new VerifiedReader(new FaultyReader(bytes), { ...good, ...change });
  assert.throws(make({ sizeBytes: bytes.length - 1 }), { kind: "source" });
  assert.throws(make({ hashes: good.hashes.subarray(1) }), { kind: "corrupt" });
  assert.throws(make({ hashes: new Uint8Array() }), { kind: "corrupt" });
  for (const blockSizeBytes of [0, -1, 1.5, NaN, 1 << 30]) {
    assert.throws(make({ blockSizeBytes }), { kind: "corrupt" });
  }
});
