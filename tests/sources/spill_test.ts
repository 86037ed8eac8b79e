import assert from "node:assert/strict";
import { MemorySpill } from "../../lib/sources/memory_spill.ts";
import type { SpillFactory } from "../../lib/sources/spill.ts";
import { spillFilesIn } from "../../lib/sources/spill_file.ts";
import { run, withTempDir } from "../filesystems/foreign_tools.ts";
import { assertSameBytes } from "../images/decoded_readers.ts";
import { expectError } from "../kernel/expect_error.ts";

const memory: SpillFactory = () => Promise.resolve(new MemorySpill(4 << 20));

async function assertKeeps(make: SpillFactory): Promise<void> {
  await using spill = await make();
  await using other = await make();
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const places = [300_000, 0, 240_000, 1_000_000];
  await Promise.all(places.map((at, i) => spill.write(at, bytes.subarray(i))));
  await other.write(0, new Uint8Array(60_000));
  for (const [i, at] of places.entries()) {
    const into = new Uint8Array(60_000 - i);
    await spill.readAt(at, into);
    assertSameBytes(into, bytes.subarray(i), `at ${at}`);
  }
  await expectError("limit", () => spill.write(2 << 20, new Uint8Array(4 << 20)));
  const controller = new AbortController();
  controller.abort();
  const { signal } = controller;
  await expectError("cancelled", () => spill.readAt(0, new Uint8Array(1), { signal }));
  await spill[Symbol.asyncDispose]();
  await expectError("source", () => spill.readAt(0, new Uint8Array(1)), "closed");
  await expectError("source", () => spill.write(0, new Uint8Array(1)), "closed");
}

Deno.test("MemorySpill keeps what was written, within its limit", async () => {
  await assertKeeps(memory);
  await using spill = new MemorySpill(1 << 20);
  await spill.write(2 ** 40, new Uint8Array(10));
  assert.ok(spill.heldBytes <= 1 << 20, "sparse");
});

Deno.test("spillFilesIn() keeps what was written in a file without a name", async () => {
  await withTempDir(async (path) => {
    await assertKeeps(spillFilesIn(path, { limitBytes: 4 << 20 }));
    await using spill = await spillFilesIn(path)();
    await spill.write(2 ** 33, new Uint8Array(10));
    assert.equal([...Deno.readDirSync(path)].length, 0);
    await expectError("source", () => spill.readAt(2 ** 34, new Uint8Array(1)), "never written");
  });
  await expectError("source", spillFilesIn("/nowhere/at-all"));
});

Deno.test({
  name: "spillFilesIn() says that the disk is full",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await withTempDir(async (path) => {
      const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=64k", "none", path]);
      if (mounted.code !== 0) return console.log(`no mount here: ${mounted.stderr}`);
      try {
        await using spill = await spillFilesIn(path)();
        await expectError(
          "limit",
          () => spill.write(0, new Uint8Array(1 << 20)),
          "full",
          "Make room",
        );
      } finally {
        await run("umount", [path]);
      }
    });
  },
});
