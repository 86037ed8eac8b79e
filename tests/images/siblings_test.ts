import assert from "node:assert/strict";
import type { Partition } from "../../lib/images/partitions.ts";
import { Siblings } from "../../lib/images/siblings.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { ofKind } from "../support/expect_kind.ts";

const part = (index: number, offsetBytes: number, sizeBytes: number): Partition => {
  return { index, name: "", type: "", partuuid: "", offsetBytes, sizeBytes };
};
const disk = () => new MemoryReader(Uint8Array.from({ length: 100 }, (_, i) => i), "disk");
const indexes = (siblings: Siblings) => siblings.partitions.map(({ index }) => index);

Deno.test("Siblings leaves out what lies over the entered one, is cut off, empty or there twice", () => {
  const entered = part(1, 20, 30);
  const all = [
    ...[part(0, 0, 20), entered, part(2, 10, 11), part(3, 49, 1), part(4, 50, 50)],
    ...[part(5, 60, 41), part(6, 200, 1), part(7, 90, 0), part(8, 0, 10), part(9, 99, 1)],
  ];
  assert.deepEqual(indexes(new Siblings(disk(), entered, all)), [0, 4, 9]);
  const many = Array.from({ length: 1000 }, (_, i) => part(i, i, 1));
  const wide = new MemoryReader(new Uint8Array(1000), "wide");
  assert.equal(new Siblings(wide, many[0]!, many).partitions.length, 128);
});

Deno.test("Siblings opens a partition until it is closed, and never another one", async () => {
  const source = disk();
  const siblings = new Siblings(source, part(0, 0, 10), [part(0, 0, 10), part(3, 40, 10)]);
  const reader = siblings.open(3)!;
  const bytes = new Uint8Array(4);
  await reader.readAt(6, bytes);
  assert.deepEqual([...bytes], [46, 47, 48, 49]);
  await assert.rejects(reader.readAt(7, bytes), ofKind("limit"));
  await reader[Symbol.asyncDispose]();
  await assert.rejects(reader.readAt(0, bytes), ofKind("cancelled", /it is closed/));
  await siblings.open(3)!.readAt(0, bytes);
  for (const index of [0, 1, -1, NaN]) assert.equal(siblings.open(index), undefined);
});
