import assert from "node:assert/strict";
import { computeGeometry } from "../../../lib/filesystems/ext4/geometry.ts";

const GROUP = 32768;

Deno.test("computeGeometry() makes the empty image six blocks", () => {
  const geometry = computeGeometry({ lastInode: 2, treeBlocks: 1, fileBlocks: 0 });
  assert.equal(geometry.blockCount, 6);
  assert.equal(geometry.inodesPerGroup, 16);
  assert.equal(geometry.used, 6);
});

Deno.test("computeGeometry() adds a group exactly when a group is full", () => {
  const overhead = computeGeometry({ lastInode: 12, treeBlocks: 1, fileBlocks: 0 }).used;
  const full = computeGeometry({ lastInode: 12, treeBlocks: 1, fileBlocks: GROUP - overhead });
  assert.equal(full.groupCount, 1);
  assert.equal(full.blockCount, GROUP);
  const more = computeGeometry({ lastInode: 12, treeBlocks: 1, fileBlocks: GROUP - overhead + 1 });
  assert.equal(more.groupCount, 2);
  assert.equal(more.used, more.blockCount);
});

Deno.test("computeGeometry() holds its promises over the edges of groups and tables", () => {
  const counts = [1, 10, 11, 16, 17, 4096, GROUP - 1, GROUP, GROUP + 1, 16 * GROUP, 100_000];
  const blocks = [0, 1, GROUP - 6, GROUP - 5, GROUP, 2 * GROUP, 63 * GROUP, 65 * GROUP, 2 ** 31];
  for (const lastInode of counts) {
    for (const fileBlocks of blocks) {
      const g = computeGeometry({ lastInode, treeBlocks: 1, fileBlocks });
      const message = JSON.stringify({ lastInode, fileBlocks, g });
      assert.ok(g.inodesPerGroup % 16 === 0 && g.inodesPerGroup <= GROUP, message);
      assert.ok(g.groupCount * g.inodesPerGroup >= g.lastInode, message);
      assert.equal(Math.ceil(g.blockCount / GROUP), g.groupCount, message);
      assert.equal(g.data, g.directories + 1, message);
      assert.equal(g.used, g.data + fileBlocks, message);
      assert.ok(g.blockCount >= g.used, message);
    }
  }
});

Deno.test("computeGeometry() refuses more blocks than 32 bits can number", () => {
  assert.throws(
    () => computeGeometry({ lastInode: 12, treeBlocks: 1, fileBlocks: 2 ** 32 }),
    { kind: "limit" },
  );
});
