import assert from "node:assert/strict";
import { ModulesTree } from "../../lib/kernel/modules_tree.ts";
import type { FileTree } from "../../lib/sources/file_tree.ts";
import { expectError } from "./expect_error.ts";
import { RELEASE } from "./fixture_tree.ts";
import { MemoryTree } from "./memory_tree.ts";
import { shownFiles } from "./shown_files.ts";

const D = `usr/lib/modules/${RELEASE}`;
const inner = () =>
  new MemoryTree({
    [`${D}/kernel/fs/a.ko`]: "A",
    [`${D}/build/Makefile`]: "of the host",
    [`${D}/kernel/source`]: "kept: only the top links go",
    [`${D}/modules.order`]: "order",
    [`${D}/modules.dep`]: "old",
    "usr/lib/modules/6.1.0-other/kernel/x.ko": "X",
    "usr/lib/os-release": "not ours",
    "home/me": "not ours",
  }, [`${D}/source`, `${D}/kernel/link`]);

/** Its files, below the release's directory. */
async function walk(tree: FileTree): Promise<string[]> {
  return (await shownFiles(tree)).map((path) => path.slice(D.length + 1));
}

Deno.test("ModulesTree shows exactly the release, owned by root, without links", async () => {
  await using tree = new ModulesTree(inner(), { directory: D });
  assert.deepEqual(await walk(tree), [
    "kernel/fs/a.ko",
    "kernel/source",
    "modules.dep",
    "modules.order",
  ]);
  assert.equal(await tree.stat(`${D}/build`), undefined);
  assert.equal(await tree.stat("usr/lib/os-release"), undefined);
  await expectError("not-found", () => tree.open("home/me"));
  await expectError("not-found", () => tree.open(`${D}/build/Makefile`));
  assert.deepEqual(await tree.list(`${D}/build`), []);
});

Deno.test("ModulesTree adds files in sorted places, over stored ones", async () => {
  const added = new Map([["modules.alias", new Uint8Array([1, 2])], [
    "modules.dep",
    new TextEncoder().encode("newer"),
  ]]);
  await using tree = new ModulesTree(inner(), { directory: D, added });
  assert.deepEqual(await walk(tree), [
    "kernel/fs/a.ko",
    "kernel/source",
    "modules.alias",
    "modules.dep",
    "modules.order",
  ]);
  await using reader = await tree.open(`${D}/modules.dep`);
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes);
  assert.equal(new TextDecoder().decode(bytes), "newer");
});
