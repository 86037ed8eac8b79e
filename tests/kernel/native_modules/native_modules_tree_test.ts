import assert from "node:assert/strict";
import { NativeModulesTree } from "../../../lib/kernel/native_modules/native_modules_tree.ts";
import { planNativeModules } from "../../../lib/kernel/native_modules/plan_native_modules.ts";
import { readTreeFile } from "../../../lib/kernel/read_tree_file.ts";
import { expectError } from "../expect_error.ts";
import { shownFiles } from "../shown_files.ts";
import { elf, moduleElf, RELEASE, temporary, writeBuild, writeFiles } from "../fixture_tree.ts";

const D = `usr/lib/modules/${RELEASE}`;
const LIMIT = 1 << 20;

/** A module with debug information: half of it goes. */
function debugModule(fill: string): Uint8Array<ArrayBuffer> {
  const data = (text: string) => new TextEncoder().encode(text);
  return elf(62, 1, [], [
    { name: ".text", data: data(fill.repeat(2000)) },
    { name: ".debug_info", data: data("d".repeat(4000)) },
    { name: ".data", data: data(fill.repeat(1000)) },
  ]);
}

async function build() {
  const dir = await temporary();
  await writeBuild(dir.path, "x86_64");
  await writeFiles(dir.path, {
    "modules.order": "fs/erofs/erofs.o\nlib/libcrc32c.o\n",
    "modules.builtin": "kernel/fs/ext4/ext4.ko\n",
    "fs/erofs/erofs.ko": debugModule("e"),
    "fs/erofs/notes.txt": "not installed",
  });
  return dir;
}

Deno.test("NativeModulesTree shows what modules_install would install, and only that", async () => {
  await using dir = await build();
  const plan = await planNativeModules({ outDir: dir.path, release: RELEASE });
  await using tree = new NativeModulesTree(D, plan);
  assert.deepEqual(await shownFiles(tree), [
    `${D}/kernel/fs/erofs/erofs.ko`,
    `${D}/kernel/lib/libcrc32c.ko`,
    `${D}/modules.builtin`,
    `${D}/modules.order`,
  ]);
  const text = async (path: string) =>
    new TextDecoder().decode(await readTreeFile(tree, `${D}/${path}`, LIMIT));
  assert.equal(await text("modules.order"), "kernel/fs/erofs/erofs.ko\nkernel/lib/libcrc32c.ko\n");
  assert.equal(await text("modules.builtin"), "kernel/fs/ext4/ext4.ko\n");
  const stripped = await text("kernel/fs/erofs/erofs.ko");
  assert.ok(stripped.includes("e".repeat(2000)) && !stripped.includes("dddd"));
  const plain = await readTreeFile(tree, `${D}/kernel/lib/libcrc32c.ko`, LIMIT);
  assert.deepEqual(plain, await Deno.readFile(`${dir.path}/lib/libcrc32c.ko`));
  assert.equal(await tree.stat(`${D}/kernel/fs/erofs/notes.txt`), undefined);
  await expectError("not-found", () => tree.list(`${D}/kernel/net`));
  await expectError("not-found", () => tree.open(`${D}/kernel/fs`));
});

for (const background of [false, true]) {
  Deno.test(`NativeModulesTree answers source for a changed module, background ${background}`, async () => {
    await using dir = await build();
    const plan = await planNativeModules({ outDir: dir.path, release: RELEASE });
    await using tree = new NativeModulesTree(D, plan);
    if (background) tree.readInBackground();
    const path = `${D}/kernel/fs/erofs/erofs.ko`;
    const reader = await tree.open(path);
    const into = new Uint8Array(100);
    await reader.readAt(64, into);
    assert.equal(new TextDecoder().decode(into), "e".repeat(100));
    await Deno.writeFile(`${dir.path}/fs/erofs/erofs.ko`, debugModule("n"));
    await Deno.utime(`${dir.path}/fs/erofs/erofs.ko`, 1_800_000_000, 1_800_000_000);
    await expectError("source", () => reader.readAt(64, into), "erofs.ko", "modified");
    await expectError("source", () => tree.open(path), "erofs.ko");
    // As ld does it: another file in the same place.
    const other = `${dir.path}/lib/libcrc32c.ko`;
    const bytes = await Deno.readFile(other);
    await Deno.writeFile(`${other}.new`, bytes);
    await Deno.rename(`${other}.new`, other);
    const late = await tree.open(`${D}/kernel/lib/libcrc32c.ko`);
    await expectError("source", () => late.readAt(0, into), "taken its place");
  });
}

Deno.test("planNativeModules() follows links inside a build", async () => {
  await using dir = await build();
  await Deno.rename(`${dir.path}/fs/erofs`, `${dir.path}/elsewhere`);
  await Deno.symlink("../elsewhere", `${dir.path}/fs/erofs`);
  await Deno.rename(`${dir.path}/lib/libcrc32c.ko`, `${dir.path}/crc.ko`);
  await Deno.symlink("../crc.ko", `${dir.path}/lib/libcrc32c.ko`);
  const plan = await planNativeModules({ outDir: dir.path, release: RELEASE });
  await using tree = new NativeModulesTree(D, plan);
  for (const path of ["kernel/fs/erofs/erofs.ko", "kernel/lib/libcrc32c.ko"]) {
    await readTreeFile(tree, `${D}/${path}`, LIMIT);
  }
});

Deno.test("planNativeModules() names what is missing or damaged", async () => {
  await using dir = await build();
  const attempt = () => planNativeModules({ outDir: dir.path, release: RELEASE });
  const erofs = `${dir.path}/fs/erofs/erofs.ko`;
  const whole = await Deno.readFile(erofs);
  for (const sizeBytes of [0, 63, 64, 5000, whole.length - 1]) {
    await Deno.writeFile(erofs, whole.subarray(0, sizeBytes));
    await expectError("corrupt", attempt, "fs/erofs/erofs.ko");
  }
  await Deno.truncate(erofs, (256 << 20) + 1);
  await expectError("limit", attempt, "fs/erofs/erofs.ko");
  await Deno.remove(erofs);
  await expectError("tree", attempt, "fs/erofs/erofs.ko", "make modules");
  await Deno.mkdir(erofs);
  await expectError("tree", attempt, "fs/erofs/erofs.ko");
  await Deno.remove(`${dir.path}/modules.order`);
  await expectError("tree", attempt, "no modules.order");
});

Deno.test("planNativeModules() installs modules from outside into updates, of this release only", async () => {
  await using dir = await build();
  await using outside = await temporary();
  await writeFiles(outside.path, {
    "modules.order": `${outside.path}/a.o\n${outside.path}/deep/b.o\n`,
    "a.ko": moduleElf(),
    "deep/b.ko": moduleElf(),
  });
  const attempt = () =>
    planNativeModules({ outDir: dir.path, release: RELEASE }, { outsideDirs: [outside.path] });
  const plan = await attempt();
  assert.ok(plan.has("updates/a.ko") && plan.has("updates/deep/b.ko"));
  await writeFiles(outside.path, { "a.ko": moduleElf({ vermagic: "6.1.0-old SMP " }) });
  await expectError("tree", attempt, "6.1.0-old", RELEASE, "make M=DIR");
});
