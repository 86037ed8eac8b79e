import assert from "node:assert/strict";
import { findKernelTree, type FindTreeOptions } from "../../lib/kernel/find_tree.ts";
import { expectError } from "./expect_error.ts";
import {
  arm64Image,
  bzImage,
  dtbHeader,
  fakeMake,
  outputMakefile,
  RELEASE,
  setTime,
  SOURCE_FILES,
  temporary,
  writeBuild,
  writeFiles,
} from "./fixture_tree.ts";
import { realTree } from "./real_trees.ts";
import type { Arch } from "../../lib/kernel/arch.ts";

const find = (dir: string, options: Partial<FindTreeOptions> = {}) =>
  findKernelTree(dir, { env: {}, ...options });

/** Sources in `src`, a finished build in `out`. */
async function separate(arch: Arch) {
  const dir = await temporary();
  const [src, out] = [`${dir.path}/src`, `${dir.path}/out`];
  await writeFiles(src, SOURCE_FILES);
  await writeBuild(out, arch);
  await writeFiles(out, { "Makefile": outputMakefile(src) });
  await Deno.symlink(src, `${out}/source`);
  return { src, out, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

Deno.test("findKernelTree() finds a build inside of its sources, from any folder below", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, SOURCE_FILES);
  await writeBuild(dir.path, "x86_64");
  for (const below of ["", "/fs", "/fs/erofs", "/arch/x86/boot"]) {
    const tree = await find(dir.path + below);
    assert.equal(tree.sourceDir, dir.path);
    assert.equal(tree.outDir, dir.path);
    assert.equal(tree.arch, "x86_64");
    assert.equal(tree.release, RELEASE);
    assert.equal(tree.moduleCount, 2);
    assert.equal(tree.kconfig.get("EROFS_FS"), "m");
    assert.deepEqual(new Uint8Array(tree.image.bytes), bzImage());
  }
});

Deno.test("findKernelTree() takes an output directory by itself, or sources with KBUILD_OUTPUT", async () => {
  await using at = await separate("aarch64");
  const ways: [string, Partial<FindTreeOptions>][] = [
    [at.out, {}],
    [`${at.out}/fs/erofs`, {}],
    [at.out, { env: { KBUILD_OUTPUT: "/elsewhere" } }],
    [at.src, { env: { KBUILD_OUTPUT: at.out } }],
    [`${at.src}/fs`, { env: { KBUILD_OUTPUT: "../out" } }],
  ];
  for (const [dir, options] of ways) {
    const tree = await find(dir, options);
    assert.deepEqual([tree.sourceDir, tree.outDir, tree.arch], [at.src, at.out, "aarch64"]);
    assert.equal(tree.imagePath, `${at.out}/arch/arm64/boot/Image.gz`);
    assert.deepEqual(new Uint8Array(tree.image.bytes), arm64Image());
    assert.ok(tree.image.gzip);
  }
  await expectError("tree", () => find(at.src), "no .config", "KBUILD_OUTPUT");
  const lost = { env: { KBUILD_OUTPUT: "/no/such" } };
  await expectError("tree", () => find(at.src, lost), "/no/such", "Unset KBUILD_OUTPUT");
});

Deno.test("findKernelTree() follows a tree that is reached by a link", async () => {
  await using at = await separate("x86_64");
  await Deno.symlink(at.out, `${at.src}/../link`);
  assert.equal((await find(`${at.src}/../link`)).outDir, at.out);
});

Deno.test("findKernelTree() says so where no kernel tree is", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, { "Makefile": "all:\n", "sub/x": "" });
  await expectError("tree", () => find(`${dir.path}/sub`), "neither it nor", "--kernel=DIR");
  await expectError("tree", () => find(`${dir.path}/no`), "no such directory");
});

Deno.test("findKernelTree() refuses paths kbuild cannot take", async () => {
  await using dir = await temporary();
  for (const name of ["my kernel", "a:b", "a$(x)b"]) {
    await writeFiles(`${dir.path}/${name}`, SOURCE_FILES);
    await writeBuild(`${dir.path}/${name}`, "x86_64");
    await expectError("tree", () => find(`${dir.path}/${name}`), "kbuild cannot take");
  }
  await writeFiles(`${dir.path}/plain`, SOURCE_FILES);
  await expectError(
    "tree",
    () => find(`${dir.path}/plain`, { env: { KBUILD_OUTPUT: `${dir.path}/my kernel` } }),
    "space",
  );
});

Deno.test("findKernelTree() lists all that an unbuilt tree lacks, with the commands", async () => {
  await using at = await separate("aarch64");
  await writeFiles(at.out, {
    "arch/arm64": null,
    "modules.order": null,
    "include/config/kernel.release": null,
    "vmlinux": null,
  });
  const error = await expectError(
    "tree",
    () => find(at.out, { devicetreeName: "qcom/sdm845-one" }),
    "3 things are not ready",
    "kernel image: no arch/arm64/boot/{Image.gz,Image,vmlinuz.efi}",
    "modules: not built, no modules.order",
    "device tree: no arch/arm64/boot/dts/qcom/sdm845-one.dtb",
  );
  const make = `make -C ${at.out} ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- -j$(nproc)`;
  const [, ...commands] = error.hint!.split("\n");
  assert.deepEqual(commands, [`${make} Image.gz`, `${make} modules`, `${make} dtbs`]);
});

Deno.test("findKernelTree() wants modules when the configuration has some", async () => {
  await using at = await separate("x86_64");
  await writeFiles(at.out, { "modules.order": null });
  await expectError("tree", () => find(at.out), "not built, no modules.order", "modules");
});

Deno.test("findKernelTree() takes a kernel without modules", async () => {
  await using at = await separate("x86_64");
  const config = (await Deno.readTextFile(`${at.out}/.config`))
    .replace("CONFIG_MODULES=y", "# CONFIG_MODULES is not set").replace("=m", "=y");
  await writeFiles(at.out, {
    ".config": config,
    "include/config/auto.conf": config,
    "modules.order": null,
  });
  await setTime(`${at.out}/.config`, 0);
  assert.equal((await find(at.out)).moduleCount, 0);
});

Deno.test("findKernelTree() finds a build that was cut short", async () => {
  const cases: [string, (out: string) => Promise<void>, string][] = [
    ["a module is missing", (out) => writeFiles(out, { "lib/libcrc32c.ko": null }), "1 of 2 not"],
    [
      "a module is older than its object",
      (out) => setTime(`${out}/fs/erofs/erofs.o`, 99),
      "erofs.ko",
    ],
    ["vmlinux is newer than the image", (out) => setTime(`${out}/vmlinux`, 99), "vmlinux is newer"],
    ["objects are newer than vmlinux", (out) => setTime(`${out}/vmlinux.a`, 6.5), "than vmlinux"],
    [
      "the image is cut",
      (out) => Deno.truncate(`${out}/arch/x86/boot/bzImage`, 1500),
      "1500 of 2048 bytes",
    ],
  ];
  for (const [name, damage, text] of cases) {
    await using at = await separate("x86_64");
    // vmlinux.a may be newer than vmlinux only while the image is newer than both.
    await damage(at.out);
    if (name.startsWith("objects")) await setTime(`${at.out}/vmlinux`, 5);
    if (name.startsWith("the image")) await setTime(`${at.out}/arch/x86/boot/bzImage`, 50);
    await expectError("tree", () => find(at.out), text, "make -C");
  }
});

Deno.test("findKernelTree() compares a newer .config with the built one", async () => {
  await using at = await separate("x86_64");
  await setTime(`${at.out}/.config`, 99);
  await setTime(`${at.out}/include/config/kernel.release`, 99);
  assert.equal((await find(at.out)).release, RELEASE, "touched, but equal");
  const config = await Deno.readTextFile(`${at.out}/.config`);
  await writeFiles(at.out, { ".config": config + "CONFIG_OVERLAY_FS=m\n" });
  await expectError(
    "tree",
    () => find(at.out),
    "changed since the last build: CONFIG_OVERLAY_FS=m (built: n)",
    "bzImage",
  );
});

Deno.test("findKernelTree() does not mind modules older than .config", async () => {
  await using at = await separate("x86_64");
  for (const name of ["fs/erofs/erofs.o", "fs/erofs/erofs.ko"]) {
    await setTime(`${at.out}/${name}`, -100);
  }
  assert.equal((await find(at.out)).moduleCount, 2);
});

Deno.test("findKernelTree() names both architectures when they differ", async () => {
  await using at = await separate("x86_64");
  await expectError("tree", () => find(at.out, { arch: "aarch64" }), "x86_64", "ARCH=arm64");
  await writeFiles(at.out, { ".config": "CONFIG_RISCV=y\n" });
  await expectError("tree", () => find(at.out), "neither x86_64 nor arm64");
});

Deno.test("findKernelTree() names both releases when image and tree differ", async () => {
  await using at = await separate("x86_64");
  await writeFiles(at.out, { "arch/x86/boot/bzImage": bzImage("6.12.2-older") });
  await expectError("tree", () => find(at.out), '"6.12.2-older"', `"${RELEASE}"`);
});

Deno.test("findKernelTree() asks make for the release when its file is old and the image disagrees", async () => {
  await using at = await separate("x86_64");
  await setTime(`${at.out}/include/config/kernel.release`, -1);
  const absent = { PATH: at.src };
  assert.equal((await find(at.out, { env: absent })).release, RELEASE, "file and image agree");
  await writeFiles(at.out, { "include/config/kernel.release": "6.12.2-older\n" });
  await setTime(`${at.out}/include/config/kernel.release`, -1);
  const log = `${at.out}/args`;
  const env = await fakeMake(`${at.src}/bin`, `echo "$@" > ${log}; echo ${RELEASE}`);
  assert.equal((await find(at.out, { env })).release, RELEASE);
  const args = (await Deno.readTextFile(log)).trim();
  assert.equal(args, `-s -C ${at.out} ARCH=x86_64 kernelrelease`);
  const wild = await fakeMake(`${at.src}/bin`, "echo ../../etc");
  await expectError("tree", () => find(at.out, { env: wild }), "is no release");
});

Deno.test({
  name: "findKernelTree() says what to do when make may not be asked for the release",
  permissions: { read: true, write: true, run: false },
  fn: async () => {
    await using at = await separate("x86_64");
    await Deno.remove(`${at.out}/include/config/kernel.release`);
    const hint = "Build the tree again, or allow it: --allow-run=make";
    await expectError("tree", () => find(at.out), "is not there", hint);
  },
});

Deno.test("findKernelTree() takes the newest image that is whole, and never vmlinux", async () => {
  await using at = await separate("aarch64");
  const boot = `${at.out}/arch/arm64/boot`;
  await setTime(`${boot}/Image`, 90);
  assert.equal((await find(at.out)).imagePath, `${boot}/Image`);
  await writeFiles(boot, { "vmlinuz.efi": new Uint8Array(100) });
  assert.equal((await find(at.out)).imagePath, `${boot}/Image`, "vmlinuz.efi is broken");
  await writeFiles(at.out, { "arch/arm64": null });
  await expectError("tree", () => find(at.out), "no arch/arm64/boot/");
});

Deno.test("findKernelTree() finds the board's device tree by name, or by its base name", async () => {
  await using at = await separate("aarch64");
  const dts = `${at.out}/arch/arm64/boot/dts`;
  const dtb = async (devicetreeName: string) => (await find(at.out, { devicetreeName })).dtb!.path;
  assert.equal(await dtb("qcom/sdm845-one"), `${dts}/qcom/sdm845-one.dtb`);
  assert.equal(await dtb("sdm845-one"), `${dts}/qcom/sdm845-one.dtb`);
  await writeFiles(dts, { "acme/sdm845-one.dtb": dtbHeader() });
  assert.equal(await dtb("qcom/sdm845-one"), `${dts}/qcom/sdm845-one.dtb`);
  await expectError("tree", () => dtb("sdm845-one"), "several");
});

Deno.test("findKernelTree() refuses a device tree that is none, cut, absent or outside", async () => {
  await using at = await separate("aarch64");
  const name = "arch/arm64/boot/dts/qcom/sdm845-one.dtb";
  const ask = (devicetreeName: string) => () => find(at.out, { devicetreeName });
  await expectError(
    "tree",
    ask("qcom/sdm845-onf"),
    "sources have none",
    "near: sdm845-one",
    "dtbs",
  );
  await expectError("usage", ask("../../../etc/passwd"), "is no name");
  await writeFiles(at.out, { [name]: dtbHeader().subarray(0, 39) });
  await expectError("tree", ask("qcom/sdm845-one"), "no flattened device tree");
  const long = dtbHeader();
  long[7] = 41;
  await writeFiles(at.out, { [name]: long });
  await expectError("tree", ask("qcom/sdm845-one"), "cut short");
});

Deno.test("findKernelTree() stops when it is aborted", async () => {
  await using at = await separate("x86_64");
  await expectError("cancelled", () => find(at.out, { signal: AbortSignal.abort() }));
});

Deno.test("findKernelTree() counts 5000 modules behind links", async () => {
  await using at = await separate("x86_64");
  let order = "";
  for (let i = 0; i < 5000; i++) {
    order += `m/m${i}.o\n`;
    if (i === 0) await Deno.mkdir(`${at.out}/m`);
    await Deno.symlink("../lib/libcrc32c.ko", `${at.out}/m/m${i}.ko`);
  }
  await writeFiles(at.out, { "modules.order": order });
  assert.equal((await find(at.out)).moduleCount, 5000);
});

for (const arch of ["x86_64", "aarch64"] as const) {
  const out = realTree(arch);
  Deno.test({
    name: `findKernelTree() finds the lab's ${arch} tree from a folder in it`,
    ignore: out === undefined,
    fn: async () => {
      const tree = await findKernelTree(`${out}/fs/erofs`, { env: Deno.env.toObject(), arch });
      const order = (await Deno.readTextFile(`${out}/modules.order`)).trim().split("\n");
      assert.deepEqual([tree.outDir, tree.moduleCount], [await Deno.realPath(out!), order.length]);
      assert.equal(tree.image.release, tree.release);
    },
  });
}
