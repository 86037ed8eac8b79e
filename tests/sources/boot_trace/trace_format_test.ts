import assert from "node:assert/strict";
import { mergeTraces } from "../../../lib/sources/boot_trace/merge_traces.ts";
import {
  encodeTrace,
  MAX_TRACE_BLOCKS,
  parseTrace,
} from "../../../lib/sources/boot_trace/trace_format.ts";
import { BLOCK_BYTES, blockLayout } from "../../../lib/sources/disk_cache/block_format.ts";

const layoutOf = (identity: string, blocks: number) => blockLayout(identity, blocks * BLOCK_BYTES)!;

Deno.test("parseTrace() reads back what encodeTrace() wrote, for that source only", () => {
  const blocks = Uint32Array.of(5, 0, 9);
  const bytes = encodeTrace(layoutOf("a", 10), blocks);
  assert.deepEqual(parseTrace(bytes, layoutOf("a", 10)), blocks);
  assert.equal(parseTrace(bytes, layoutOf("b", 10)), undefined);
  assert.equal(parseTrace(bytes, layoutOf("a", 11)), undefined);
});

Deno.test("parseTrace() refuses blocks beyond the end and blocks named twice", () => {
  const layout = layoutOf("a", 10);
  for (const blocks of [[10], [3, 4, 3], [0xffffffff]]) {
    assert.equal(parseTrace(encodeTrace(layout, Uint32Array.from(blocks)), layout), undefined);
  }
});

Deno.test("parseTrace() takes the longest trace and none beyond", () => {
  const layout = layoutOf("a", MAX_TRACE_BLOCKS + 1);
  const blocks = Uint32Array.from({ length: MAX_TRACE_BLOCKS + 1 }, (_, i) => i);
  assert.equal(parseTrace(encodeTrace(layout, blocks), layout), undefined);
  const longest = encodeTrace(layout, blocks.subarray(1));
  assert.equal(parseTrace(longest, layout)?.length, MAX_TRACE_BLOCKS);
});

Deno.test("mergeTraces() keeps the older order, the later one's places and the bound", () => {
  const older = Uint32Array.of(1, 2, 3);
  const merge = (later: number[], most = 100) => [...mergeTraces(older, later, most)];
  assert.deepEqual(merge([]), [1, 2, 3]);
  assert.deepEqual(merge([3, 2, 1]), [1, 2, 3]);
  assert.deepEqual(merge([8, 9, 1, 7, 3, 6, 5]), [8, 9, 1, 7, 2, 3, 6, 5]);
  assert.deepEqual(merge([8, 9], 4), [8, 9, 1, 2]);
  assert.deepEqual([...mergeTraces(new Uint32Array(), [4, 2], 100)], [4, 2]);
});
