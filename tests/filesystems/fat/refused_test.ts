import assert from "node:assert/strict";
import { openFat } from "../../../lib/filesystems/fat/open_fat.ts";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { withTempDir } from "../foreign_tools.ts";
import { HAS_FAT_TOOLS, indexOf, makeFat, must, noise, readAll, withFiles } from "./fat_images.ts";

Deno.test({
  name: "openFat() refuses chains that loop, leave the volume, end early or lead to free clusters",
  ignore: !HAS_FAT_TOOLS,
  async fn() {
    await withTempDir(async (folder) => {
      const image = `${folder}/image`;
      await makeFat(image, 8192, "-F 16 -s 1");
      await Deno.writeFile(`${folder}/f`, noise(5000, 1));
      await must("mmd", ["-i", image, "::/d"]);
      await must("mcopy", ["-i", image, `${folder}/f`, "::/f"]);
      const bytes = await Deno.readFile(image);
      const view = new DataView(bytes.buffer);
      const fat = view.getUint16(14, true) * 512;
      const clusterOf = (name: string) => view.getUint16(indexOf(bytes, name) + 26, true);
      const [file, directory] = [clusterOf("F          "), clusterOf("D          ")];
      const attempt = async (cluster: number, next: number, step: (tree: FileTree) => unknown) => {
        const before = view.getUint16(fat + 2 * cluster, true);
        view.setUint16(fat + 2 * cluster, next, true);
        await using tree = await openFat(new MemoryReader(bytes.slice(), "image"));
        view.setUint16(fat + 2 * cluster, before, true);
        await step(tree);
      };
      await attempt(file, file + 1, async (tree) => {
        assert.deepEqual(await readAll(tree, "f"), noise(5000, 1));
      });
      const wrong: [number, RegExp][] = [
        [file, /loop/],
        [1, /leads to 1/],
        [0, /leads to 0/],
        [0xfff0, /leads to/],
        [0xfff7, /leads to/],
        [0xffff, /ends after 1/],
      ];
      for (const [next, message] of wrong) {
        await attempt(file, next, async (tree) => {
          await assert.rejects(tree.open("f"), ofKind("corrupt", message));
        });
        if (next === 0xffff) continue;
        await attempt(directory, next === file ? directory : next, async (tree) => {
          await assert.rejects(tree.list("d"), ofKind("corrupt", message));
        });
      }
      await attempt(file + 3, file + 1, async (tree) => {
        await assert.rejects(tree.open("f"), ofKind("corrupt", /loop/));
      });
    });
  },
});

Deno.test({
  name: "openFat() refuses what is no FAT, by name where it knows it",
  ignore: !HAS_FAT_TOOLS,
  async fn() {
    await withFiles([], async (bytes) => {
      const attempt = async (change: (sector: DataView) => void, lengthBytes = bytes.length) => {
        const changed = bytes.slice(0, lengthBytes);
        change(new DataView(changed.buffer));
        await using _ = await openFat(new MemoryReader(changed, "image"));
      };
      await attempt(() => {});
      const named = (name: string) => (view: DataView) => {
        for (let i = 0; i < 8; i++) view.setUint8(3 + i, name.charCodeAt(i));
      };
      await assert.rejects(attempt(named("EXFAT   ")), ofKind("unsupported", /exFAT/));
      await assert.rejects(attempt(named("NTFS    ")), ofKind("unsupported", /NTFS/));
      for (
        const [offset, value] of [[12, 3], [13, 0], [13, 3], [14, 0], [16, 0], [21, 1], [22, 0]]
      ) {
        const story = `byte ${offset} is ${value}`;
        await assert.rejects(attempt((v) => v.setUint8(offset!, value!)), ofKind("corrupt"), story);
      }
      await assert.rejects(attempt(() => {}, bytes.length - 1), ofKind("corrupt", /737280/));
      await assert.rejects(attempt(() => {}, 100), ofKind("corrupt"));
    });
  },
});
