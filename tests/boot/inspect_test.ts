/** What `inspect` and `--verify-only` say of files that were built from miniature trees. */
import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { buildBootImage, buildInitramfsOnly } from "../../lib/boot/build_image.ts";
import { prepareModules } from "../../lib/boot/prepare_kernel.ts";
import { findKernelTree } from "../../lib/kernel/find_tree.ts";
import { inspect } from "../../lib/boot/inspect.ts";
import { verifyBuild, type VerifyRequest } from "../../lib/boot/verify_build.ts";
import { encodeBootImage } from "../../lib/bootimg/encode.ts";
import { concat } from "../../lib/bytes/concat.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { encodeCpio } from "../../lib/filesystems/cpio/encode_cpio.ts";
import { Ext4Image } from "../../lib/filesystems/ext4/image.ts";
import { layoutExt4 } from "../../lib/filesystems/ext4/layout.ts";
import { digestModules } from "../../lib/kernel/digest_modules.ts";
import { loadProfiles } from "../../lib/cli/load_profiles.ts";
import { profileById } from "../../lib/profiles/select.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { encodeStamp, STAMP_PATH } from "../../lib/stage0/build_stamp.ts";
import { buildInitramfs } from "../../lib/stage0/initramfs.ts";
import { makeModulesStamp, makeStamp } from "../../lib/stage0/make_stamp.ts";
import { directory, file, MemoryTree } from "../filesystems/memory_tree.ts";
import {
  arm64Image,
  bzImage,
  moduleElf,
  RELEASE,
  setTime,
  writeFiles,
} from "../kernel/fixture_tree.ts";
import { type BootInputs, bootInputs, writeTree } from "../support/boot_inputs.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const look = (bytes: Uint8Array) => inspect(new MemoryReader(bytes, "test"));
const signal = new AbortController().signal;
const profiles = await loadProfiles({ onWarning: () => {} });
const profile = profileById(profiles, "virtual-x86_64");

const STAMP = makeStamp({
  ...{ release: RELEASE, arch: "aarch64", profile: "p", modulesDigest: "ab".repeat(32) },
  ...{ kernel: bytesOf("k"), init: bytesOf("i"), cmdline: "", loads: [], firmware: [] },
  settings: { rootfs: "erofs" },
});

const stamped = () =>
  buildInitramfs({
    ...{ init: bytesOf("i"), settings: { rootfs: "erofs", serial: "S" }, modules: [] },
    stamp: STAMP,
  });

function bootImage(ramdisk: Uint8Array, headerVersion: 0 | 1 | 2 = 2): Uint8Array<ArrayBuffer> {
  return concat(encodeBootImage({
    ...{ headerVersion, pageSizeBytes: 4096, kernel: arm64Image(), ramdisk, cmdline: "a=b" },
    addresses: { kernel: 1, ramdisk: 2, second: 3, tags: 4, dtb: 5 },
    ...(headerVersion === 2 ? { dtb: bytesOf("dtb") } : {}),
  }));
}

/** A kernel with an initramfs linked in, as usr/initramfs_data.S does it. */
function kernelWith(initramfs: Uint8Array, at = 8192): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(at + initramfs.length + 4096);
  bytes.set(arm64Image());
  // What the search meets on its way: signatures that begin nothing.
  bytes.set(bytesOf("070701"), 4096);
  bytes.set([0x1f, 0x8b, 8, 0, 1, 2, 3, 4], 4200);
  bytes.set([0x28, 0xb5, 0x2f, 0xfd, 9, 9], 4300);
  bytes.fill(0x5a, at + initramfs.length);
  bytes.set(initramfs, at);
  return bytes;
}

Deno.test("inspect() finds the stamp in an initramfs, however it is packed", async () => {
  const archive = stamped();
  const packings = [
    archive,
    gzipSync(archive),
    zstdCompressSync(archive),
    concat([archive, concat(encodeCpio([{ path: "more", mode: 0o100644, data: bytesOf("x") }]))]),
    concat([concat(encodeCpio([{ path: "early", mode: 0o40755 }])), gzipSync(archive)]),
  ];
  for (const packed of packings) {
    const found = await look(packed);
    assert.equal(found.kind, "initramfs");
    assert.deepEqual(found.stamp, STAMP);
    assert.equal(found.settings.get("stage0.rootfs"), "erofs");
    assert.equal(found.settings.get("stage0.serial"), "S");
  }
});

Deno.test("inspect() takes the last stamp, as the kernel takes the last file of a name", async () => {
  const later = { ...STAMP, release: "7.0" };
  const second = encodeCpio([{ path: STAMP_PATH, mode: 0o100644, data: encodeStamp(later) }]);
  assert.equal((await look(concat([stamped(), ...second]))).stamp?.release, "7.0");
});

Deno.test("inspect() finds the stamp in boot images of header version 0 to 2", async () => {
  for (const version of [0, 1, 2] as const) {
    const found = await look(bootImage(stamped(), version));
    assert.equal(found.kind, "boot-image");
    assert.deepEqual(found.stamp, STAMP);
    assert.equal(found.bootImage!.headerVersion, version);
    assert.equal(found.bootImage!.cmdline, "a=b");
    assert.equal(found.bootImage!.idMatches, true);
  }
  const image = bootImage(stamped());
  image[4096]! ^= 1;
  assert.equal((await look(image)).bootImage!.idMatches, false, "a flipped byte of the kernel");
});

Deno.test("inspect() finds the stamp of an initramfs that is built into a kernel", async () => {
  const archive = stamped();
  for (const packed of [archive, gzipSync(archive), zstdCompressSync(archive)]) {
    const image = kernelWith(packed);
    for (const file of [image, gzipSync(image)]) {
      const found = await look(file);
      assert.equal(found.kind, "kernel");
      assert.match(found.banner!, /^6\.12\.3-test /);
      assert.deepEqual(found.stamp, STAMP);
    }
  }
  const none = await look(arm64Image());
  assert.deepEqual([none.kind, none.stamp, none.initramfs], ["kernel", undefined, undefined]);
});

Deno.test("inspect() unpacks a bzImage to look for its initramfs", async () => {
  for (const pack of [gzipSync, zstdCompressSync]) {
    const plain = kernelWith(stamped());
    const stored = pack(plain);
    // Every codec but gzip is followed by the size of the plain kernel.
    const size = new Uint8Array(4);
    new DataView(size.buffer).setUint32(0, plain.length, true);
    const payload = pack === gzipSync ? stored : concat([stored, size]);
    const image = new Uint8Array(1024 + 512 + Math.ceil(payload.length / 16) * 16);
    image.set(bzImage());
    const view = new DataView(image.buffer);
    view.setUint32(0x1f4, (image.length - 1024) / 16, true);
    view.setUint32(0x248, 512, true);
    view.setUint32(0x24c, payload.length, true);
    image.set(payload, 1536);
    const found = await look(image);
    assert.equal(found.kind, "kernel");
    assert.deepEqual(found.stamp, STAMP);
    view.setUint32(0x24c, 0xffffffff, true);
    await assert.rejects(look(image), { kind: "corrupt" });
  }
});

async function modulesImage(digest: string): Promise<Ext4Image> {
  const stamp = makeModulesStamp({ release: RELEASE, arch: "x86_64", modulesDigest: digest });
  const line = new TextDecoder().decode(encodeStamp(stamp));
  const folder = directory({ "fastboop-build-id": file(line), "modules.dep": file("") });
  const tree = new MemoryTree(directory({
    "usr": directory({ "lib": directory({ "modules": directory({ [RELEASE]: folder }) }) }),
  }));
  return new Ext4Image(await layoutExt4(tree, { label: "fastboop-modules", owner: "root" }));
}

Deno.test("inspect() finds the stamp in a modules image", async () => {
  const found = await inspect(await modulesImage("cd".repeat(32)));
  assert.equal(found.kind, "modules-image");
  assert.deepEqual(found.modulesImage, { label: "fastboop-modules", releases: [RELEASE] });
  assert.deepEqual(found.stamp?.inputs, { modules: "cd".repeat(32) });
});

Deno.test("inspect() refuses other files, and damage ends in a typed error", async () => {
  for (const text of ["", "#!/bin/sh\n", "x".repeat(5000)]) {
    await assert.rejects(look(bytesOf(text)), { kind: "unsupported" });
  }
  const files = [stamped(), gzipSync(stamped()), bootImage(stamped()), kernelWith(stamped())];
  for (const whole of files) {
    for (let i = 0; i < 300; i++) {
      const bytes = new Uint8Array(whole);
      bytes[(i * 7919) % bytes.length]! ^= 1 << (i % 8);
      try {
        await look(i % 5 === 0 ? bytes.subarray(0, (i * 104729) % bytes.length) : bytes);
      } catch (error) {
        assert.ok(error instanceof FastboopError, String(error));
      }
    }
  }
});

/** The initramfs that a boot of these inputs sends, and its boot image. */
async function builtFrom(inputs: BootInputs, more: Partial<VerifyRequest> = {}) {
  const whole = { rootfs: inputs.rootPath, kernel: inputs.tree, requireModules: [] };
  const request = { ...whole, deviceProfile: profile.id, ...more };
  const progress = new RecordedProgress();
  const options = { request, profiles: [profile], env: inputs.env, progress, signal };
  const { bytes } = await buildInitramfsOnly(options);
  const { parts } = await buildBootImage(options);
  return { archive: bytes, bootImage: concat(parts) };
}

async function verdicts(bytes: Uint8Array, inputs: BootInputs, more: Partial<VerifyRequest> = {}) {
  const request = { kernel: inputs.tree, requireModules: [], ...more };
  const found = await look(bytes);
  const stages = await verifyBuild(found, request, { env: {}, profile, signal });
  return Object.fromEntries(stages.map(({ stage, state }) => [stage, state]));
}

const FRESH = {
  ...{ kernel: "fresh", modules: "fresh", stage0: "fresh", settings: "fresh", cmdline: "fresh" },
  loads: "fresh",
};

Deno.test("verifyBuild() calls exactly the stage stale whose input was touched", async () => {
  await using inputs = await bootInputs();
  const { archive } = await builtFrom(inputs);
  assert.deepEqual(await verdicts(archive, inputs), FRESH);
  assert.deepEqual(await verdicts(archive, inputs, { append: "quiet" }), {
    ...FRESH,
    cmdline: "stale",
  });

  const kernelPath = `${inputs.tree}/arch/x86/boot/bzImage`;
  const kernel = await Deno.readFile(kernelPath);
  kernel[1500]! ^= 1;
  await Deno.writeFile(kernelPath, kernel);
  assert.deepEqual(await verdicts(archive, inputs), { ...FRESH, kernel: "stale" });

  await writeTree(inputs.tree, "x86_64");
  assert.deepEqual(await verdicts(archive, inputs), FRESH, "the same again, whatever the times");
  const modulePath = `${inputs.tree}/lib/libcrc32c.ko`;
  const module = await Deno.readFile(modulePath);
  module[module.length - 1]! ^= 1;
  await Deno.writeFile(modulePath, module);
  assert.deepEqual(await verdicts(archive, inputs), { ...FRESH, modules: "stale" });
});

/** A module that nothing needs and that names firmware, and a directory which has it. */
async function withDriver(inputs: BootInputs): Promise<string> {
  const order = `${inputs.tree}/modules.order`;
  await Deno.writeTextFile(order, "drivers/net/nic.o\n", { append: true });
  await writeFiles(inputs.tree, { "drivers/net/nic.ko": moduleElf({ firmware: ["nic/a.fw"] }) });
  await writeFiles(`${inputs.dir}/firmware`, { "nic/a.fw": bytesOf("firmware") });
  return `${inputs.dir}/firmware`;
}

Deno.test("verifyBuild() sees other modules and other firmware in stage0", async () => {
  await using inputs = await bootInputs();
  const dir = await withDriver(inputs);
  const firmware = { policy: "auto", list: [], dir } as const;
  const asked = { requireModules: ["nic"], firmware };
  const { archive } = await builtFrom(inputs, asked);
  const fresh = { ...FRESH, firmware: "fresh" };
  assert.deepEqual(await verdicts(archive, inputs, asked), fresh);
  assert.deepEqual(await verdicts(archive, inputs), {
    ...fresh,
    loads: "stale",
    firmware: "missing",
  });
  await Deno.writeFile(`${dir}/nic/a.fw`, bytesOf("Firmware"));
  assert.deepEqual(await verdicts(archive, inputs, asked), { ...fresh, firmware: "stale" });
});

Deno.test("verifyBuild() sees other firmware in a modules image", async () => {
  await using inputs = await bootInputs();
  const dir = await withDriver(inputs);
  const firmware = { policy: "auto", list: [], dir, into: "modules" } as const;
  const request = { kernel: inputs.tree, requireModules: [], firmware };
  const options = { env: inputs.env, progress: new RecordedProgress(), signal };
  const kernel = await findKernelTree(inputs.tree, { env: inputs.env });
  const modules = (await prepareModules(kernel, request, options))!;
  await using _tree = modules.tree;
  const found = await inspect(modules.image!);
  const states = async () => {
    const stages = await verifyBuild(found, request, { env: {}, profile: undefined, signal });
    return Object.fromEntries(stages.map(({ stage, state }) => [stage, state]));
  };
  assert.deepEqual(await states(), { modules: "fresh", firmware: "fresh" });
  await Deno.writeFile(`${dir}/nic/a.fw`, bytesOf("Firmware"));
  assert.deepEqual(await states(), { modules: "fresh", firmware: "stale" });
});

Deno.test("verifyBuild() sees modules of another build outside of the tree", async () => {
  await using inputs = await bootInputs();
  const outside = `${inputs.dir}/outside`;
  const extra = { "modules.order": "extra.o\n", "extra.ko": moduleElf() };
  await writeFiles(outside, extra);
  const asked = { requireModules: ["extra"], extraModules: [outside] };
  const { archive } = await builtFrom(inputs, asked);
  assert.deepEqual(await verdicts(archive, inputs, asked), FRESH);
  await writeFiles(outside, { "extra.ko": moduleElf({ aliases: ["x"] }) });
  assert.deepEqual(await verdicts(archive, inputs, asked), { ...FRESH, modules: "stale" });
});

Deno.test("verifyBuild() sees a boot image whose kernel is not the one of its stamp", async () => {
  await using inputs = await bootInputs();
  const { bootImage } = await builtFrom(inputs);
  assert.deepEqual(await verdicts(bootImage, inputs), FRESH);
  // Behind the header's page, in the kernel.
  bootImage[2048 + 1500]! ^= 1;
  assert.deepEqual(await verdicts(bootImage, inputs), { ...FRESH, kernel: "stale" });
});

Deno.test("verifyBuild() never calls a stamp of another version fresh", async () => {
  await using inputs = await bootInputs();
  const { archive } = await builtFrom(inputs);
  const changed = async (from: string, to: string) => {
    const text = new TextDecoder("latin1").decode(archive);
    const at = text.indexOf(from);
    assert.ok(at > 0);
    const bytes = new Uint8Array(archive);
    bytes.set(bytesOf(to), at);
    return await verdicts(bytes, inputs);
  };
  const older = await changed(`{"schema":2`, `{"schema":1`);
  assert.deepEqual(new Set(Object.values(older)), new Set(["missing"]));
  const other = await changed(`"tool":"fastboop 0.1.0"`, `"tool":"fastboop 0.0.9"`);
  assert.deepEqual(new Set(Object.values(other)), new Set(["stale"]));
});

Deno.test("verifyBuild() calls stages missing while the tree is not ready, and changes nothing", async () => {
  await using inputs = await bootInputs();
  const { archive } = await builtFrom(inputs);
  const before = await listing(inputs.dir);
  await verdicts(archive, inputs);
  assert.equal(await listing(inputs.dir), before);
  await setTime(`${inputs.tree}/vmlinux`, 1_000);
  const found = await verdicts(archive, inputs);
  assert.deepEqual(new Set(Object.values(found)), new Set(["missing"]));
  const plain = buildInitramfs({ init: bytesOf("i"), settings: { rootfs: "erofs" }, modules: [] });
  assert.deepEqual(new Set(Object.values(await verdicts(plain, inputs))), new Set(["missing"]));
});

Deno.test("verifyBuild() compares a modules image by its modules alone", async () => {
  await using inputs = await bootInputs();
  const digest = (await digestModules(inputs.tree, { env: {} }))!;
  const request = { kernel: inputs.tree, requireModules: [] };
  const options = { env: {}, profile: undefined, signal };
  const fresh = await verifyBuild(await inspect(await modulesImage(digest)), request, options);
  assert.deepEqual(fresh, [{ stage: "modules", state: "fresh", why: "" }]);
  const other = await inspect(await modulesImage("00".repeat(32)));
  const [stale] = await verifyBuild(other, request, options);
  assert.equal(stale!.state, "stale");
  assert.match(stale!.why, /^0{12} then, [0-9a-f]{12} now$/);
});

/** Names, sizes and times of everything below. */
async function listing(dir: string): Promise<string> {
  const { stdout } = await new Deno.Command("find", {
    args: [dir, "-printf", "%p %s %T@ %C@\\n"],
  }).output();
  return new TextDecoder().decode(stdout);
}
