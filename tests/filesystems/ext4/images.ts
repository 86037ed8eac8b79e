/** Images as the ext4 tests need them, and e2fsck's verdict on them. */
import assert from "node:assert/strict";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { BLOCK_BYTES } from "../../../lib/filesystems/ext4/format.ts";
import { Ext4Image } from "../../../lib/filesystems/ext4/image.ts";
import { type Ext4Options, layoutExt4 } from "../../../lib/filesystems/ext4/layout.ts";
import { encodeMetadataBlock } from "../../../lib/filesystems/ext4/metadata.ts";
import { directory, MemoryTree, type Node } from "../memory_tree.ts";
import { run, type ToolResult, withTempDir } from "../foreign_tools.ts";

export async function imageOf(
  tree: FileTree | Node,
  options: Ext4Options = {},
): Promise<Ext4Image> {
  const walkable = "list" in tree ? tree : new MemoryTree(tree);
  return new Ext4Image(await layoutExt4(walkable, options));
}

/** 200 directories, each of which takes two milliseconds to list without a turn of the event loop. */
export function slowTree(): FileTree & { readonly listed: number } {
  const names = Array.from({ length: 200 }, (_, i) => [`d${i}`, directory()] as const);
  const tree = new MemoryTree(directory(new Map(names)));
  return {
    listed: 0,
    stat: (path) => tree.stat(path),
    open: (path) => tree.open(path),
    list(path) {
      (this as { listed: number }).listed++;
      const until = performance.now() + 2;
      while (performance.now() < until);
      return tree.list(path);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** All of a small image. */
export async function bytesOf(image: Ext4Image): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(image.sizeBytes);
  await image.readAt(0, bytes);
  return bytes;
}

/** Writes the metadata and leaves the files as a hole: e2fsck does not look at them. */
export function writeMetadata(image: Ext4Image, path: string): void {
  const { layout } = image;
  using output = Deno.openSync(path, { write: true, create: true, truncate: true });
  const chunk = new Uint8Array(256 * BLOCK_BYTES);
  for (let block = 0; block < layout.geometry.data;) {
    const count = Math.min(256, layout.geometry.data - block);
    for (let i = 0; i < count; i++) {
      encodeMetadataBlock(
        layout,
        block + i,
        chunk.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES),
      );
    }
    const part = chunk.subarray(0, count * BLOCK_BYTES);
    for (let done = 0; done < part.length;) done += output.writeSync(part.subarray(done));
    block += count;
  }
  output.truncateSync(image.sizeBytes);
}

export async function e2fsck(path: string): Promise<ToolResult> {
  return await run("e2fsck", ["-fn", path]);
}

/** Asserts that e2fsck finds nothing to say about the image's metadata. */
export async function assertClean(image: Ext4Image): Promise<void> {
  await withTempDir(async (folder) => {
    const path = `${folder}/image`;
    writeMetadata(image, path);
    const result = await e2fsck(path);
    assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`);
  });
}
