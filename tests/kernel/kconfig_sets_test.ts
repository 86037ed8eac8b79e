import assert from "node:assert/strict";
import { kconfigFragment } from "../../lib/kernel/kconfig_fragment.ts";
import { type Kconfig, parseKconfig } from "../../lib/kernel/kconfig.ts";
import { unmetRequirements } from "../../lib/kernel/kconfig_requirement.ts";
import {
  KCONFIG_SET_NAMES,
  kconfigSet,
  type KconfigSetName,
} from "../../lib/kernel/kconfig_sets.ts";
import { debianArm64 } from "./dt_modules/debian_arm64.ts";
import { temporary } from "./fixture_tree.ts";
import { hasProgram, realTree } from "./real_trees.ts";

const unmetOf = (name: KconfigSetName, kconfig: Kconfig, rootfs: "erofs" | "ext4" = "erofs") =>
  unmetRequirements(kconfig, kconfigSet(name, kconfig, { rootfs }));

Deno.test("kconfigSet() is met by a configuration that has it all, and each symbol counts", () => {
  for (const name of KCONFIG_SET_NAMES) {
    const base = "CONFIG_ARM64=y\nCONFIG_MODULES=y\n";
    const needed = kconfigSet(name, parseKconfig(base), { rootfs: "erofs" });
    const full = (without?: string) =>
      parseKconfig(
        base + needed.filter(({ symbol }) => symbol !== without)
          .map(({ symbol }) => `CONFIG_${symbol}=y\n`).join(""),
      );
    assert.deepEqual(unmetOf(name, full()), []);
    for (const { symbol } of needed) {
      assert.deepEqual(unmetOf(name, full(symbol)).map((unmet) => unmet.symbol), [symbol]);
    }
  }
});

Deno.test("kconfigSet() takes no modules for guests, and the generic PCI host for arm64 alone", () => {
  const modular = parseKconfig("CONFIG_MODULES=y\nCONFIG_VIRTIO_PCI=m\nCONFIG_PCI=y\n");
  assert.deepEqual(unmetOf("qemu-pci", modular).map(({ line }) => line), ["CONFIG_VIRTIO_PCI=y"]);
  const arm = parseKconfig("CONFIG_ARM64=y\nCONFIG_PCI=y\nCONFIG_VIRTIO_PCI=y\n");
  assert.deepEqual(unmetOf("qemu-pci", arm).map(({ symbol }) => symbol), ["PCI_HOST_GENERIC"]);
});

Deno.test("kconfigFragment() names the menus first, each line once, and only what is not set", () => {
  const kconfig = parseKconfig("CONFIG_MODULES=y\nCONFIG_USB_SUPPORT=y\nCONFIG_IO_URING=y\n");
  const needed = kconfigSet("stage0", kconfig, { rootfs: "ext4" });
  const unmet = unmetRequirements(kconfig, needed);
  const fragment = kconfigFragment(kconfig, [...needed, ...needed], unmet);
  const lines = fragment.split("\n").filter((line) => line.startsWith("CONFIG_"));
  assert.equal(new Set(lines).size, lines.length);
  assert.ok(lines.indexOf("CONFIG_BLOCK=y") < lines.indexOf("CONFIG_BLK_DEV_UBLK=m"));
  assert.ok(!fragment.includes("USB_SUPPORT") && !fragment.includes("IO_URING"));
  assert.ok(lines.includes("CONFIG_USB_GADGET=m") && !lines.includes("CONFIG_USB_GADGET=y"));
  assert.match(fragment, /# to mount the root file system\nCONFIG_EXT4_FS=m\n/);
  assert.equal(kconfigFragment(kconfig, needed, []), "");
});

const debian = debianArm64();
Deno.test({
  name: "kconfigSet() holds what Debian's arm64 kernel can do, and names what it lacks as a guest",
  ignore: debian === undefined,
  fn: async () => {
    const text = await Deno.readTextFile(`${debian!.root}/boot/config-${debian!.release}`);
    const kconfig = parseKconfig(text);
    for (const rootfs of ["erofs", "ext4"] as const) {
      assert.deepEqual(unmetOf("stage0", kconfig, rootfs), []);
    }
    assert.deepEqual(unmetOf("qemu-pci", kconfig), []);
    assert.ok(unmetOf("guest-virtio-mmio", kconfig).some(({ symbol }) => symbol === "VIRTIO_MMIO"));
  },
});

/** kconfig's own resolver, as the lab's build left it, and what it reads from its environment. */
const KCONFIG_ENV = {
  srctree: ".",
  KERNELVERSION: "6.12.0",
  CC_VERSION_TEXT: "gcc",
  HOSTCC: "gcc",
  HOSTCXX: "g++",
  RUSTC: "rustc",
  RUSTC_OR_CLIPPY: "rustc",
  BINDGEN: "bindgen",
  PAHOLE: "pahole",
};
const RESOLVED: [arch: string, prefix: string, sets: KconfigSetName[]][] = [
  ["x86", "", ["stage0", "qemu-pci"]],
  ["arm64", "aarch64-linux-gnu-", ["guest-virtio-mmio", "stage0", "qemu-pci"]],
];
const lab = realTree("x86_64");
for (const [arch, prefix, sets] of RESOLVED) {
  Deno.test({
    name: `kconfigFragment() survives olddefconfig on an empty ${arch} configuration`,
    ignore: lab === undefined || !hasProgram(`${prefix}gcc`),
    fn: async () => {
      await using dir = await temporary();
      const config = `${dir.path}/.config`;
      const tools = Object.fromEntries(
        ["CC", "LD", "AR", "NM", "OBJCOPY", "STRIP"]
          .map((name) => [name, `${prefix}${name === "CC" ? "gcc" : name.toLowerCase()}`]),
      );
      const resolve = async (mode: string) => {
        const { success, stderr } = await new Deno.Command(`${lab}/scripts/kconfig/conf`, {
          args: ["-s", mode, "Kconfig"],
          cwd: `${lab}/source`,
          env: { ...KCONFIG_ENV, ...tools, ARCH: arch, SRCARCH: arch, KCONFIG_CONFIG: config },
        }).output();
        assert.ok(success, new TextDecoder().decode(stderr));
        return parseKconfig(await Deno.readTextFile(config));
      };
      const empty = await resolve("--allnoconfig");
      const needed = sets.flatMap((set) => kconfigSet(set, empty, { rootfs: "erofs" }));
      const unmet = unmetRequirements(empty, needed);
      assert.ok(unmet.length > 10);
      await Deno.writeTextFile(config, kconfigFragment(empty, needed, unmet), { append: true });
      assert.deepEqual(unmetRequirements(await resolve("--olddefconfig"), needed), []);
    },
  });
}
