/** What compresses kernels, by the programs that kernel builds call, and by real kernels. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { concat } from "../../lib/bytes/concat.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { decompressKernel, kernelCodec } from "../../lib/kernel/decompress_kernel.ts";
import { unwrapKernelImage } from "../../lib/kernel/image_format.ts";
import { linuxBanner } from "../../lib/kernel/linux_banner.ts";
import { unpackBzImage } from "../../lib/kernel/unpack_bzimage.ts";
import { unpackKernel } from "../../lib/kernel/unpack_kernel.ts";
import { hasTool, withTempDir } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";
import { arm64Image, RELEASE, zboot } from "./fixture_tree.ts";
import { debianModules, realTree } from "./real_trees.ts";

/** More than one block of lz4, of bytes that do not shrink to nothing. */
const plain = concat([arm64Image(), new Uint8Array(9 << 20).map((_, i) => (i * i) >>> 7)]);

/** As scripts/Makefile.lib calls them. */
const FOREIGN: Record<string, { codec: string; program: string; args: string[] }> = {
  "xzkern": { codec: "xz", program: "xz", args: ["--check=crc32", "--lzma2=dict=1MiB", "-0"] },
  "xzkern of arm64": {
    codec: "xz",
    program: "xz",
    args: ["--check=crc32", "--arm64", "--lzma2=preset=0"],
  },
  "lzma": { codec: "lzma", program: "xz", args: ["--format=lzma", "-0"] },
  "lz4": { codec: "lz4", program: "lz4", args: ["-l", "-1", "-c"] },
};

async function pack(program: string, args: string[], content: Uint8Array) {
  return await withTempDir(async (dir) => {
    await Deno.writeFile(`${dir}/plain`, content);
    const child = new Deno.Command("sh", {
      args: ["-c", `${program} "$@" < plain > packed`, program, ...args],
      cwd: dir,
    });
    const { success, stderr } = await child.output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return await Deno.readFile(`${dir}/packed`);
  });
}

for (const [name, { codec, program, args }] of Object.entries(FOREIGN)) {
  Deno.test({
    name: `unwrapKernelImage() reads an EFI zboot image of ${name}`,
    ignore: !hasTool(program),
    fn: async () => {
      const packed = await pack(program, args, plain);
      assert.equal(kernelCodec(packed), codec);
      const image = unwrapKernelImage(zboot(name, packed, plain.length), "aarch64", "x");
      assert.deepEqual(new Uint8Array(image.bytes), plain);
      assert.equal(image.release, RELEASE);
      for (const wrong of [plain.length + 1, plain.length - 1]) {
        const other = () => unwrapKernelImage(zboot(name, packed, wrong), "aarch64", "x");
        // Nothing but the size behind it ends a stream of lzma.
        if (codec !== "lzma" || wrong > plain.length) assert.throws(other, ofKind("corrupt"));
      }
      for (const bytes of [0, 4, 13, 30, packed.length >> 1, packed.length - 9]) {
        const cut = zboot(name, packed.subarray(0, bytes), plain.length);
        assert.throws(() => unwrapKernelImage(cut, "aarch64", "x"), ofKind("corrupt"));
      }
    },
  });
}

Deno.test("unwrapKernelImage() keeps of a gzip stream what a device tree follows", () => {
  const gzip = gzipSync(arm64Image());
  const stored = concat([gzip, new Uint8Array(100).fill(0xd0)]);
  const image = unwrapKernelImage(stored, "aarch64", "x");
  assert.deepEqual(new Uint8Array(image.gzip!), new Uint8Array(gzip));
  assert.deepEqual(new Uint8Array(image.bytes), arm64Image());
});

Deno.test("decompressKernel() allocates nothing for sizes that are only claimed", () => {
  const header = new Uint8Array(32);
  header.set([0x5d, 0, 0, 0x80, 0]);
  const view = new DataView(header.buffer);
  const lzma = (size: bigint, behind?: number) => () => {
    view.setBigUint64(5, size, true);
    decompressKernel(header, "lzma", behind);
  };
  assert.throws(lzma(1n << 40n), ofKind("limit"));
  assert.throws(lzma(200n << 20n), ofKind("corrupt", /claim to hold/));
  assert.throws(lzma(0xffffffffffffffffn, 200 << 20), ofKind("corrupt", /claim to hold/));
  assert.throws(lzma(0xffffffffffffffffn), ofKind("unsupported", /nothing tells/));
  assert.throws(lzma(0xffffffffffffffffn, 0xffffffff), ofKind("limit"));
  assert.throws(() => decompressKernel(header.subarray(0, 14), "lzma", 9), ofKind("corrupt"));
  assert.throws(() => decompressKernel(header, "lzo", 9), ofKind("unsupported", /lzo/));
});

Deno.test("decompressKernel() ends in other bytes or a typed error whatever byte is flipped", async () => {
  const small = concat([arm64Image(), new Uint8Array(999).map((_, i) => (i * i) >>> 3)]);
  const streams: Uint8Array[] = [gzipSync(small), zstdCompressSync(small)];
  for (const { program, args } of Object.values(FOREIGN)) {
    if (hasTool(program)) streams.push(await pack(program, args, small));
  }
  for (const stream of streams) {
    for (let at = 0; at < stream.length; at++) {
      const bytes = stream.slice();
      bytes[at]! ^= 0x41;
      const codec = kernelCodec(bytes);
      if (codec === undefined) continue;
      try {
        decompressKernel(bytes, codec, small.length);
      } catch (error) {
        assert.ok(error instanceof FastboopError, `${codec} at ${at}: ${error}`);
        assert.match(error.kind, /^(corrupt|limit|unsupported)$/);
      }
    }
  }
});

const tree = realTree("x86_64");
Deno.test({
  name: "unpackBzImage() gives what the lab's kernel build packed, through xz and its x86 filter",
  ignore: tree === undefined,
  fn: async () => {
    const boot = `${tree}/arch/x86/boot`;
    const stored = await Deno.readFile(`${boot}/bzImage`);
    const found = unpackBzImage(stored, "bzImage");
    const packed = await Deno.readFile(`${boot}/compressed/vmlinux.bin`);
    assert.ok(Buffer.compare(found, packed) === 0, "not the same bytes");
    const release = (await Deno.readTextFile(`${tree}/include/config/kernel.release`)).trim();
    assert.equal(linuxBanner(found)!.split(" ")[0], release);
    stored[stored.length >> 1]! ^= 1;
    assert.throws(() => unpackBzImage(stored, "bzImage"), ofKind("corrupt"));
  },
});

const debian = debianModules();
Deno.test({
  name: "unpackKernel() reads Debian's kernel, whose banner tells the release of its modules",
  ignore: debian === undefined,
  fn: async () => {
    const release = debian!.slice(debian!.lastIndexOf("/") + 1);
    const path = `${debian!.replace(/\/lib\/modules\/.*/, "")}/boot/vmlinuz-${release}`;
    const stored = await Deno.readFile(path);
    const kernel = unpackKernel(stored, path);
    assert.equal(linuxBanner(kernel)!.split(" ")[0], release);
    assert.equal(unwrapKernelImage(stored, "x86_64", path).release, release);
  },
});
