import assert from "node:assert/strict";
import { decodeCodePage437 } from "../../../lib/filesystems/fat/code_page.ts";
import { openFat } from "../../../lib/filesystems/fat/open_fat.ts";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { seededRandom } from "../../smoo/seeded_random.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";
import {
  fillFat,
  HAS_FAT_TOOLS,
  indexOf,
  makeFat,
  makeSmallFat32,
  must,
  noise,
  readAll,
  withFiles,
} from "./fat_images.ts";

/** Size in KiB, options of mkfs.vfat, and the width fsck.fat must see. */
const VARIANTS: readonly (readonly [sizeKib: number, words: string, bits: number])[] = [
  [1440, "-F 12 -n LABEL", 12],
  [2880, "-F 12 -f 1 -s 4", 12],
  [8192, "-F 16 -s 1", 16],
  [32_768, "-F 16 -S 4096 -s 1 -n LABEL", 16],
  [40_960, "-F 16 -s 16", 16],
  [34_816, "-F 32 -s 1", 32],
  [4_300_000, "-F 32 -s 128", 32],
];

/** Whole seconds of even number are what FAT can keep. */
const MTIME = new Date("2024-02-29T23:59:58Z");

async function openImage(path: string): Promise<FileTree> {
  return await openFat(await openFile(path));
}

/** Names of every sort, files of no byte to many clusters, directories many levels deep. */
async function makeTree(root: string): Promise<void> {
  const files: [string, Uint8Array][] = [
    ["UPPER.TXT", noise(1, 1)],
    ["lower.txt", noise(511, 2)],
    ["Mixed.Txt", noise(512, 3)],
    ["UPPER.low", noise(513, 4)],
    ["no extension", noise(5000, 5)],
    [".hidden", noise(10, 6)],
    ["two.dots.txt", noise(10, 7)],
    ["empty", new Uint8Array()],
    [`${"long".repeat(63)}xyz`, noise(20, 8)],
    ["thirteen-name", noise(20, 9)],
    ["\u00c4pfel und \u4e2d\u6587.txt", noise(20, 10)],
    ["big", noise(150_001, 11)],
  ];
  for (const [name, bytes] of files) await Deno.writeFile(`${root}/${name}`, bytes);
  let folder = root;
  for (let depth = 0; depth < 12; depth++) {
    folder += `/level ${depth}`;
    await Deno.mkdir(folder);
  }
  await Deno.writeFile(`${folder}/deep`, noise(3000, 12));
  await Deno.mkdir(`${root}/many`);
  for (let i = 0; i < 200; i++) {
    await Deno.writeFile(`${root}/many/a long name with number ${i}`, noise(i, i));
  }
}

async function setTimes(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) await setTimes(`${folder}/${name}`);
    await Deno.utime(`${folder}/${name}`, MTIME, MTIME);
  }
}

/** Asserts that the tree holds what the host's directory does; gives the number of names. */
async function compare(tree: FileTree, host: string, folder = ""): Promise<number> {
  const wanted = (await Array.fromAsync(Deno.readDir(host + folder))).map(({ name }) => name);
  const entries = await tree.list(folder.slice(1));
  assert.deepEqual(entries.map(({ name }) => name).sort(), wanted.sort(), folder);
  let names = entries.length;
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.kind === "directory") {
      assert.equal(entry.mode, 0o755);
      names += await compare(tree, host, path);
      continue;
    }
    assert.deepEqual([entry.kind, entry.mode, entry.uid], ["file", 0o644, 0]);
    assert.equal(entry.mtimeSeconds * 1000, MTIME.getTime(), path);
    const bytes = await Deno.readFile(host + path);
    assert.equal(entry.sizeBytes, bytes.length, path);
    assert.deepEqual(await readAll(tree, path.slice(1)), new Uint8Array(bytes), path);
  }
  return names;
}

Deno.test({
  name: "openFat() gives the names, times and bytes that mcopy wrote",
  ignore: !HAS_FAT_TOOLS,
  async fn(t) {
    await withTempDir(async (folder) => {
      await Deno.mkdir(`${folder}/tree`);
      await makeTree(`${folder}/tree`);
      await setTimes(`${folder}/tree`);
      for (const [sizeKib, words, bits] of VARIANTS) {
        await t.step(`${sizeKib} KiB, ${words}`, async () => {
          const image = `${folder}/image-${sizeKib}${words}`;
          await makeFat(image, sizeKib, words);
          await fillFat(image, `${folder}/tree`);
          const checked = await must("fsck.fat", ["-nv", image]);
          assert.match(checked, new RegExp(`${bits} bit`));
          await using tree = await openImage(image);
          const seen = await compare(tree, `${folder}/tree`);
          assert.equal(seen, 226);
        });
      }
      await t.step("and the comparison notices a flipped byte", async () => {
        const image = `${folder}/image`;
        await makeFat(image, 1440, "");
        await fillFat(image, `${folder}/tree`);
        const bytes = await Deno.readFile(image);
        const at = indexOf(bytes, noise(512, 3));
        bytes[at + 100]! ^= 1;
        await using tree = await openFat(new MemoryReader(bytes, "flipped"));
        await assert.rejects(compare(tree, `${folder}/tree`), /Mixed/);
      });
    });
  },
});

Deno.test({
  name: "openFat() reads a FAT32 of few clusters as fsck.fat does",
  ignore: !HAS_FAT_TOOLS,
  async fn() {
    await withTempDir(async (folder) => {
      await makeSmallFat32(`${folder}/image`);
      await using tree = await openImage(`${folder}/image`);
      assert.deepEqual((await tree.list("")).map(({ name }) => name), ["FSCK0000.REC"]);
      const wanted = "A".repeat(512) + "B".repeat(512);
      assert.equal(new TextDecoder().decode(await readAll(tree, "FSCK0000.REC")), wanted);
    });
  },
});

Deno.test({
  name: "openFat() reads any range of a file in dozens of pieces",
  ignore: !HAS_FAT_TOOLS,
  async fn(t) {
    for (
      const [sizeKib, words] of [[720, "-F 12 -s 1"], [8192, "-F 16 -s 1"], [
        40_000,
        "-F 32 -s 1",
      ]] as const
    ) {
      await t.step(words, async () => {
        await withTempDir(async (folder) => {
          const image = `${folder}/image`;
          await makeFat(image, sizeKib, words);
          await Deno.mkdir(`${folder}/small`);
          for (let i = 0; i < 400; i++) {
            await Deno.writeFile(`${folder}/small/${i}`, noise(512, i + 1));
          }
          await must("mcopy", ["-i", image, "-s", `${folder}/small`, "::/"]);
          const odd = Array.from({ length: 200 }, (_, i) => `::/small/${2 * i + 1}`);
          await must("mdel", ["-i", image, ...odd]);
          // What is left at the end is filled, so that the file has to go into the gaps.
          const big = noise(150 * 512 + 77, 99);
          await Deno.writeFile(`${folder}/big`, big);
          await rewindFreeCluster(image);
          await must("mcopy", ["-i", image, `${folder}/big`, "::/"]);
          const shown = await must("mshowfat", ["-i", image, "::/big"]);
          assert.ok(shown.split("<").length > 60, shown);

          await using tree = await openImage(image);
          await using reader = await tree.open("big");
          const random = seededRandom(5);
          for (let i = 0; i < 300; i++) {
            const from = random(big.length);
            const into = new Uint8Array(random(Math.min(5000, big.length - from) + 1));
            await reader.readAt(from, into);
            assert.deepEqual(into, big.subarray(from, from + into.length));
          }
          await assert.rejects(reader.readAt(big.length, new Uint8Array(1)), ofKind("limit"));
        });
      });
    }
  },
});

/** FAT32 remembers where it allocated last; -1 makes mtools look from the start. */
async function rewindFreeCluster(image: string): Promise<void> {
  const bytes = await Deno.readFile(image);
  if (indexOf(bytes.subarray(0, 1024), new TextEncoder().encode("FAT32")) < 0) return;
  bytes.fill(0xff, 512 + 492, 512 + 496);
  await Deno.writeFile(image, bytes);
}

const namesOf = async (bytes: Uint8Array) => {
  await using tree = await openFat(new MemoryReader(bytes, "image"));
  return (await tree.list("")).map(({ name }) => name);
};

Deno.test({
  name:
    "openFat() finds names without regard to case and by their short form, and lists them as stored",
  ignore: !HAS_FAT_TOOLS,
  async fn() {
    await withFiles(["VMLINUZ", "Long file name.txt", "\u00c4rger.txt"], async (bytes) => {
      await using tree = await openFat(new MemoryReader(bytes, "image"));
      const stored = await readAll(tree, "VMLINUZ");
      for (const name of ["vmlinuz", "VmLinuz", "vmlinuz."]) {
        assert.deepEqual(await readAll(tree, name), stored, name);
      }
      const long = await readAll(tree, "Long file name.txt");
      assert.notDeepEqual(long, stored);
      assert.deepEqual(await readAll(tree, "LONG FILE NAME.TXT"), long);
      assert.deepEqual(await readAll(tree, "longfi~1.txt"), long);
      assert.ok(await tree.stat("\u00e4RGER.txt"));
      assert.equal(await tree.stat("vmlinu"), undefined);
      assert.deepEqual(await namesOf(bytes), ["Long file name.txt", "VMLINUZ", "\u00c4rger.txt"]);
    });
  },
});

Deno.test({
  name: "openFat() leaves out labels and deleted files, and shows the read-only bit",
  ignore: !HAS_FAT_TOOLS,
  async fn() {
    await withFiles(["gone with a long name", "kept", "locked"], async (_, image) => {
      await must("mdel", ["-i", image, "::/gone with a long name"]);
      await must("mattrib", ["-i", image, "+r", "::/locked"]);
      await using tree = await openImage(image);
      const entries = await tree.list("");
      assert.deepEqual(entries.map(({ name, mode }) => [name, mode]), [
        ["kept", 0o644],
        ["locked", 0o444],
      ]);
    });
  },
});

Deno.test({
  name: "openFat() reads short names with case bits, in code page 437, and 05 in place of E5",
  ignore: !HAS_FAT_TOOLS,
  async fn() {
    await withFiles(["QBC.TXT"], async (bytes) => {
      const at = indexOf(bytes, "QBC     TXT");
      const name = async (change: (record: Uint8Array) => void) => {
        const changed = bytes.slice();
        change(changed.subarray(at, at + 32));
        return (await namesOf(changed))[0];
      };
      assert.equal(await name(() => {}), "QBC.TXT");
      assert.equal(await name((record) => record[12] = 0x08), "qbc.TXT");
      assert.equal(await name((record) => record[12] = 0x10), "QBC.txt");
      assert.equal(await name((record) => record[12] = 0x18), "qbc.txt");
      assert.equal(await name((record) => record.set([0x05, 0x81])), "\u03c3\u00fcC.TXT");
      assert.equal(await name((record) => record.fill(0x20, 8, 11)), "QBC");
      assert.equal(await name((record) => record[0] = 0xe5), undefined);
      assert.equal(await name((record) => record[0] = 0), undefined);
      for (const byte of [0x01, 0x2f]) {
        await assert.rejects(name((record) => record[1] = byte), ofKind("corrupt"));
      }
      await assert.rejects(name((record) => record.fill(0x20, 0, 8)), ofKind("corrupt", /base/));
    });
  },
});

Deno.test({
  name: "openFat() takes a long name only where its checksum and numbers fit",
  ignore: !HAS_FAT_TOOLS,
  async fn() {
    await withFiles(["fifteen letters"], async (bytes) => {
      const short = indexOf(bytes, "FIFTEE~1   ");
      const name = async (change: (image: Uint8Array, first: number) => void) => {
        const changed = bytes.slice();
        change(changed, short - 32);
        return await namesOf(changed);
      };
      assert.deepEqual(await name(() => {}), ["fifteen letters"]);
      assert.deepEqual(await name((image, at) => image[at + 13]! ^= 1), ["FIFTEE~1"]);
      assert.deepEqual(await name((image, at) => image[at - 32] = 0x43), ["FIFTEE~1"]);
      assert.deepEqual(await name((image, at) => image[at] = 2), ["FIFTEE~1"]);
      assert.deepEqual(await name((image) => image[short] = 0x58), ["XIFTEE~1"]);
      const pair = new Uint8Array([0x3d, 0xd8, 0x00, 0xde]);
      assert.deepEqual(await name((image, at) => image.set(pair, at + 1)), [
        "\u{1f600}fteen letters",
      ]);
      const lone = name((image, at) => image.set(pair.subarray(0, 2), at + 1));
      await assert.rejects(lone, ofKind("unsupported", /Unicode/));
      const slash = name((image, at) => image.set([0x2f, 0], at + 1));
      await assert.rejects(slash, ofKind("corrupt"));
      const twice = name((image) => image.copyWithin(short + 32, short - 64, short + 32));
      await assert.rejects(twice, ofKind("corrupt", /twice/));
    });
  },
});

Deno.test({
  name: "decodeCodePage437() agrees with iconv",
  ignore: !hasTool("iconv"),
  async fn() {
    const bytes = Uint8Array.from({ length: 224 }, (_, i) => i + 32);
    const { stdout } = await run("iconv", ["-f", "CP437", "-t", "UTF-8"], { stdin: bytes });
    assert.equal(decodeCodePage437(bytes), stdout);
  },
});
