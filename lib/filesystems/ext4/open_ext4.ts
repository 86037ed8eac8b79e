import type { FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { ImageTree } from "../image_tree.ts";
import { Ext4Space } from "./read_space.ts";
import { readSuperblock } from "./read_superblock.ts";
import { Ext4Volume } from "./read_volume.ts";

/**
 * Opens an ext2, ext3 or ext4 image as a FileTree. The tree owns `reader` and disposes it; when opening
 * fails the reader stays the caller's.
 *
 * Shape: extents, indirect blocks and inline data; linear and hashed directories; blocks of 1 to 64 KiB;
 * 64bit, flex_bg, meta_bg, sparse and large attributes. With metadata_csum every checksum met is checked.
 * An image whose journal must be replayed first is refused: what lies in place may be from before it.
 *
 * @throws {FastboopError} `corrupt`, `limit`, or `unsupported` naming what is not read. So do the tree's
 * own calls, since inodes are read when they are asked for.
 */
export async function openExt4(reader: Reader): Promise<FileTree> {
  const superblock = await readSuperblock(reader);
  return new ImageTree(new Ext4Volume(new Ext4Space(reader, superblock)));
}
