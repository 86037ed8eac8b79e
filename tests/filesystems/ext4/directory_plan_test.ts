import assert from "node:assert/strict";
import { planDirectory } from "../../../lib/filesystems/ext4/directory_plan.ts";
import { Dirents } from "../../../lib/filesystems/ext4/dirents.ts";
import { halfMd4 } from "../../../lib/filesystems/ext4/half_md4.ts";

function table(names: string[]): Dirents {
  const dirents = new Dirents();
  names.forEach((name, i) => dirents.add(name, 11 + i, 1));
  return dirents;
}

const plan = (names: string[]) => planDirectory(table(names), 0, names.length);

Deno.test("planDirectory() fills a block to exactly 4084 bytes", () => {
  // `.` and `..` take 24 bytes, 15 names of 252 bytes take 260 each: 160 are left.
  const names = Array.from({ length: 15 }, (_, i) => String.fromCharCode(97 + i).repeat(252));
  const last = (length: number) => "z".repeat(length);
  assert.equal(plan([...names, last(152)]).blockCount, 1);
  assert.equal(plan([...names, last(153)]).blockCount, 2);
});

Deno.test("planDirectory() goes over to a hash tree above eight blocks", () => {
  // 12-byte entries: 338 in the first block, 340 in each other.
  const names = (count: number) =>
    Array.from({ length: count }, (_, i) => (46656 + i).toString(36).padStart(4, "0"));
  const linear = plan(names(338 + 7 * 340));
  assert.equal(linear.blockCount, 8);
  assert.equal(linear.hashed, undefined);
  assert.notEqual(plan(names(338 + 7 * 340 + 1)).hashed, undefined);
});

Deno.test("planDirectory() sorts a hash tree by hash and marks split hashes", () => {
  const names = Array.from({ length: 5000 }, (_, i) => `entry-${i}`);
  const dirents = table(names);
  const { hashed, leafStarts, blockCount } = planDirectory(dirents, 0, names.length);
  assert.ok(hashed);
  assert.equal(blockCount, 1 + leafStarts.length);
  const hashes = Array.from(hashed.order, (i) => halfMd4(dirents.name(i)).hash);
  assert.deepEqual(hashes, [...hashes].sort((a, b) => a - b));
  leafStarts.forEach((start, leaf) =>
    assert.equal(hashed.leafKeys[leaf]! & ~1, hashes[start]! | 0)
  );
  assert.deepEqual([...hashed.order].sort((a, b) => a - b), names.map((_, i) => i));
});

Deno.test("planDirectory() adds a level of nodes above 507 leaves", () => {
  const names = Array.from({ length: 10_000 }, (_, i) => String(i).padStart(250, "x"));
  const { hashed, leafStarts } = plan(names);
  assert.ok(leafStarts.length > 507);
  assert.equal(hashed!.nodeCount, Math.ceil(leafStarts.length / 510));
});
