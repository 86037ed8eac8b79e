/** Inodes of 256 bytes. Source: Documentation/filesystems/ext4/inodes.rst. */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { timeOf, type Timestamp } from "./attributes.ts";
import { inodeSeed } from "./checksums.ts";
import { encodeExtentRoot, extentNodeCount } from "./extents.ts";
import {
  BLOCK_BYTES,
  FAST_SYMLINK_BYTES,
  FIRST_INODE,
  INODE_BYTES,
  INODE_FLAG,
  INODES_PER_BLOCK,
  KINDS,
  LINK_MAX,
  ROOT_INODE,
} from "./format.ts";
import type { Ext4Layout } from "./layout.ts";
import type { Ext4Inode } from "./walk.ts";

const EXTRA_BYTES = 32;
const XATTRS_OFFSET = 128 + EXTRA_BYTES;
const PAYLOAD_OFFSET = 0x28;

/** Block `index` of the inode tables; `out` is zeroed and so stay reserved and free inodes. */
export function encodeInodeBlock(layout: Ext4Layout, index: number, out: Uint8Array): void {
  for (let slot = 0; slot < INODES_PER_BLOCK; slot++) {
    const number = index * INODES_PER_BLOCK + slot + 1;
    const inode = number === ROOT_INODE
      ? layout.inodes[0]
      : number >= FIRST_INODE
      ? layout.inodes[number - FIRST_INODE + 1]
      : undefined;
    if (inode === undefined) continue;
    encodeInode(layout, inode, out.subarray(slot * INODE_BYTES, (slot + 1) * INODE_BYTES));
  }
}

function encodeInode(layout: Ext4Layout, inode: Ext4Inode, bytes: Uint8Array): void {
  const { entry, directory, links, number } = inode;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint16(0x00, KINDS[entry.kind].modeBits | (entry.mode & 0o7777), true);
  if (layout.owner === "source") putOwner(view, entry.uid, entry.gid);
  putSize(layout, inode, view);
  putTimes(view, timeOf(entry, layout));
  // EXT4_FEATURE_RO_COMPAT_DIR_NLINK: 1 means "too many subdirectories to count".
  view.setUint16(0x1a, directory !== undefined && links > LINK_MAX ? 1 : links, true);
  putPayload(layout, inode, view, bytes);
  view.setUint32(0x68, inode.xattrBlock, true);
  view.setUint16(0x80, EXTRA_BYTES, true);
  const xattrs = layout.xattrs.get(inode);
  if (xattrs?.place === "inode") bytes.set(xattrs.bytes, XATTRS_OFFSET);
  const checksum = updateCrc32c(inodeSeed(layout.checksumSeed, number), bytes);
  view.setUint16(0x7c, checksum & 0xffff, true);
  view.setUint16(0x82, checksum >>> 16, true);
}

function putOwner(view: DataView, uid: number, gid: number): void {
  view.setUint16(0x02, uid & 0xffff, true);
  view.setUint16(0x78, uid >>> 16, true);
  view.setUint16(0x18, gid & 0xffff, true);
  view.setUint16(0x7a, gid >>> 16, true);
}

/** i_size, and i_blocks in units of 512 bytes. */
function putSize(layout: Ext4Layout, inode: Ext4Inode, view: DataView): void {
  const { entry, blockCount } = inode;
  const sizeBytes = entry.kind === "directory"
    ? blockCount * BLOCK_BYTES
    : entry.kind === "symlink"
    ? layout.linkTexts.get(inode)!.length
    : entry.kind === "file"
    ? entry.sizeBytes
    : 0;
  view.setUint32(0x04, sizeBytes >>> 0, true);
  view.setUint32(0x6c, Math.floor(sizeBytes / 2 ** 32), true);
  const blocks = blockCount + extentNodeCount(blockCount) + (inode.xattrBlock > 0 ? 1 : 0);
  const sectors = blocks * (BLOCK_BYTES / 512);
  view.setUint32(0x1c, sectors >>> 0, true);
  view.setUint16(0x74, Math.floor(sectors / 2 ** 32), true);
}

/** Access, change, modification and creation time are all the same. */
function putTimes(view: DataView, { seconds, nanoseconds }: Timestamp): void {
  // Two bits extend the signed 32 of the seconds, the other thirty are nanoseconds.
  const epoch = ((seconds - (seconds | 0)) / 2 ** 32) & 3;
  const extra = ((nanoseconds << 2) | epoch) >>> 0;
  for (const offset of [0x08, 0x0c, 0x10, 0x90]) view.setUint32(offset, seconds >>> 0, true);
  for (const offset of [0x84, 0x88, 0x8c, 0x94]) view.setUint32(offset, extra, true);
}

/** i_flags, and i_block: extent root, short link text or device numbers. */
function putPayload(
  layout: Ext4Layout,
  inode: Ext4Inode,
  view: DataView,
  bytes: Uint8Array,
): void {
  const { entry } = inode;
  if (entry.kind === "character-device" || entry.kind === "block-device") {
    putDevice(view, entry.deviceMajor ?? 0, entry.deviceMinor ?? 0);
    return;
  }
  const linkText = layout.linkTexts.get(inode);
  if (linkText !== undefined && linkText.length <= FAST_SYMLINK_BYTES) {
    bytes.set(linkText, PAYLOAD_OFFSET);
    return;
  }
  if (entry.kind === "fifo" || entry.kind === "socket") return;
  const hashed = layout.plans.get(inode)?.hashed !== undefined;
  view.setUint32(0x20, INODE_FLAG.EXTENTS | (hashed ? INODE_FLAG.INDEX : 0), true);
  encodeExtentRoot(inode, view, PAYLOAD_OFFSET);
}

/** The 16-bit encoding while it fits, else the 32-bit one in the second word (fs/ext4/inode.c). */
function putDevice(view: DataView, major: number, minor: number): void {
  if (major < 256 && minor < 256) {
    view.setUint32(PAYLOAD_OFFSET, (major << 8) | minor, true);
    return;
  }
  const device = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
  view.setUint32(PAYLOAD_OFFSET + 4, device, true);
}
