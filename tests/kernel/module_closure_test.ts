import assert from "node:assert/strict";
import { moduleClosure, type ModuleToLoad } from "../../lib/kernel/module_closure.ts";
import type { ModuleIndex } from "../../lib/kernel/module_index.ts";
import { readModuleIndex } from "../../lib/kernel/read_module_index.ts";
import { installModules } from "../../lib/kernel/install_modules.ts";
import { findKernelTree } from "../../lib/kernel/find_tree.ts";
import { DirectoryTree } from "../../lib/sources/directory.ts";
import { expectError } from "./expect_error.ts";
import { moduleElf, RELEASE, temporary, writeFiles } from "./fixture_tree.ts";
import { MemoryTree } from "./memory_tree.ts";
import { hasProgram, realTree } from "./real_trees.ts";

const DIRECTORY = `usr/lib/modules/${RELEASE}`;

/** Modules like Debian's 6.12: checksum drivers behind aliases, a soft cycle, dashes in names. */
const MODULES: Record<string, Parameters<typeof moduleElf>[0]> = {
  "kernel/fs/erofs/erofs.ko": { depends: "libcrc32c", aliases: ["fs-erofs"] },
  "kernel/fs/ext4/ext4.ko": { depends: "jbd2,crc16", softdep: "pre: crypto-crc32c" },
  "kernel/fs/jbd2/jbd2.ko": {},
  "kernel/lib/crc16.ko": {},
  "kernel/lib/libcrc32c.ko": { softdep: "pre: crc32c" },
  "kernel/crypto/crc32c_generic.ko": {
    depends: "crypto_hash",
    aliases: ["crypto-crc32c", "crc32c", "crypto-crc32c-generic"],
  },
  "kernel/arch/x86/crypto/crc32c-intel.ko": {
    depends: "crypto_hash",
    aliases: ["crypto-crc32c", "crc32c", "cpu:type:x86,ven*fam*mod*:feature:*0094*"],
  },
  "kernel/crypto/crypto_hash.ko": { depends: "crypto_algapi" },
  "kernel/crypto/crypto_algapi.ko": { softdep: "pre: cryptomgr" },
  "kernel/crypto/cryptomgr.ko": { depends: "crypto_algapi,crypto_hash" },
  "kernel/drivers/usb/common/usb-common.ko": {},
  "kernel/drivers/usb/gadget/udc/udc-core.ko": { depends: "usb-common" },
  "kernel/drivers/usb/gadget/libcomposite.ko": { depends: "udc-core", softdep: "post: u_extra" },
  "kernel/drivers/usb/gadget/u-extra.ko": { depends: "usb-common", softdep: "pre: no_such_thing" },
};
const BUILTIN = "kernel/fs/configfs/configfs.ko\nkernel/drivers/block/ublk_drv.ko\n";
const BUILTIN_MODINFO = "configfs.alias=fs-configfs\0overlay.license=GPL\0";

const files = (): Record<string, string | Uint8Array> => ({
  ...Object.fromEntries(
    Object.entries(MODULES).map(([path, parts]) => [`${DIRECTORY}/${path}`, moduleElf(parts)]),
  ),
  [`${DIRECTORY}/modules.builtin`]: BUILTIN,
  [`${DIRECTORY}/modules.builtin.modinfo`]: BUILTIN_MODINFO,
  [`${DIRECTORY}/modules.order`]: Object.keys(MODULES).join("\n") + "\n",
});
const index = () => readModuleIndex(new MemoryTree(files()), DIRECTORY);
const marked = (modules: ModuleToLoad[]) => modules.map((m) => (m.optional ? "?" : "") + m.name);

Deno.test("moduleClosure() loads the checksum driver before libcrc32c and erofs, as optional", async () => {
  const order = marked(moduleClosure(await index(), ["erofs"]));
  assert.ok(order.indexOf("?crc32c_generic") >= 0, order.join());
  assert.ok(order.indexOf("?crc32c_generic") < order.indexOf("libcrc32c"));
  assert.ok(order.indexOf("?crypto_hash") < order.indexOf("?crc32c_generic"));
  assert.deepEqual(order.slice(-2), ["libcrc32c", "erofs"]);
  assert.ok(order.includes("?crc32c_intel"), "every driver behind the alias comes along");
});

Deno.test("moduleClosure() ends at a soft cycle and names each module once", async () => {
  const order = marked(moduleClosure(await index(), ["crypto_hash", "crypto-hash"]));
  assert.deepEqual(
    order,
    ["crypto_algapi", "crypto_hash", "?cryptomgr"].sort((a, b) =>
      order.indexOf(a) - order.indexOf(b)
    ),
  );
  assert.ok(order.indexOf("crypto_algapi") < order.indexOf("?cryptomgr"));
});

Deno.test("moduleClosure() puts post dependencies behind, and skips unknown soft ones", async () => {
  const order = marked(moduleClosure(await index(), ["libcomposite"]));
  assert.deepEqual(order, ["usb_common", "udc_core", "libcomposite", "?u_extra"]);
});

Deno.test("moduleClosure() takes names, file names and aliases, with - and _ alike", async () => {
  for (const name of ["udc-core", "udc_core", "udc-core.ko"]) {
    assert.deepEqual(marked(moduleClosure(await index(), [name])), ["usb_common", "udc_core"]);
  }
  const byAlias = moduleClosure(await index(), ["fs-erofs"]);
  assert.equal(byAlias.at(-1)!.path, "kernel/fs/erofs/erofs.ko");
});

Deno.test("moduleClosure() leaves built-ins and their aliases out", async () => {
  assert.deepEqual(moduleClosure(await index(), ["configfs", "ublk-drv", "fs-configfs"]), []);
});

Deno.test("moduleClosure() names all that is missing, where it searched, and near names", async () => {
  const found = await index();
  await expectError(
    "tree",
    () => moduleClosure(found, ["erofz", "configfs", "dwc3_qcom", "ublk_drw"]),
    '"erofz" (near: erofs)',
    '"dwc3_qcom"',
    "ublk_drv",
    DIRECTORY,
    "14 modules and 2 built-ins",
  );
});

Deno.test("moduleClosure() stops at soft dependencies nested without end", async () => {
  const modules = new Map<string, { name: string; path: string; dependencies: string[] }>();
  const softdeps = new Map<string, { pre: string[]; post: string[] }>();
  for (let i = 0; i < 20_000; i++) {
    modules.set(`m${i}`, { name: `m${i}`, path: `m${i}.ko`, dependencies: [] });
    softdeps.set(`m${i}`, { pre: [`m${i + 1}`], post: [] });
  }
  const hostile: ModuleIndex = {
    directory: "d",
    modules,
    softdeps,
    aliases: [],
    builtin: new Set(),
    builtinAliases: [],
    origin: "depmod",
  };
  await expectError("limit", () => moduleClosure(hostile, ["m0"]));
});

/** modprobe's own order, each path once. */
async function modprobeOrder(root: string, release: string, name: string): Promise<string[]> {
  const { stdout, success } = await new Deno.Command("modprobe", {
    args: ["-S", release, "-d", `${root}/usr`, "-C", "/dev/null", "--show-depends", name],
    env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
  }).output();
  assert.ok(success, `modprobe --show-depends ${name}`);
  const prefix = `${root}/usr/lib/modules/${release}/`;
  const paths = [...new TextDecoder().decode(stdout).matchAll(/^insmod (\S+)/gm)]
    .map((match) => match[1]!.slice(prefix.length));
  return [...new Set(paths)];
}

async function assertLikeModprobe(root: string, release: string): Promise<number> {
  await using tree = new DirectoryTree(root);
  const found = await readModuleIndex(tree, `usr/lib/modules/${release}`);
  assert.equal(found.origin, "depmod");
  for (const name of found.modules.keys()) {
    const ours = moduleClosure(found, [name]).map(({ path }) => path);
    assert.deepEqual(ours, await modprobeOrder(root, release, name), name);
  }
  return found.modules.size;
}

const hasKmod = hasProgram("depmod") && hasProgram("modprobe");

Deno.test({
  name: "moduleClosure() gives modprobe's set and order for each module of the fixture",
  ignore: !hasKmod,
  fn: async () => {
    await using dir = await temporary();
    await writeFiles(dir.path, files());
    const depmod = await new Deno.Command("depmod", {
      args: ["-a", "-b", `${dir.path}/usr`, RELEASE],
      env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
    }).output();
    assert.ok(depmod.success, new TextDecoder().decode(depmod.stderr));
    assert.equal(await assertLikeModprobe(dir.path, RELEASE), Object.keys(MODULES).length);
  },
});

for (const arch of ["x86_64", "aarch64"] as const) {
  const out = realTree(arch);
  Deno.test({
    name:
      `moduleClosure() gives modprobe's set and order for each module of the lab's ${arch} tree`,
    ignore: out === undefined || !hasKmod,
    fn: async () => {
      await using dir = await temporary();
      const env = Deno.env.toObject();
      const tree = await findKernelTree(out!, { env });
      const { rootPath } = await installModules(tree, dir.path, { env });
      assert.equal(await assertLikeModprobe(rootPath, tree.release), tree.moduleCount);
    },
  });
}
