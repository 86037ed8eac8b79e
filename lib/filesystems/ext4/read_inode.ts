/**
 * Inodes of any ext2, ext3 or ext4 image, found through their group's descriptor.
 *
 * Source: Documentation/filesystems/ext4/inodes.rst and group_descr.rst; for where descriptors lie under
 * meta_bg, blockgroup.rst.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { FastboopError } from "../../errors/errors.ts";
import { damaged } from "../damaged.ts";
import { decodeDevice } from "../decode_device.ts";
import type { ImageInode } from "../image_tree.ts";
import { inodeKind } from "../inode_kind.ts";
import { updateWithU32 } from "./checksums.ts";
import { COMPAT, INODE_PAYLOAD_BYTES } from "./format.ts";
import type { Ext4Space } from "./read_space.ts";
import type { Ext4Superblock } from "./read_superblock.ts";

/** An inode with what reading its data needs. */
export interface ReadInode extends ImageInode {
  readonly flags: number;
  /** i_block: extent root, block numbers, link text or inline data. */
  readonly payload: Uint8Array;
  /** What follows the fixed fields: attributes, or nothing. */
  readonly spare: Uint8Array;
  readonly xattrBlock: number;
  /** i_blocks, in its own unit; 0 when nothing is allocated. */
  readonly allocated: number;
  /** Start of the checksums of what belongs to the inode; undefined without metadata_csum. */
  readonly checksumSeed: number | undefined;
}

const FIXED_BYTES = 128;
const PAYLOAD_OFFSET = 0x28;

/** Reads and checks inode `number`, at once when its blocks are held. */
export function readInode(space: Ext4Space, number: number): ReadInode | Promise<ReadInode> {
  const { superblock } = space;
  if (number < 1 || number > superblock.inodeCount) {
    throw damaged(actionOf(number), `there are only ${superblock.inodeCount}`);
  }
  const group = Math.floor((number - 1) / superblock.inodesPerGroup);
  const table = inodeTable(space, group);
  return table instanceof Promise
    ? table.then((block) => inodeIn(space, block, number))
    : inodeIn(space, table, number);
}

function actionOf(number: number): string {
  return `Read ext4 inode ${number}`;
}

/** Inode `number`, whose group's table starts at block `table`. */
function inodeIn(
  space: Ext4Space,
  table: number,
  number: number,
): ReadInode | Promise<ReadInode> {
  const { inodesPerGroup, inodeBytes, blockBytes } = space.superblock;
  const offset = ((number - 1) % inodesPerGroup) * inodeBytes;
  const block = table + Math.floor(offset / blockBytes);
  const bytes = space.part(actionOf(number), block, offset % blockBytes, inodeBytes);
  return bytes instanceof Promise
    ? bytes.then((read) => checkedInode(space.superblock, number, read))
    : checkedInode(space.superblock, number, bytes);
}

function checkedInode(
  { checksumSeed }: Ext4Superblock,
  number: number,
  bytes: Uint8Array,
): ReadInode {
  const action = actionOf(number);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const seed = checksumSeed === undefined
    ? undefined
    : updateWithU32(updateWithU32(checksumSeed, number), view.getUint32(0x64, true));
  if (seed !== undefined) verifyInode(action, bytes, view, seed);
  return parseInode(action, number, view, bytes, seed);
}

/** First block of a group's inode table. */
function inodeTable(space: Ext4Space, group: number): number | Promise<number> {
  const known = space.inodeTables.get(group);
  if (known !== undefined) return known;
  const { superblock } = space;
  const { descriptorBytes, blockBytes } = superblock;
  const action = `Read ext4 group descriptor ${group}`;
  const perBlock = blockBytes / descriptorBytes;
  const block = descriptorBlock(superblock, Math.floor(group / perBlock), perBlock);
  const within = (group % perBlock) * descriptorBytes;
  const parse = (bytes: Uint8Array) => {
    const table = tableIn(action, space, group, bytes);
    space.inodeTables.set(group, table);
    return table;
  };
  const bytes = space.part(action, block, within, descriptorBytes);
  return bytes instanceof Promise ? bytes.then(parse) : parse(bytes);
}

function tableIn(action: string, space: Ext4Space, group: number, bytes: Uint8Array): number {
  const { superblock } = space;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (superblock.checksumSeed !== undefined) {
    const stored = view.getUint16(0x1e, true);
    view.setUint16(0x1e, 0, true);
    const computed = updateCrc32c(updateWithU32(superblock.checksumSeed, group), bytes);
    if ((computed & 0xffff) !== stored) throw damaged(action, "its checksum is wrong");
  }
  const high = bytes.length >= 64 ? view.getUint32(0x28, true) : 0;
  const table = view.getUint32(0x08, true) + high * 2 ** 32;
  const tableBytes = superblock.inodesPerGroup * superblock.inodeBytes;
  space.check(action, table, Math.ceil(tableBytes / superblock.blockBytes));
  return table;
}

/** Where block `index` of the descriptors lies. */
function descriptorBlock(superblock: Ext4Superblock, index: number, perBlock: number): number {
  const { blockBytes, firstDataBlock, firstMetaGroup, blocksPerGroup } = superblock;
  // The superblock's own block; with bigalloc the first data block is 0 even for blocks of 1 KiB.
  const superblockBlock = blockBytes === 1024 ? 1 : 0;
  if (index < firstMetaGroup) return superblockBlock + 1 + index;
  const group = index * perBlock;
  if (group === 0) return superblockBlock + 1;
  return firstDataBlock + group * blocksPerGroup + (hasSuperblock(superblock, group) ? 1 : 0);
}

function hasSuperblock({ compat, roCompat, backupGroups }: Ext4Superblock, group: number): boolean {
  if (compat & COMPAT.SPARSE_SUPER2) return backupGroups.includes(group);
  // EXT4_FEATURE_RO_COMPAT_SPARSE_SUPER: only group 1 and powers of 3, 5 and 7.
  if (!(roCompat & 1) || group === 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}

function verifyInode(action: string, bytes: Uint8Array, view: DataView, seed: number): void {
  const low = view.getUint16(0x7c, true);
  // i_checksum_hi is there when i_extra_isize reaches over it.
  const hasHigh = bytes.length > FIXED_BYTES && view.getUint16(0x80, true) >= 4;
  const high = hasHigh ? view.getUint16(0x82, true) : 0;
  view.setUint16(0x7c, 0, true);
  if (hasHigh) view.setUint16(0x82, 0, true);
  const computed = updateCrc32c(seed, bytes);
  const stored = hasHigh ? ((high << 16) | low) >>> 0 : low;
  if ((hasHigh ? computed : computed & 0xffff) !== stored) {
    throw damaged(action, "its checksum is wrong");
  }
}

function parseInode(
  action: string,
  number: number,
  view: DataView,
  bytes: Uint8Array,
  checksumSeed: number | undefined,
): ReadInode {
  const u16 = (offset: number) => view.getUint16(offset, true);
  const u32 = (offset: number) => view.getUint32(offset, true);
  const kind = inodeKind(u16(0));
  if (kind === undefined) throw damaged(action, `mode 0${u16(0).toString(8)} is of no known type`);
  const extraBytes = bytes.length > FIXED_BYTES ? u16(0x80) : 0;
  if (FIXED_BYTES + extraBytes > bytes.length) {
    throw damaged(action, `${extraBytes} further bytes do not fit`);
  }
  const sizeBytes = u32(0x04) + (kind === "file" || kind === "directory" ? u32(0x6c) : 0) * 2 ** 32;
  if (!Number.isSafeInteger(sizeBytes)) {
    const state = `its size is about ${sizeBytes} bytes, beyond 2^53`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  const device = kind === "character-device" || kind === "block-device";
  return {
    ref: number,
    kind,
    mode: u16(0) & 0o7777,
    uid: u16(0x02) + u16(0x78) * 65536,
    gid: u16(0x18) + u16(0x7a) * 65536,
    sizeBytes,
    ...mtime(view, extraBytes),
    linkCount: u16(0x1a),
    flags: u32(0x20),
    payload: bytes.subarray(PAYLOAD_OFFSET, PAYLOAD_OFFSET + INODE_PAYLOAD_BYTES),
    spare: bytes.subarray(FIXED_BYTES + extraBytes),
    xattrBlock: u32(0x68) + u16(0x76) * 2 ** 32,
    allocated: u32(0x1c) + u16(0x74) * 2 ** 32,
    checksumSeed,
    ...(device ? deviceOf(view) : {}),
  };
}

/** Two bits of the extra field extend the signed seconds, the other thirty are nanoseconds. */
function mtime(view: DataView, extraBytes: number) {
  const extra = extraBytes >= 0x8c - FIXED_BYTES ? view.getUint32(0x88, true) : 0;
  return {
    mtimeSeconds: view.getInt32(0x10, true) + (extra & 3) * 2 ** 32,
    mtimeNanoseconds: extra >>> 2,
  };
}

/** The 16-bit encoding in the first word, else the 32-bit one in the second (fs/ext4/inode.c). */
function deviceOf(view: DataView) {
  const old = view.getUint32(PAYLOAD_OFFSET, true);
  if (old === 0) return decodeDevice(view.getUint32(PAYLOAD_OFFSET + 4, true));
  return { deviceMajor: (old >>> 8) & 0xff, deviceMinor: old & 0xff };
}
