import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { concat } from "../../lib/bytes/concat.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { parseArm64Image } from "../../lib/kernel/arm64_image.ts";
import { parseBzImage } from "../../lib/kernel/bzimage.ts";
import { unwrapKernelImage } from "../../lib/kernel/image_format.ts";
import { linuxBanner } from "../../lib/kernel/linux_banner.ts";
import { parseZboot } from "../../lib/kernel/zboot.ts";
import { expectError } from "./expect_error.ts";
import { arm64Image, bzImage, RELEASE, zboot } from "./fixture_tree.ts";
import { realTree } from "./real_trees.ts";

Deno.test("parseBzImage() reads the version text", () => {
  assert.deepEqual(parseBzImage(bzImage(), "x"), {
    banner: `${RELEASE} (you@here) #1 SMP`,
    release: RELEASE,
  });
});

Deno.test("parseBzImage() refuses a vmlinux, cuts, 32-bit and old kernels", async () => {
  const change = (at: number, ...values: number[]) => {
    const bytes = bzImage();
    bytes.set(values, at);
    return bytes;
  };
  const vmlinux = new Uint8Array(4096);
  vmlinux.set([0x7f, 0x45, 0x4c, 0x46]);
  await expectError("corrupt", () => parseBzImage(vmlinux, "x"), "vmlinux");
  await expectError("corrupt", () => parseBzImage(bzImage().subarray(0, -1), "x"), "2047 of 2048");
  await expectError("corrupt", () => parseBzImage(change(0x202, 0), "x"), "HdrS");
  await expectError("corrupt", () => parseBzImage(change(0x20e, 0xff, 0xff), "x"), "version");
  await expectError("unsupported", () => parseBzImage(change(0x236, 0), "x"), "32-bit");
  await expectError("unsupported", () => parseBzImage(change(0x206, 0, 2), "x"), "0x200");
});

Deno.test("parseArm64Image() reads header and banner, and passes the format string over", () => {
  assert.equal(parseArm64Image(arm64Image(), "x").release, RELEASE);
});

Deno.test("parseArm64Image() refuses big-endian, wild sizes and cuts", async () => {
  const bigEndian = arm64Image();
  bigEndian[24] = 1;
  await expectError("unsupported", () => parseArm64Image(bigEndian, "x"), "big-endian");
  const wild = arm64Image();
  wild[20] = 1;
  await expectError("corrupt", () => parseArm64Image(wild, "x"), "claims");
  await expectError("corrupt", () => parseArm64Image(arm64Image().subarray(0, 900), "x"), "cut");
});

Deno.test("linuxBanner() finds a banner that lies across two windows", () => {
  const image = new Uint8Array(3 << 20);
  const text = new TextEncoder().encode("Linux version 6.1.0 (a@b)\n\0");
  for (const at of [(1 << 20) - 10, (1 << 20) - 1024, (2 << 20) - 5, (3 << 20) - text.length]) {
    image.fill(0);
    image.set(text, at);
    assert.equal(linuxBanner(image), "6.1.0 (a@b)", String(at));
  }
});

Deno.test("linuxBanner() passes over what is no banner, however often it begins", () => {
  const text = (banner: string) => linuxBanner(new TextEncoder().encode(banner));
  assert.equal(text("Linux version 6.1.0"), undefined);
  assert.equal(text("Linux version \n1\nLinux version 6.1.0\n"), "6.1.0");
  assert.equal(text(`Linux version 6${"1".repeat(511)}\0`)?.length, 512);
  assert.equal(text(`Linux version 6${"1".repeat(512)}\0Linux version 5\0`), "5");
  // Half a minute, when each is followed for itself.
  const startedAt = performance.now();
  const many = new TextEncoder().encode("Linux version 1".repeat(1 << 22));
  assert.equal(linuxBanner(many), undefined);
  many[many.length - 1] = 0;
  assert.equal(linuxBanner(many)?.length, 510);
  assert.ok(performance.now() - startedAt < 15_000);
});

Deno.test("unwrapKernelImage() unwraps gzip and zboot to the plain Image", () => {
  const plain = arm64Image();
  const gzip = gzipSync(plain);
  const zstd = zstdCompressSync(plain);
  for (
    const stored of [plain, gzip, zboot("gzip", gzip), zboot("zstd22", zstd, plain.length)]
  ) {
    const image = unwrapKernelImage(stored, "aarch64", "x");
    assert.deepEqual(new Uint8Array(image.bytes), plain);
    assert.equal(image.release, RELEASE);
  }
  const kept = unwrapKernelImage(zboot("gzip", gzip), "aarch64", "x").gzip!;
  assert.deepEqual(new Uint8Array(kept), new Uint8Array(gzip));
  assert.equal(unwrapKernelImage(plain, "aarch64", "x").gzip, undefined);
});

Deno.test("unwrapKernelImage() leaves a bzImage whole although it has an EFI stub", () => {
  const bytes = bzImage();
  bytes.set([0x4d, 0x5a]);
  assert.equal(unwrapKernelImage(bytes, "x86_64", "x").bytes, bytes);
});

Deno.test("unwrapKernelImage() names what it cannot read", async () => {
  const plain = arm64Image();
  const zstd = zstdCompressSync(plain);
  const attempt = (bytes: Uint8Array) => () => unwrapKernelImage(bytes, "aarch64", "x");
  await expectError("corrupt", attempt(zboot("xzkern", plain, 1)), "no xzkern stream");
  const lzo = new Uint8Array([0x89, 0x4c, 0x5a, 0x4f, 0, 0, 0, 0]);
  await expectError("unsupported", attempt(zboot("lzo", lzo, 1)), "lzo", "Image.gz");
  await expectError("unsupported", attempt(new TextEncoder().encode("BZh91AY&SY")), "bzip2");
  await expectError("unsupported", attempt(new Uint8Array(5000)), "neither");
  await expectError("corrupt", attempt(gzipSync(plain).subarray(0, -9)), "cut short");
  await expectError("corrupt", attempt(zboot("zstd22", zstd, plain.length + 1)), "came out");
  await expectError("corrupt", attempt(gzipSync(new Uint8Array(5000))), "ARMd");
  await expectError("limit", attempt(zboot("zstd22", zstd, 0xffffffff)));
});

Deno.test("unwrapKernelImage() names both machines, through what compresses the kernel", async () => {
  const big = new Uint8Array(4 << 20).map((_, i) => (i * i) >>> 7);
  const wraps = [(bytes: Uint8Array) => bytes, gzipSync, zstdCompressSync];
  for (const wrap of wraps) {
    const arm = wrap(concat([arm64Image(), big]));
    const onPc = () => unwrapKernelImage(arm, "x86_64", "x");
    await expectError("unsupported", onPc, "it is for aarch64, the device is x86_64");
    const pc = wrap(concat([bzImage(), big]));
    const onPhone = () => unwrapKernelImage(pc, "aarch64", "x");
    await expectError("unsupported", onPhone, "it is for x86_64, the device is aarch64");
  }
  const zbooted = zboot("zstd22", zstdCompressSync(bzImage()), 2048);
  const inside = () => unwrapKernelImage(zbooted, "aarch64", "x");
  await expectError("unsupported", inside, "it is for x86_64, the device is aarch64");
  const damaged = gzipSync(concat([arm64Image(), big])).fill(0xff, 10);
  await expectError("corrupt", () => unwrapKernelImage(damaged, "x86_64", "x"), "HdrS");
});

Deno.test("unwrapKernelImage() stops a bomb at 256 MiB", async () => {
  const bomb = gzipSync(new Uint8Array((256 << 20) + 1), { level: 1 });
  await expectError("limit", () => unwrapKernelImage(bomb, "aarch64", "x"));
  const budget = { leftBytes: 1000 };
  const small = () => unwrapKernelImage(gzipSync(arm64Image()), "aarch64", "x", budget);
  await expectError("limit", small, "more than 1000 bytes");
  assert.equal(budget.leftBytes, 0);
  await expectError("limit", small, "more than 0 bytes");
});

Deno.test("unwrapKernelImage() bounds all layers together", async () => {
  const inner = gzipSync(concat([arm64Image(), new Uint8Array(160 << 20)]), { level: 1 });
  const padded = concat([inner, new Uint8Array(128 << 20)]);
  const nested = gzipSync(padded, { level: 1 });
  await expectError("limit", () => unwrapKernelImage(nested, "aarch64", "x"), "more than");
});

Deno.test("parseZboot() finds payloads outside of the file", async () => {
  const image = zboot("gzip", new Uint8Array(10));
  await expectError("corrupt", () => parseZboot(image.subarray(0, -1), "x"), "ends at");
  await expectError(
    "corrupt",
    () => parseZboot(zboot("zstd22", new Uint8Array(9)), "x"),
    "plain size",
  );
  for (let at = 0; at < 64; at++) {
    const bytes = image.slice();
    bytes[at] = 0xff;
    try {
      parseZboot(bytes, "x");
    } catch (error) {
      assert.ok(error instanceof FastboopError);
    }
  }
});

for (const arch of ["x86_64", "aarch64"] as const) {
  const tree = realTree(arch);
  Deno.test({
    name: `unwrapKernelImage() reads the release of the lab's ${arch} kernel`,
    ignore: tree === undefined,
    fn: async () => {
      const path = arch === "x86_64" ? "arch/x86/boot/bzImage" : "arch/arm64/boot/Image.gz";
      const release = (await Deno.readTextFile(`${tree}/include/config/kernel.release`)).trim();
      const stored = await Deno.readFile(`${tree}/${path}`);
      assert.equal(unwrapKernelImage(stored, arch, path).release, release);
      await expectError("corrupt", () => unwrapKernelImage(stored.subarray(0, -4096), arch, path));
      if (arch === "aarch64") {
        const plain = await Deno.readFile(`${tree}/arch/arm64/boot/Image`);
        assert.deepEqual(new Uint8Array(unwrapKernelImage(stored, arch, path).bytes), plain);
      }
    },
  });
}
