/** The small readers: memory and window. */
import assert from "node:assert/strict";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { Reader } from "../../lib/sources/reader.ts";

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
const limit = { kind: "limit" };

async function read(reader: Reader, offset: number, length: number): Promise<number[]> {
  const into = new Uint8Array(length).fill(255);
  await reader.readAt(offset, into);
  return [...into];
}

Deno.test("MemoryReader reads inside, to the end, and nothing past it", async () => {
  await using reader = new MemoryReader(bytes, "memory:test");
  assert.deepEqual(await read(reader, 98, 2), [98, 99]);
  assert.deepEqual(await read(reader, 100, 0), []);
  await assert.rejects(read(reader, 98, 3), limit);
  await assert.rejects(read(reader, -1, 1), limit);
  await assert.rejects(read(reader, 0.5, 1), limit);
  await assert.rejects(read(reader, NaN, 1), limit);
  await assert.rejects(read(reader, 2 ** 53, 1), limit);
  const signal = AbortSignal.abort();
  await assert.rejects(reader.readAt(0, new Uint8Array(1), { signal }), { kind: "cancelled" });
});
