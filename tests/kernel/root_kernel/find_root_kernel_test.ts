import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { concat } from "../../../lib/bytes/concat.ts";
import { FastboopError } from "../../../lib/errors/errors.ts";
import type { Arch } from "../../../lib/kernel/arch.ts";
import {
  findRootKernel,
  type FindRootKernelOptions,
} from "../../../lib/kernel/root_kernel/find_root_kernel.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { arm64Image, bzImage, zboot } from "../fixture_tree.ts";
import { Link, type RootFiles, rootTree } from "./root_tree.ts";

const modulesOf = (release: string, root = "usr/lib/modules"): RootFiles => ({
  [`${root}/${release}/modules.dep`]: "",
});

async function find(files: RootFiles, options: Partial<FindRootKernelOptions> = {}) {
  return await findRootKernel(rootTree(files), { arch: "x86_64", ...options });
}

/** Where distributions put their kernels. */
const LAYOUTS: Record<string, { arch: Arch; files: RootFiles; imagePath: string }> = {
  "Debian": {
    arch: "x86_64",
    files: {
      "boot/vmlinuz-6.1.0-9-amd64": bzImage("6.1.0-9-amd64"),
      "vmlinuz": new Link("boot/vmlinuz-6.1.0-9-amd64"),
      "lib": new Link("usr/lib"),
      ...modulesOf("6.1.0-9-amd64"),
    },
    imagePath: "boot/vmlinuz-6.1.0-9-amd64",
  },
  "Debian before merged directories": {
    arch: "x86_64",
    files: { "boot/vmlinuz-6.1.0": bzImage("6.1.0"), ...modulesOf("6.1.0", "lib/modules") },
    imagePath: "boot/vmlinuz-6.1.0",
  },
  "Fedora and ostree": {
    arch: "aarch64",
    files: { "usr/lib/modules/6.9.4/vmlinuz": zboot("gzip", gzipSync(arm64Image("6.9.4"))) },
    imagePath: "usr/lib/modules/6.9.4/vmlinuz",
  },
  "Arch": {
    arch: "x86_64",
    files: {
      "boot/vmlinuz-linux": bzImage("6.9.4-arch1-1"),
      "boot/initramfs-linux.img": "x",
      ...modulesOf("6.9.4-arch1-1"),
    },
    imagePath: "boot/vmlinuz-linux",
  },
  "Alpine": {
    arch: "aarch64",
    files: {
      "boot/vmlinuz-lts": gzipSync(arm64Image("6.6.30-0-lts")),
      ...modulesOf("6.6.30-0-lts"),
    },
    imagePath: "boot/vmlinuz-lts",
  },
  "postmarketOS": {
    arch: "aarch64",
    files: { "boot/linux.efi": arm64Image("6.9.0-sdm845"), ...modulesOf("6.9.0-sdm845") },
    imagePath: "boot/linux.efi",
  },
  "openSUSE": {
    arch: "aarch64",
    files: {
      "boot/Image": new Link("Image-6.4.0-default"),
      "boot/Image-6.4.0-default": new Link("../usr/lib/modules/6.4.0-default/Image"),
      "usr/lib/modules/6.4.0-default/Image": arm64Image("6.4.0-default"),
    },
    imagePath: "usr/lib/modules/6.4.0-default/Image",
  },
  "a boot loader's entry": {
    arch: "x86_64",
    files: {
      "boot/efi/0123456789abcdef/6.9.4/linux": bzImage("6.9.4"),
      "boot/efi/0123456789abcdef/6.9.4/initrd": "x",
      ...modulesOf("6.9.4"),
    },
    imagePath: "boot/efi/0123456789abcdef/6.9.4/linux",
  },
  "an EFI partition of its own": {
    arch: "x86_64",
    files: { "efi/EFI/fedora/vmlinuz-6.9.4": bzImage("6.9.4"), ...modulesOf("6.9.4") },
    imagePath: "efi/EFI/fedora/vmlinuz-6.9.4",
  },
};

for (const [name, { arch, files, imagePath }] of Object.entries(LAYOUTS)) {
  Deno.test(`findRootKernel() finds the kernel of ${name}`, async () => {
    const marked = arch === "x86_64" || imagePath.startsWith("boot")
      ? files
      : { ...files, ...modulesOf(/\/modules\/([^/]+)\//.exec(imagePath)![1]!) };
    const kernel = await find(marked, { arch });
    assert.equal(kernel.imagePath, imagePath);
    assert.equal(kernel.arch, arch);
    assert.equal(kernel.release, kernel.image.release);
    assert.match(kernel.modulesDirectory!, new RegExp(`lib/modules/${kernel.release}$`));
    assert.deepEqual(kernel.passedOver, []);
  });
}

Deno.test("findRootKernel() takes the newest kernel that has modules, and tells the others", async () => {
  const files = {
    "boot/vmlinuz-6.1.0-9": bzImage("6.1.0-9"),
    "boot/vmlinuz-6.1.0-10": bzImage("6.1.0-10"),
    "boot/vmlinuz-6.13.0": bzImage("6.13.0"),
    ...modulesOf("6.1.0-9"),
    ...modulesOf("6.1.0-10"),
  };
  const kernel = await find(files);
  assert.equal(kernel.release, "6.1.0-10");
  assert.equal(kernel.modulesDirectory, "usr/lib/modules/6.1.0-10");
  assert.deepEqual(kernel.passedOver, [
    "boot/vmlinuz-6.13.0 is 6.13.0, which has no modules here",
  ]);
  assert.equal((await find(files, { release: "6.1.0-9" })).release, "6.1.0-9");
  const chosen = await find(files, { kernelPath: "/boot/vmlinuz-6.1.0-9" });
  assert.equal(chosen.imagePath, "boot/vmlinuz-6.1.0-9");
});

Deno.test("findRootKernel() believes the image, not its name", async () => {
  const kernel = await find({
    "boot/vmlinuz-6.99.0": bzImage("6.1.0"),
    "boot/vmlinuz": bzImage("6.2.0"),
    ...modulesOf("6.99.0"),
    ...modulesOf("6.1.0"),
    ...modulesOf("6.2.0"),
  });
  assert.equal(kernel.release, "6.2.0");
  assert.equal(kernel.imagePath, "boot/vmlinuz");
});

Deno.test("findRootKernel() does not read an older kernel by its name, nor a link twice", async () => {
  const tree = rootTree({
    "boot/Image": new Link("Image-6.2.0"),
    "boot/Image-6.2.0": arm64Image("6.2.0"),
    "boot/Image-6.1.0": arm64Image("6.1.0"),
    ...modulesOf("6.1.0"),
    ...modulesOf("6.2.0"),
  });
  await findRootKernel(tree, { arch: "aarch64" });
  // Once for the first bytes, once for all.
  assert.deepEqual(tree.opened, ["boot/Image-6.2.0", "boot/Image-6.2.0"]);
});

Deno.test("findRootKernel() names both releases when kernel and modules do not match", async () => {
  const files = { "boot/vmlinuz": bzImage("6.2.0"), ...modulesOf("6.1.0") };
  const both = /modules are those of 6\.1\.0, the kernel is 6\.2\.0 \(boot\/vmlinuz\)/;
  await assert.rejects(find(files), ofKind("tree", both));
  await assert.rejects(find(files, { kernelPath: "boot/vmlinuz" }), ofKind("tree", both));
  await assert.rejects(find(files, { release: "6.2.0" }), ofKind("tree", both));
  const other = find(files, { release: "6.3.0" });
  await assert.rejects(other, ofKind("not-found", /none of release 6\.3\.0[^]*6\.2\.0/));
});

Deno.test("findRootKernel() takes a kernel without modules where the root has none at all", async () => {
  const kernel = await find({ "boot/vmlinuz": bzImage("6.2.0"), "usr/lib/modules/empty/x": "" });
  assert.equal(kernel.release, "6.2.0");
  assert.equal(kernel.modulesDirectory, undefined);
});

Deno.test("findRootKernel() names another machine's kernel", async () => {
  const arm = { "boot/Image": arm64Image("6.1.0"), ...modulesOf("6.1.0") };
  await assert.rejects(find(arm), ofKind("not-found", /boot\/Image: it is for aarch64.*x86_64/));
  const pc = { "boot/vmlinuz": bzImage("6.1.0"), ...modulesOf("6.1.0") };
  const onPhone = find(pc, { arch: "aarch64" });
  await assert.rejects(onPhone, ofKind("not-found", /boot\/vmlinuz: it is for x86_64.*aarch64/));
  const old = new Uint8Array(64);
  new DataView(old.buffer).setUint32(36, 0x016f2818, true);
  const packed = { "boot/Image.gz": gzipSync(arm64Image("6.1.0")), ...modulesOf("6.1.0") };
  const onPc = ofKind("not-found", /boot\/Image\.gz: it is for aarch64, the device is x86_64/);
  await assert.rejects(find(packed), onPc);
  const zImage = find({ "boot/zImage": old }, { arch: "aarch64" });
  await assert.rejects(zImage, ofKind("not-found", /it is for arm, the device is aarch64/));
});

Deno.test("findRootKernel() tells where it looked, and what is broken", async () => {
  await assert.rejects(find({ "etc/passwd": "" }), ofKind("not-found", /looked in boot, efi/));
  const cut = { "boot/vmlinuz-1": bzImage().subarray(0, 1500), "boot/vmlinuz-2": "no kernel" };
  const broken = /boot\/vmlinuz-1: it has 1500 of 2048[^]*boot\/vmlinuz-2: it has only 9/;
  await assert.rejects(find(cut), ofKind("not-found", broken));
  const gone = find({}, { kernelPath: "/boot/gone" });
  await assert.rejects(gone, ofKind("not-found", /no such file/));
});

Deno.test("findRootKernel() goes by links that stay in the tree, and by no rescue kernel", async () => {
  const kernel = await find({
    "boot/vmlinuz": new Link("/../../kernels/one"),
    "kernels/one": bzImage("6.1.0"),
    "boot/vmlinuz-0-rescue-0123": bzImage("6.5.0"),
    "boot/vmlinuz.old": new Link("nowhere"),
    "boot/kernel": new Link("kernel"),
    "boot/vmlinuz.long": new Link("./".repeat(1 << 20)),
    ...modulesOf("6.1.0"),
    ...modulesOf("6.5.0"),
  });
  assert.equal(kernel.release, "6.1.0");
});

Deno.test("findRootKernel() takes kernel and modules of two trees", async () => {
  const modulesTree = rootTree({
    ...modulesOf("6.9.0"),
    "boot/vmlinuz-6.9.0": "never looked at",
    "usr/lib/modules/6.9.0/config": "CONFIG_ARM64=y\n",
  });
  const kernel = await find(
    { "vmlinuz": gzipSync(arm64Image("6.9.0")) },
    { arch: "aarch64", kernelPath: "/vmlinuz", modulesTree },
  );
  assert.equal(kernel.modulesDirectory, "usr/lib/modules/6.9.0");
  assert.equal(kernel.kconfig!.get("ARM64"), "y");
  // Searched for, too: a boot partition has its kernel at the top.
  const searched = await find(
    { "vmlinuz": gzipSync(arm64Image("6.9.0")) },
    { arch: "aarch64", modulesTree },
  );
  assert.equal(searched.imagePath, "vmlinuz");
});

/** What the top of a boot partition has where the root has a /boot. */
const ON_BOOT_PARTITIONS: Record<string, string> = {
  "the top": "vmlinuz-6.9.4",
  "an EFI folder": "EFI/fedora/vmlinuz-6.9.4",
  "a boot loader's entry": "0123456789abcdef/6.9.4/linux",
  "an EFI partition below": "efi/EFI/Linux/linux-6.9.4",
};

for (const [what, path] of Object.entries(ON_BOOT_PARTITIONS)) {
  Deno.test(`findRootKernel() finds the kernel of a boot partition in ${what}`, async () => {
    const modulesTree = rootTree(modulesOf("6.9.4"));
    const files = { [path]: bzImage("6.9.4"), "config-6.9.4": "CONFIG_X=y\n" };
    const kernel = await find(files, { modulesTree });
    assert.equal(kernel.imagePath, path);
    assert.equal(kernel.kconfig!.get("X"), "y");
    // In a root only /boot and /efi are gone through.
    if (path.includes("/") && !path.startsWith("efi")) {
      await assert.rejects(find({ ...files, ...modulesOf("6.9.4") }), ofKind("not-found"));
    }
  });
}

Deno.test("findRootKernel() reads no older kernel of a boot partition", async () => {
  const modulesTree = rootTree({ ...modulesOf("6.1.0"), ...modulesOf("6.2.0") });
  const tree = rootTree({
    "vmlinuz-6.1.0": arm64Image("6.1.0"),
    "vmlinuz-6.2.0": arm64Image("6.2.0"),
  });
  const kernel = await findRootKernel(tree, { arch: "aarch64", modulesTree });
  assert.equal(kernel.release, "6.2.0");
  assert.deepEqual(new Set(tree.opened), new Set(["vmlinuz-6.2.0"]));
});

Deno.test("findRootKernel() reads a configuration beside the kernel, else the one in it", async () => {
  const encoder = new TextEncoder();
  const packed = gzipSync(encoder.encode("CONFIG_INSIDE=y\n"));
  const parts = [
    arm64Image("6.1.0"),
    encoder.encode("IKCFG_ST"),
    packed,
    encoder.encode("IKCFG_ED"),
  ];
  const files: RootFiles = { "boot/Image.gz": gzipSync(concat(parts)), ...modulesOf("6.1.0") };
  const arch = "aarch64" as const;
  assert.equal((await find(files, { arch })).kconfig!.get("INSIDE"), "y");
  files["boot/config-6.1.0"] = "CONFIG_BESIDE=y\n";
  assert.equal((await find(files, { arch })).kconfig!.get("BESIDE"), "y");
  files["usr/lib/modules/6.1.0/config"] = "CONFIG_MODULES=y\n";
  assert.equal((await find(files, { arch })).kconfig!.get("MODULES"), "y");
  const without = { "boot/Image": arm64Image("6.1.0"), ...modulesOf("6.1.0") };
  assert.equal((await find(without, { arch })).kconfig, undefined);
});

Deno.test("findRootKernel() bounds what a hostile tree makes it read", async () => {
  const files: RootFiles = modulesOf("6.1.0");
  for (let i = 0; i < 200; i++) files[`boot/vmlinuz-x${i}`] = bzImage("6.0.0");
  const tree = rootTree(files);
  await assert.rejects(findRootKernel(tree, { arch: "x86_64" }), ofKind("tree"));
  assert.ok(tree.opened.length <= 24, String(tree.opened.length));
  const bomb = gzipSync(new Uint8Array(64 << 20));
  const bombs = rootTree(
    Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`boot/Image-${i}`, bomb])),
  );
  await assert.rejects(findRootKernel(bombs, { arch: "aarch64" }), ofKind("not-found"));
  // The first bytes and all of three.
  assert.equal(bombs.opened.length, 6);
  // Whole kernels count as well, and those that are passed over.
  const large = gzipSync(concat([arm64Image("6.0.0"), new Uint8Array(150 << 20)]), { level: 1 });
  const passed = rootTree({
    ...modulesOf("6.1.0"),
    ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`boot/Image-${i}`, large])),
  });
  const tooMuch = findRootKernel(passed, { arch: "aarch64" });
  await assert.rejects(tooMuch, ofKind("tree", /modules are those of 6\.1\.0/));
  assert.equal(passed.opened.length, 6);
  const deep = rootTree({ "boot/a/b/c/d/e/f/vmlinuz": bzImage("6.1.0"), ...modulesOf("6.1.0") });
  await assert.rejects(findRootKernel(deep, { arch: "x86_64" }), ofKind("not-found"));
});

Deno.test("findRootKernel() ends in a kernel or a typed error whatever byte of an image is flipped", async () => {
  const images = [
    ["x86_64", bzImage("6.1.0")],
    ["aarch64", arm64Image("6.1.0")],
    ["aarch64", zboot("gzip", gzipSync(arm64Image("6.1.0")))],
  ] as const;
  const attempt = async (arch: Arch, image: Uint8Array, what: string) => {
    try {
      const kernel = await find({ "boot/vmlinuz": image, ...modulesOf("6.1.0") }, { arch });
      assert.equal(kernel.release, "6.1.0", what);
    } catch (error) {
      assert.ok(error instanceof FastboopError, `${what}: ${error}`);
      assert.match(error.kind, /^(not-found|tree)$/, what);
    }
  };
  for (const [arch, image] of images) {
    for (let at = 0; at < Math.min(image.length, 1100); at++) {
      const flipped = image.slice();
      flipped[at]! ^= 0x81;
      await attempt(arch, flipped, `${arch} flipped at ${at}`);
      if (at % 8 === 0) await attempt(arch, image.subarray(0, at), `${arch} cut at ${at}`);
    }
  }
});
