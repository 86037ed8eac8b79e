/** Which encoder a metadata block belongs to. */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { inodeSeed, updateWithU64 } from "./checksums.ts";
import { encodeDirectoryBlock } from "./directory_blocks.ts";
import { encodeExtentNode } from "./extents.ts";
import { encodeBlockBitmap, encodeDescriptors, encodeInodeBitmap } from "./groups.ts";
import { encodeInodeBlock } from "./inode_table.ts";
import type { Ext4Layout } from "./layout.ts";
import { lastAtMost } from "./last_at_most.ts";
import { encodeSuperblock } from "./superblock.ts";

/** Writes metadata block `block` (below `geometry.data`) to the 4096 bytes `out`. */
export function encodeMetadataBlock(layout: Ext4Layout, block: number, out: Uint8Array): void {
  const { geometry, directories, treeBlock } = layout;
  out.fill(0);
  if (block === 0) encodeSuperblock(layout, out);
  else if (block < geometry.blockBitmaps) encodeDescriptors(layout, block - 1, out);
  else if (block < geometry.inodeBitmaps) {
    encodeBlockBitmap(layout, block - geometry.blockBitmaps, out);
  } else if (block < geometry.inodeTable) {
    encodeInodeBitmap(layout, block - geometry.inodeBitmaps, out);
  } else if (block < geometry.directories) {
    encodeInodeBlock(layout, block - geometry.inodeTable, out);
  } else if (block < treeBlock) {
    const inode = directories[lastAtMost(directories, block)]!;
    encodeDirectoryBlock(layout, inode, block - inode.startBlock, out);
  } else {
    encodeTreeBlock(layout, block, out);
  }
}

/** Link text, extent node or attributes. */
function encodeTreeBlock(layout: Ext4Layout, block: number, out: Uint8Array): void {
  const inode = layout.treeBlockOwners[block - layout.treeBlock]!;
  if (block === inode.startBlock) {
    out.set(layout.linkTexts.get(inode)!);
  } else if (block === inode.xattrBlock) {
    out.set(layout.xattrs.get(inode)!.bytes);
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    const start = updateWithU64(layout.checksumSeed, block);
    view.setUint32(0x10, updateCrc32c(start, out), true);
  } else {
    const seed = inodeSeed(layout.checksumSeed, inode.number);
    encodeExtentNode(inode, block - inode.nodeBlock, seed, out);
  }
}
