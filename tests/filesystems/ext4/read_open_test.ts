import assert from "node:assert/strict";
import { openExt4 } from "../../../lib/filesystems/ext4/open_ext4.ts";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { readFixture } from "../../support/fixture.ts";
import { assertSameAsMounted } from "../compare_trees.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";
import { canMount, withMounted } from "../loop_mount.ts";
import { makeRichTree } from "../rich_tree.ts";
import { imageOf } from "./images.ts";
import { tortureTree } from "./torture_tree.ts";

const HAS_TOOL = hasTool("mke2fs") && hasTool("debugfs");
const HERE = HAS_TOOL && await canMount("ext4");

const VARIANTS = [
  "-t ext4",
  "-t ext4 -O ^has_journal",
  "-t ext4 -O inline_data -I 512",
  "-t ext2 -b 1024 -O ^extents -N 4000",
  "-t ext3",
  "-t ext4 -O ^64bit,^metadata_csum",
  "-t ext4 -b 2048",
  "-t ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg",
  "-t ext4 -b 4096 -O meta_bg,^resize_inode",
  "-t ext4 -I 128",
  "-t ext4 -O sparse_super2",
  "-t ext4 -O bigalloc -C 16384",
  "-t ext4 -O ea_inode",
  "-t ext4 -O metadata_csum_seed",
];

async function makeImage(words: string, image: string, tree: string, size: string): Promise<void> {
  const args = ["-qF", ...words.split(" "), "-d", tree, image, size];
  const { code, stderr } = await run("mke2fs", args);
  assert.equal(code, 0, `${words}: ${stderr}`);
}

Deno.test({
  name: "openExt4() reads what the kernel reads of images by mke2fs",
  ignore: !HERE,
  async fn(t) {
    await withTempDir(async (folder) => {
      await Deno.mkdir(`${folder}/tree`);
      await makeRichTree(`${folder}/tree`);
      for (const variant of VARIANTS) {
        await t.step(variant, async () => {
          const image = `${folder}/image`;
          await Deno.remove(image).catch(() => {});
          await makeImage(variant, image, `${folder}/tree`, "48M");
          await using actual = await openExt4(await openFile(image));
          const seen = await withMounted(
            image,
            "ext4",
            (path) => assertSameAsMounted(actual, path),
          );
          assert.ok(seen.names > 1700 && seen.bytes > 5_000_000, JSON.stringify(seen));
          assert.ok(seen.attributes > 8, JSON.stringify(seen));
        });
      }
    });
  },
});

Deno.test({
  name: "openExt4() lists hash trees and large attributes as debugfs made them",
  ignore: !HAS_TOOL,
  fn: () =>
    withTempDir(async (folder) => {
      await Deno.mkdir(`${folder}/tree/many`, { recursive: true });
      for (let i = 0; i < 3000; i++) {
        Deno.writeTextFileSync(`${folder}/tree/many/a-rather-long-name-for-entry-${i}`, "");
      }
      const image = `${folder}/image`;
      await makeImage("-t ext4 -b 1024 -N 4000", image, `${folder}/tree`, "16M");
      // Only e2fsck makes hash trees: it rebuilds directories on request.
      assert.ok((await run("e2fsck", ["-fyD", image])).code < 2);
      const { stdout } = await run("debugfs", ["-R", "stat /many", image]);
      assert.match(stdout, /Flags: 0x81000/);
      await Deno.writeFile(`${folder}/value`, new Uint8Array(600).fill(0x61));
      await run("debugfs", ["-w", "-R", `ea_set -f ${folder}/value /many user.large`, image]);
      await using tree = await openExt4(await openFile(image));
      assert.equal((await tree.list("many")).length, 3000);
      const value = (await tree.stat("many"))?.xattrs?.get("user.large");
      assert.deepEqual(value, new Uint8Array(600).fill(0x61));
    }),
});

Deno.test("openExt4() gives back the tree an image was laid out from", async () => {
  const source = tortureTree();
  await using tree = await openExt4(await imageOf(source, { owner: "source" }));
  const compare = async (folder: string): Promise<number> => {
    const wanted = await source.list(folder);
    const got = await tree.list(folder);
    assert.deepEqual(got.map(({ name }) => name), wanted.map(({ name }) => name), folder);
    let count = got.length;
    for (const [i, { name, kind, mode, uid, gid, sizeBytes, linkTarget }] of got.entries()) {
      const path = folder === "" ? name : `${folder}/${name}`;
      const want = wanted[i]!;
      assert.deepEqual(
        { kind, mode, uid, gid, linkTarget, sizeBytes },
        {
          kind: want.kind,
          mode: want.mode,
          uid: want.uid,
          gid: want.gid,
          linkTarget: want.linkTarget,
          sizeBytes: want.sizeBytes,
        },
        path,
      );
      if (folder === "xattrs") {
        assert.deepEqual(
          new Map([...got[i]!.xattrs ?? []].sort()),
          new Map([...want.xattrs ?? []].sort()),
          path,
        );
      }
      if (kind === "directory") count += await compare(path);
      else if (kind === "file") {
        assert.deepEqual(await read(tree, path), await read(source, path), path);
      }
    }
    return count;
  };
  assert.ok(await compare("") > 3900);
});

async function read(tree: FileTree, path: string): Promise<Uint8Array> {
  await using reader = await tree.open(path);
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes);
  return bytes;
}

Deno.test("openExt4() names what it does not read", async () => {
  // mke2fs leaves the free blocks at the end out of the file; the kernel wants them as we do.
  const image = new Uint8Array(64 << 10);
  const fixture = await readFixture("ext4-1024.img");
  await assert.rejects(openExt4(new MemoryReader(fixture, "f")), ofKind("corrupt", /ends at/));
  image.set(fixture);
  const changed = async (change: (view: DataView) => void) => {
    const bytes = image.slice();
    const view = new DataView(bytes.buffer, 1024);
    // Without the feature nobody looks at checksums.
    view.setUint32(0x64, view.getUint32(0x64, true) & ~0x400, true);
    change(view);
    await using tree = await openExt4(new MemoryReader(bytes, "changed"));
    return await tree.list("");
  };
  const incompat = (bits: number) => (view: DataView) =>
    view.setUint32(0x60, view.getUint32(0x60, true) | bits, true);
  assert.deepEqual((await changed(() => {})).map(({ name }) => name), ["lost+found"]);
  await assert.rejects(changed(incompat(0x4)), ofKind("unsupported", /e2fsck -p/));
  await assert.rejects(changed(incompat(0x8)), ofKind("unsupported", /external journal/));
  await assert.rejects(changed(incompat(0x1)), ofKind("unsupported", /compressed/));
  await assert.rejects(changed(incompat(0x100000)), ofKind("unsupported", /0x100000/));
  await assert.rejects(changed((v) => v.setUint32(0x18, 9, true)), ofKind("corrupt", /block size/));
  await assert.rejects(changed((v) => v.setUint32(0x28, 0, true)), ofKind("corrupt", /0 inodes/));
});
