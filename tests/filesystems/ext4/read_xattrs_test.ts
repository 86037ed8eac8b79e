/** Attributes of images that debugfs changed by hand, and what depends on where they lie. */
import assert from "node:assert/strict";
import { openExt4 } from "../../../lib/filesystems/ext4/open_ext4.ts";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";

const ignore = !hasTool("mke2fs") || !hasTool("debugfs");

/** Runs debugfs's `commands` on a fresh image; `FOLDER/value` has 64 KiB, `FOLDER/small` 300 bytes. */
async function withImage(
  words: string,
  commands: (folder: string) => string[],
  body: (tree: FileTree) => Promise<void>,
): Promise<void> {
  await withTempDir(async (folder) => {
    const image = `${folder}/image`;
    const args = ["-qF", "-t", "ext4", ...words.split(" "), image, "16M"];
    const made = await run("mke2fs", args);
    assert.equal(made.code, 0, made.stderr);
    await Deno.writeFile(`${folder}/value`, new Uint8Array(65536).fill(0x61));
    await Deno.writeFile(`${folder}/small`, new Uint8Array(300).fill(0x61));
    await Deno.writeTextFile(`${folder}/commands`, commands(folder).join("\n"));
    const changed = await run("debugfs", ["-w", "-f", `${folder}/commands`, image]);
    assert.equal(changed.code, 0, changed.stderr);
    await using tree = await openExt4(await openFile(image));
    await body(tree);
  });
}

for (
  const [words, commands] of [
    ["-O ^has_journal", []],
    ["-O ^has_journal,bigalloc -C 16384", []],
    // The kernel counts the value's blocks with the link's, which debugfs does not.
    ["-O ^has_journal,ea_inode", ["sif link blocks 16"]],
  ] as const
) {
  Deno.test({
    name: `openExt4() finds a short link's target beside a large attribute: ${words}`,
    ignore,
    fn: () =>
      withImage(words, (folder) => [
        "symlink link target",
        `ea_set -f ${folder}/small link trusted.large`,
        ...commands,
      ], async (tree) => {
        const { linkTarget, xattrs } = (await tree.stat("link"))!;
        assert.equal(linkTarget, "target");
        assert.equal(xattrs?.get("trusted.large")?.length, 300);
      }),
  });
}

Deno.test({
  name: "openExt4() shows no attributes of unknown kinds, as the kernel shows none",
  ignore,
  fn: () =>
    withImage("-O ^has_journal", (folder) => [
      `write ${folder}/small file`,
      "ea_set file gnu.translator hidden",
      "ea_set file user.note shown",
    ], async (tree) => {
      const [entry] = (await tree.list("")).filter(({ name }) => name === "file");
      assert.deepEqual([...entry!.xattrs!.keys()], ["user.note"]);
    }),
});

Deno.test({
  name: "openExt4() reads 4 MiB of attributes of one inode and refuses more",
  ignore,
  fn: () =>
    withImage("-O ^has_journal,^resize_inode,ea_inode -b 65536 -N 200", (folder) => {
      const set = (file: string, count: number) =>
        Array.from({ length: count }, (_, i) => `ea_set -f ${folder}/value ${file} user.a${i}`);
      const write = (file: string) => `write ${folder}/small ${file}`;
      return [write("most"), ...set("most", 64), write("more"), ...set("more", 65)];
    }, async (tree) => {
      const { xattrs } = (await tree.stat("most"))!;
      assert.deepEqual([...xattrs!.values()].map(({ length }) => length), Array(64).fill(65536));
      await assert.rejects(tree.stat("more"), ofKind("limit", /4194304/));
    }),
});
