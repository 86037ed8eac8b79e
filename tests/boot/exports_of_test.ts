import assert from "node:assert/strict";
import { exportsOf } from "../../lib/boot/exports_of.ts";
import type { PreparedModules } from "../../lib/boot/prepare_kernel.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";

const reader = new MemoryReader(new Uint8Array(4096), "root");
const image = new MemoryReader(new Uint8Array(8192), "modules");

Deno.test("exportsOf() puts the root before the modules, with ids 1 and 2", () => {
  const rootfs = { blockSizeBytes: 4096, reader };
  const exports = exportsOf({ rootfs, modules: { image } as unknown as PreparedModules });
  assert.deepEqual(
    exports.map(({ id, name, reader, blockSizeBytes }) => [
      ...[id, name, blockSizeBytes],
      reader === image ? "image" : "root",
    ]),
    [[1, "rootfs", 4096, "root"], [2, "modules", 4096, "image"]],
  );
  assert.deepEqual(exportsOf({ rootfs, modules: undefined }).map(({ id }) => id), [1]);
});

Deno.test("exportsOf() gives the root disk no larger blocks than its file system's", () => {
  const blocks = (blockSizeBytes: number) =>
    exportsOf({
      rootfs: { blockSizeBytes, reader },
      modules: undefined,
    })[0]!.blockSizeBytes;
  assert.deepEqual([512, 1024, 4096, 65536].map(blocks), [512, 1024, 4096, 4096]);
});
