import assert from "node:assert/strict";
import { indexFiles } from "../../lib/kernel/index_files.ts";
import { readModuleIndex } from "../../lib/kernel/read_module_index.ts";
import { expectError } from "./expect_error.ts";
import { moduleElf, RELEASE } from "./fixture_tree.ts";
import { MemoryTree } from "./memory_tree.ts";

const D = `usr/lib/modules/${RELEASE}`;
const MODULES = {
  [`${D}/kernel/a.ko`]: moduleElf({ depends: "b-x,c", softdep: "pre: crc32c post: z" }),
  [`${D}/kernel/sub/b-x.ko`]: moduleElf({ depends: "c", aliases: ["of:N*T*Cacme,bC*"] }),
  [`${D}/kernel/c.ko`]: moduleElf({ aliases: ["dmi:*pn A B*", "crc32c"] }),
};
const text = (files: Map<string, Uint8Array>, name: string) =>
  new TextDecoder().decode(files.get(name));

Deno.test("readModuleIndex() computes from the modules what depmod did not write", async () => {
  const index = await readModuleIndex(new MemoryTree(MODULES), D);
  assert.equal(index.origin, "modinfo");
  assert.deepEqual(index.modules.get("a"), {
    name: "a",
    path: "kernel/a.ko",
    dependencies: ["c", "b_x"],
  });
  const files = indexFiles(index);
  assert.equal(
    text(files, "modules.dep"),
    "kernel/a.ko: kernel/sub/b-x.ko kernel/c.ko\nkernel/c.ko:\nkernel/sub/b-x.ko: kernel/c.ko\n",
  );
  assert.match(text(files, "modules.softdep"), /^softdep a pre: crc32c post: z$/m);
  assert.ok(files.has("modules.dep.bin"));
  assert.match(text(files, "modules.alias"), /^alias of:N\*T\*Cacme,bC\* b_x$/m);
});

Deno.test("readModuleIndex() reads its own index files to the same index", async () => {
  const computed = await readModuleIndex(new MemoryTree(MODULES), D);
  const stored = Object.fromEntries(
    [...indexFiles(computed)].map(([name, bytes]) => [`${D}/${name}`, bytes]),
  );
  const read = await readModuleIndex(new MemoryTree({ ...MODULES, ...stored }), D);
  assert.deepEqual({ ...read, origin: "modinfo", files: computed.files }, computed);
  assert.equal(read.origin, "depmod");
  assert.equal(indexFiles(read).size, 0);
});

Deno.test("readModuleIndex() says so when there is no directory for the release", async () => {
  await expectError("tree", () => readModuleIndex(new MemoryTree({ a: "" }), D), D, "--kernel");
});

Deno.test("readModuleIndex() finds dependencies that are not there or go in a circle", async () => {
  const read = (modules: Record<string, Uint8Array>) => () =>
    readModuleIndex(new MemoryTree(modules), D);
  await expectError(
    "tree",
    read({ [`${D}/a.ko`]: moduleElf({ depends: "gone" }) }),
    '"gone" is not there',
  );
  await expectError(
    "tree",
    read({
      [`${D}/a.ko`]: moduleElf({ depends: "b" }),
      [`${D}/b.ko`]: moduleElf({ depends: "a" }),
    }),
    "need each other",
  );
  const dep = { "modules.dep": "a.ko: gone.ko\n", "modules.softdep": "", "modules.alias": "" };
  const stored = Object.fromEntries(Object.entries(dep).map(([k, v]) => [`${D}/${k}`, v]));
  await expectError("corrupt", () => readModuleIndex(new MemoryTree(stored), D), '"gone"');
});

Deno.test("readModuleIndex() stops at a chain that no kernel has", async () => {
  const chain: Record<string, Uint8Array> = {};
  for (let i = 0; i < 600; i++) chain[`${D}/m${i}.ko`] = moduleElf({ depends: `m${i + 1}` });
  chain[`${D}/m600.ko`] = moduleElf();
  await expectError("limit", () => readModuleIndex(new MemoryTree(chain), D), "in a row");
});

Deno.test("readModuleIndex() reads weak dependencies, from the modules and from depmod's file", async () => {
  const modules = {
    [`${D}/lan.ko`]: moduleElf({ weakdep: "phy-a phy_b" }),
    [`${D}/phy-a.ko`]: moduleElf({ weakdep: "phy_b" }),
    [`${D}/phy_b.ko`]: moduleElf(),
  };
  const computed = await readModuleIndex(new MemoryTree(modules), D);
  const written = Object.fromEntries([...computed.files!].map(([name, f]) => [`${D}/${name}`, f]));
  const read = await readModuleIndex(new MemoryTree({ ...modules, ...written }), D);
  assert.equal(read.origin, "depmod");
  for (const { weakdeps } of [computed, read]) {
    assert.deepEqual(weakdeps!.get("lan"), ["phy-a", "phy_b"]);
    assert.deepEqual(weakdeps!.get("phy_a"), ["phy_b"]);
  }
});

Deno.test("readModuleIndex() reads aliases with blanks, and lines of nothing else", async () => {
  const alias = [
    "# Aliases",
    "alias dmi:*pn A  B* c-d  ",
    "alias\tx\ty",
    "alias alone",
    `alias${" ".repeat(1 << 20)}`,
    `alias p${" ".repeat(1 << 20)}m`,
    "alias",
    "aliases a b",
  ].join("\n");
  const stored = { "modules.dep": "", "modules.softdep": "", "modules.alias": alias };
  const files = Object.fromEntries(Object.entries(stored).map(([k, v]) => [`${D}/${k}`, v]));
  const { aliases } = await readModuleIndex(new MemoryTree(files), D);
  assert.deepEqual(aliases, [
    { pattern: "dmi:*pn A  B*", module: "c_d" },
    { pattern: "x", module: "y" },
    { pattern: "p", module: "m" },
  ]);
});
