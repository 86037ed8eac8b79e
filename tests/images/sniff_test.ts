import assert from "node:assert/strict";
import { AT_START, type Format, SNIFF_BYTES, SUPERBLOCKS } from "../../lib/images/signatures.ts";
import { sniffFormat, sniffRootImage } from "../../lib/images/sniff.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { makeFat } from "../filesystems/fat/fat_images.ts";
import { hasTool, run, withTempDir } from "../filesystems/foreign_tools.ts";
import { seededRandom } from "../smoo/seeded_random.ts";
import { readFixture } from "../support/fixture.ts";

function imageOf(write: (view: DataView) => void, sizeBytes = 4096): Reader {
  const bytes = new Uint8Array(sizeBytes);
  write(new DataView(bytes.buffer));
  return new MemoryReader(bytes, "test");
}

Deno.test("sniffRootImage() tells what mkfs.erofs and mke2fs wrote", async () => {
  const sniff = async (file: string) =>
    await sniffRootImage(new MemoryReader(await readFixture(file), file));
  assert.deepEqual(await sniff("erofs-4096.img"), { filesystem: "erofs", blockSizeBytes: 4096 });
  assert.deepEqual(await sniff("ext4-1024.img"), { filesystem: "ext4", blockSizeBytes: 1024 });
});

Deno.test("sniffRootImage() is undefined for anything else", async () => {
  assert.equal(await sniffRootImage(imageOf(() => {})), undefined);
  assert.equal(await sniffRootImage(imageOf(() => {}, 100)), undefined);
});

Deno.test("sniffRootImage() refuses a block size no kernel accepts", async () => {
  for (const bits of [0, 8, 17, 255]) {
    const image = imageOf((view) => {
      view.setUint32(1024, 0xe0f5e1e2, true);
      view.setUint8(1036, bits);
    });
    await assert.rejects(sniffRootImage(image), { kind: "corrupt" });
  }
  const image = imageOf((view) => {
    view.setUint16(1080, 0xef53, true);
    view.setUint32(1048, 0xffffffff, true);
  });
  await assert.rejects(sniffRootImage(image), { kind: "corrupt" });
});

const DISK = "truncate -s 8M out";
/** What foreign programs write into `out`; `in` is a small text. */
const MADE: readonly (readonly [format: Format, tool: string, script: string])[] = [
  ["xz", "xz", "xz -c in > out"],
  ["gzip", "gzip", "gzip -c in > out"],
  ["zstd", "zstd", "zstd -qc in > out"],
  ["lz4", "lz4", "lz4 -qc in > out"],
  ["lz4", "lz4", "lz4 -qlc in > out"],
  ["bzip2", "bzip2", "bzip2 -c in > out"],
  ["bzip2", "bzip2", "bzip2 -c < /dev/null > out"],
  ["zip", "zip", "zip -q out.zip in && mv out.zip out"],
  ["tar", "tar", "tar -cf out in"],
  ["tar", "tar", "tar --format=pax -cf out in"],
  ["cpio", "cpio", "echo in | cpio --quiet -o -H newc > out"],
  ["cpio", "cpio", "echo in | cpio --quiet -o -H odc > out"],
  ["fdt", "dtc", "echo '/dts-v1/; / {};' | dtc -q -o out"],
  ["boot-image", "mkbootimg", "mkbootimg --kernel in --ramdisk in -o out"],
  ["erofs", "mkfs.erofs", "mkdir d && cp in d && mkfs.erofs --quiet out d"],
  ["ext4", "mke2fs", `${DISK} && mke2fs -q -t ext4 out`],
  ["ext4", "mke2fs", `${DISK} && mke2fs -q -t ext2 -b 1024 out`],
  ["btrfs", "mkfs.btrfs", "truncate -s 128M out && mkfs.btrfs -q out"],
  ["squashfs", "mksquashfs", "mksquashfs in out -quiet -no-progress > /dev/null"],
  ["iso9660", "xorriso", "xorriso -outdev out -map in /in > /dev/null 2>&1"],
  ["fat", "mkfs.vfat", "mkfs.vfat -C out 8192"],
  ["fat", "mkfs.vfat", "mkfs.vfat -F 32 -n EROFS --mbr=yes -C out 40000"],
  ["fat", "mkfs.vfat", "mkfs.vfat -S 4096 -C out 32768"],
  ["gpt", "sgdisk", `${DISK} && sgdisk -n 1:0:+1M out`],
  ["mbr", "sfdisk", `${DISK} && echo size=1M | sfdisk -q out`],
  [
    "iso9660",
    "xorriso",
    "truncate -s 1M p && xorriso -as mkisofs -quiet " +
    "-append_partition 2 0xef p -appended_part_as_gpt -o out in 2> /dev/null",
  ],
  ["elf", "env", "cp $(command -v env) out"],
];

Deno.test("sniffFormat() tells what foreign programs wrote", async (t) => {
  let tried = 0;
  for (const [format, tool, script] of MADE) {
    await t.step({
      name: `${format}: ${script}`,
      ignore: !hasTool(tool),
      async fn() {
        await withTempDir(async (folder) => {
          await Deno.writeTextFile(`${folder}/in`, "some text\n".repeat(100));
          const { code, stderr } = await run("sh", ["-c", script], { cwd: folder });
          assert.equal(code, 0, stderr);
          const bytes = await Deno.readFile(`${folder}/out`);
          assert.equal(sniffFormat(bytes.subarray(0, SNIFF_BYTES), bytes.length), format);
          tried++;
        });
      },
    });
  }
  assert.ok(tried > 5, `${tried} programs are there`);
});

Deno.test("sniffFormat() finds each signature at its offset, not beside it and not cut off", () => {
  for (const [format, offset, signature] of [...AT_START, ...SUPERBLOCKS]) {
    const text = typeof signature === "string" ? new TextEncoder().encode(signature) : signature;
    const end = offset + text.length;
    const bytes = new Uint8Array(SNIFF_BYTES);
    bytes.set(text, offset);
    assert.equal(sniffFormat(bytes, bytes.length), format);
    assert.equal(sniffFormat(bytes.subarray(0, end), end), format);
    assert.equal(sniffFormat(bytes.subarray(0, end - 1), end), undefined);
    assert.equal(sniffFormat(bytes, end - 1), undefined);
    assert.equal(
      sniffFormat(bytes.subarray(1), bytes.length),
      undefined,
      `${format}, one too early`,
    );
  }
});

/** Bytes at offsets, in zeros. */
function headOf(parts: Record<number, string>): Uint8Array {
  const head = new Uint8Array(SNIFF_BYTES);
  for (const [offset, text] of Object.entries(parts)) {
    head.set(Uint8Array.from(text, (character) => character.charCodeAt(0)), Number(offset));
  }
  return head;
}

Deno.test("sniffFormat() goes by the documented order where several signatures fit", () => {
  const EROFS = { 1024: "\xe2\xe1\xf5\xe0" };
  const EXT4 = { 1080: "\x53\xef" };
  const ISO = { 32768: "\x01CD001" };
  const GPT = { 512: "EFI PART" };
  const MBR = { 454: "\0\x08\0\0\0\x08\0\0", 510: "\x55\xaa" };
  const cases: [Record<number, string>[], Format | undefined][] = [
    [[{ 0: "ANDROID!" }, EXT4], "boot-image"],
    [[{ 0: "\x3a\xff\x26\xed" }, EXT4, GPT], "android-sparse"],
    [[GPT, MBR], "gpt"],
    [[GPT, MBR, ISO], "iso9660"],
    [[MBR, ISO], "iso9660"],
    [[{ 4096: "EFI PART" }, MBR], "gpt"],
    [[{ 4096: "EFI PART" }, EROFS], "erofs"],
    [[EROFS, ISO], "erofs"],
    [[EXT4, MBR], "ext4"],
    [[EXT4, { 1048: "\x07" }, MBR], "mbr"],
    [[{ 0: "MZ", 4: "zimg" }], "zboot"],
    [[{ 0: "MZ", 56: "ARMd" }], "arm64-image"],
    [[{ 0: "MZ", 514: "HdrS" }, MBR], "bzimage"],
    [[{ 0: "\x5e\x2a\x4d\x18" }], "zstd"],
    [[{ 0: "BZh9" }], undefined],
    [[MBR], "mbr"],
    [[{ 510: "\x55\xaa" }], undefined],
    [[MBR, { 462: "\x41" }], undefined],
    [[{ 32768: "\x03CD001" }], undefined],
    [[], undefined],
  ];
  for (const [parts, format] of cases) {
    const head = headOf(Object.assign({}, ...parts));
    assert.equal(sniffFormat(head, 2 ** 30), format, JSON.stringify(parts));
  }
});

Deno.test("sniffFormat() has an answer to any bytes", () => {
  const random = seededRandom(77);
  for (let i = 0; i < 2000; i++) {
    const head = Uint8Array.from({ length: random(2048) }, () => random(256));
    sniffFormat(head, head.length);
  }
  assert.equal(sniffFormat(new Uint8Array(), 0), undefined);
});

Deno.test({
  name: "sniffFormat() knows FAT by its parameters, whatever its words say",
  ignore: !hasTool("mkfs.vfat"),
  async fn() {
    await withTempDir(async (folder) => {
      await makeFat(`${folder}/image`, 1440, "");
      const head = (await Deno.readFile(`${folder}/image`)).slice(0, SNIFF_BYTES);
      head.fill(0x20, 54, 62);
      assert.equal(sniffFormat(head, head.length), "fat");
      for (const [offset, value] of [[0, 0], [11, 1], [13, 3], [16, 3], [21, 0], [510, 0]]) {
        const other = head.slice();
        other[offset!] = value!;
        assert.notEqual(sniffFormat(other, other.length), "fat", `byte ${offset}`);
      }
    });
  },
});
