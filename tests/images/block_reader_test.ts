import assert from "node:assert/strict";
import { BlockReader } from "../../lib/images/block_reader.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { MemorySpill } from "../../lib/sources/memory_spill.ts";

const MIB = 1 << 20;

/** Large blocks, each MiB of them filled with its number from 1; `beforeMib` is waited for. */
function largeBlocks(plainSizes: number[], beforeMib: (mib: number) => Promise<void> | void) {
  const decoders = { live: 0, most: 0 };
  const reader = new BlockReader({
    identity: "blocks",
    source: new MemoryReader(new Uint8Array(0), "stored"),
    plainSizes,
    load: () => Promise.reject(new Error("no small block")),
    isLarge: () => true,
    beginLarge: (index) => {
      decoders.most = Math.max(decoders.most, ++decoders.live);
      let mib = 0;
      return {
        checkedBytes: 0,
        async next() {
          if (mib * MIB >= plainSizes[index]!) return undefined;
          await beforeMib(++mib);
          return new Uint8Array(MIB).fill(mib);
        },
        end: () => decoders.live--,
      };
    },
    spill: () => Promise.resolve(new MemorySpill(64 * MIB)),
    readsAhead: false,
  });
  return { reader, decoders };
}

Deno.test("BlockReader gives what is decoded on the way to what others wait for", async () => {
  const gate = Promise.withResolvers<void>();
  const { reader } = largeBlocks([40 * MIB], (mib) => mib > 20 ? gate.promise : undefined);
  const far = [36, 38].map((at) => reader.readAt(at * MIB, new Uint8Array(10)));
  const near = new Uint8Array(2);
  await reader.readAt(10 * MIB - 1, near);
  assert.deepEqual(near, Uint8Array.of(10, 11));
  gate.resolve();
  await Promise.all(far);
  await reader[Symbol.asyncDispose]();
});

Deno.test("BlockReader keeps two decoders, also where a block that rests is read again", async () => {
  const { reader, decoders } = largeBlocks([8 * MIB, 8 * MIB, 8 * MIB], () => {});
  for (const at of [0, 8, 16, 1, 9, 17, 1, 2]) {
    const into = new Uint8Array(1);
    await reader.readAt(at * MIB, into);
    assert.equal(into[0], at % 8 + 1);
    assert.ok(decoders.live <= 2, `${decoders.live} decoders`);
  }
  assert.equal(decoders.most, 2);
  await reader[Symbol.asyncDispose]();
  assert.equal(decoders.live, 0);
});
