/** The lab's Debian root with Debian's own kernel in it, where it has been made (`deno task test:lab`). */
import assert from "node:assert/strict";
import { openErofs } from "../../../lib/filesystems/erofs/open_erofs.ts";
import { decodeXz } from "../../../lib/images/xz/decode_xz.ts";
import { moduleClosure } from "../../../lib/kernel/module_closure.ts";
import { readModuleIndex } from "../../../lib/kernel/read_module_index.ts";
import { readModules } from "../../../lib/kernel/read_modules.ts";
import { findRootKernel } from "../../../lib/kernel/root_kernel/find_root_kernel.ts";
import { unmetStage0Symbols } from "../../../lib/kernel/unmet_stage0_symbols.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { stage0Modules } from "../../../lib/stage0/stage0_modules.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { hasTool, run } from "../../filesystems/foreign_tools.ts";
import { debianModules } from "../real_trees.ts";

const package_ = debianModules()?.replace(/\/lib\/modules\/.*/, "");
const release = debianModules()?.replace(/.*\//, "") ?? "";
const image = package_?.replace(/[^/]*$/, "debian-kernel-x86_64.ero");
const isThere = image !== undefined && await Deno.stat(image).then(() => true, () => false);

Deno.test({
  name: "findRootKernel() finds Debian's kernel, and all that stage0 loads of it, in an EROFS root",
  ignore: !isThere || !hasTool("modprobe"),
  fn: async () => {
    await using tree = await openErofs(await openFile(image!));
    const kernel = await findRootKernel(tree, { arch: "x86_64" });
    assert.equal(kernel.release, release);
    const stored = await Deno.readFile(`${package_}/boot/vmlinuz-${release}`);
    assert.deepEqual(new Uint8Array(kernel.image.bytes), stored);
    assert.equal(kernel.modulesDirectory, `usr/lib/modules/${release}`);
    const needs = { rootfs: "erofs", needModulesExport: false } as const;
    assert.deepEqual(unmetStage0Symbols(kernel.kconfig!, needs), []);

    const directory = kernel.modulesDirectory!;
    const index = await readModuleIndex(tree, directory);
    const closure = moduleClosure(index, stage0Modules({ rootfs: "erofs", modulesExport: false }));
    const xz = (bytes: Uint8Array, limit: number) => Promise.resolve(decodeXz(bytes, limit));
    const loaded = await readModules(tree, directory, closure, kernel, { xz });
    const names = loaded.map(({ fileName }) => fileName);
    // The soft dependency without which no 6.12 mounts erofs.
    assert.ok(names.includes("crc32c_generic.ko"), names.join());
    assert.ok(names.indexOf("libcrc32c.ko") < names.indexOf("erofs.ko"), names.join());
    const words = ["-d", package_!, "-S", release, "--show-depends", "ublk_drv", "erofs"];
    for (const [, name] of (await run("modprobe", words)).stdout.matchAll(/([^/\s]+\.ko)\.xz/g)) {
      assert.ok(names.includes(name!), `${name} of modprobe is not in ${names}`);
    }
  },
});

Deno.test({
  name: "findRootKernel() tells that Debian's kernel for a PC is none for a phone",
  ignore: !isThere,
  fn: async () => {
    await using tree = await openErofs(await openFile(image!));
    const phone = findRootKernel(tree, { arch: "aarch64" });
    await assert.rejects(phone, ofKind("not-found", /it is for x86_64, the device is aarch64/));
  },
});
