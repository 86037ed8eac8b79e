import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { readModules } from "../../lib/kernel/read_modules.ts";
import { expectError } from "./expect_error.ts";
import { moduleElf, RELEASE } from "./fixture_tree.ts";
import { MemoryTree } from "./memory_tree.ts";

const TARGET = { release: RELEASE, arch: "x86_64" } as const;
const load = (path: string, optional = false) => ({ name: path, path, optional });

Deno.test("readModules() gives plain modules under their plain names, in order", async () => {
  const tree = new MemoryTree({
    "d/k/b-2.ko.gz": gzipSync(moduleElf()),
    "d/k/a.ko.zst": zstdCompressSync(moduleElf({ depends: "b" })),
    "d/c.ko": moduleElf(),
  });
  const modules = [load("k/b-2.ko.gz"), load("k/a.ko.zst", true), load("c.ko")];
  const loaded = await readModules(tree, "d", modules, TARGET);
  assert.deepEqual(loaded.map((m) => [m.fileName, m.optional]), [
    ["b-2.ko", false],
    ["a.ko", true],
    ["c.ko", false],
  ]);
  assert.deepEqual(new Uint8Array(loaded[1]!.bytes), moduleElf({ depends: "b" }));
});

Deno.test("readModules() refuses another release and names both", async () => {
  for (const vermagic of ["6.11.0-old SMP", "6.12.3-test2 SMP", ""]) {
    const tree = new MemoryTree({ "d/a.ko": moduleElf({ vermagic }) });
    await expectError(
      "tree",
      () => readModules(tree, "d", [load("a.ko")], TARGET),
      `"${RELEASE}"`,
      `"${vermagic.split(" ")[0]}"`,
    );
  }
});

Deno.test("readModules() refuses another architecture and what is no module", async () => {
  const tree = new MemoryTree({ "d/a.ko": moduleElf({ machine: 183 }), "d/b.ko": "text" });
  await expectError("tree", () => readModules(tree, "d", [load("a.ko")], TARGET), "machine 183");
  await expectError("corrupt", () => readModules(tree, "d", [load("b.ko")], TARGET), "no ELF");
  await expectError("not-found", () => readModules(tree, "d", [load("c.ko")], TARGET), "c.ko");
});
