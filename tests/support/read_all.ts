import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { FastboopError } from "../../lib/errors/errors.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { seededRandom } from "../smoo/seeded_random.ts";

/** All bytes of a reader. */
export async function readAll(reader: Reader): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes);
  return bytes;
}

/** Asserts that a reader gives `expected`, whole and in `count` pieces of seeded places and sizes. */
export async function assertReads(
  reader: Reader,
  expected: Uint8Array,
  seed = 1,
  count = 200,
): Promise<void> {
  assert.equal(reader.sizeBytes, expected.length);
  assert.equal(Buffer.compare(await readAll(reader), expected), 0, "the whole differs");
  const random = seededRandom(seed);
  for (let i = 0; i < count && expected.length > 0; i++) {
    const at = random(expected.length);
    const piece = new Uint8Array(random(Math.min(expected.length - at, 20_000) + 1));
    await reader.readAt(at, piece);
    const same = Buffer.compare(piece, expected.subarray(at, at + piece.length)) === 0;
    assert.ok(same, `seed ${seed}: ${piece.length} bytes at ${at} differ`);
  }
  await assert.rejects(reader.readAt(expected.length, new Uint8Array(1)), (error) => {
    return (error as FastboopError).kind === "limit";
  });
}
