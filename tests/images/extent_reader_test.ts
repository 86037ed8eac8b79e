import assert from "node:assert/strict";
import fc from "fast-check";
import { ExtentMap, ExtentReader, windowMap } from "../../lib/images/extent_reader.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { FaultyReader } from "../support/faulty_reader.ts";
import { assertReads } from "../support/read_all.ts";

const SOURCE = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) & 255);

Deno.test("ExtentReader gives pieces, holes and words wherever a read begins", async () => {
  const extent = fc.record({
    sizeBytes: fc.nat(90),
    origin: fc.option(fc.nat(900)),
    word: fc.oneof(fc.constant(0), fc.nat()),
  });
  const property = fc.asyncProperty(fc.array(extent, { maxLength: 40 }), async (extents) => {
    const map = new ExtentMap();
    const expected: number[] = [];
    for (const { sizeBytes, origin, word } of extents) {
      if (origin !== null) {
        map.addData(sizeBytes, origin);
        expected.push(...SOURCE.subarray(origin, origin + sizeBytes));
      } else {
        // A word goes on from where the extent before it ended only when that was whole.
        const wholeBytes = sizeBytes - sizeBytes % 4;
        map.addFill(wholeBytes, word);
        for (let i = 0; i < wholeBytes; i++) expected.push((word >>> (8 * (i % 4))) & 255);
      }
    }
    const reader = new ExtentReader("map", new MemoryReader(SOURCE, "source"), map, true);
    await assertReads(reader, Uint8Array.from(expected), 3, 30);
  });
  await fc.assert(property, { seed: 20261121, numRuns: 300 });
});

Deno.test("ExtentReader waits for all its pieces before it fails", async () => {
  let release = () => {};
  const until = new Promise<void>((done) => release = done);
  const source = new FaultyReader(SOURCE, (i) => i === 0 ? { fail: true } : { until });
  const map = windowMap(0, 10);
  map.addData(10, 500);
  const reader = new ExtentReader("map", source, map, true);
  let settled = false;
  const read = reader.readAt(0, new Uint8Array(20)).finally(() => settled = true);
  await new Promise((done) => queueMicrotask(() => done(undefined)));
  assert.equal(settled, false);
  release();
  await assert.rejects(read, /told to fail/);
  await reader[Symbol.asyncDispose]();
  assert.equal(source.disposed, true);
});
