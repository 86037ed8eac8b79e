/**
 * EROFS inodes, 32 bytes or 64.
 *
 *     compact:  0 format  2 xattr count  4 mode  6 links  8 size u32  12 mtime  16 i_u  24 uid16  26 gid16
 *     extended: 0 format  2 xattr count  4 mode  6 block high  8 size u64  16 i_u  24 uid  28 gid
 *               32 mtime u64  40 nsec  44 links
 *
 * Source: struct erofs_inode_compact and erofs_inode_extended of fs/erofs/erofs_fs.h.
 */
import { readU64 } from "../../bytes/read_u64.ts";
import { FastboopError } from "../../errors/errors.ts";
import { damaged } from "../damaged.ts";
import { decodeDevice } from "../decode_device.ts";
import type { ImageInode } from "../image_tree.ts";
import { inodeKind } from "../inode_kind.ts";
import { PATH_LIMIT_BYTES } from "../limits.ts";
import { COMPACT_INODE_BYTES, EXTENDED_INODE_BYTES, LAYOUT, NULL_BLOCK } from "./format.ts";
import type { Superblock } from "./superblock.ts";

/** An inode with what its data layout needs. */
export interface ErofsInode extends ImageInode {
  readonly layout: number;
  /** Where the inode starts in its space, the image or the metabox. */
  readonly offset: number;
  /** Whether it lies in the metabox. */
  readonly boxed: boolean;
  readonly headBytes: number;
  readonly xattrBytes: number;
  /** First block of flat data, NULL_BLOCK when there is none. */
  readonly startBlock: number;
  /** i_u of a chunked file: u16 format. */
  readonly chunkFormat: number;
}

/** Bytes of the inode whose first byte is `first`. */
export function inodeHeadBytes(first: number): number {
  return first & 1 ? EXTENDED_INODE_BYTES : COMPACT_INODE_BYTES;
}

/** Where `bytes` were found. */
export interface InodePlace {
  readonly ref: number;
  readonly offset: number;
}

/**
 * Parses the inode at `at`, of which `view` has all `inodeHeadBytes`.
 *
 * @throws {FastboopError} `corrupt`; `limit` for sizes beyond 2^53; `unsupported` for a layout unknown.
 */
export function parseInode(
  superblock: Superblock,
  { ref, offset }: InodePlace,
  view: DataView,
  at: number,
): ErofsInode {
  const action = () => `Read EROFS inode ${Math.floor(ref / 2)}`;
  const headBytes = inodeHeadBytes(view.getUint8(at));
  const extended = headBytes === EXTENDED_INODE_BYTES;
  const format = view.getUint16(at, true);
  const mode = view.getUint16(at + 4, true);
  const kind = inodeKind(mode);
  if (kind === undefined) throw damaged(action(), `mode 0${mode.toString(8)} is of no known type`);
  const layout = (format >>> 1) & 7;
  if (layout > LAYOUT.CHUNKED || format >>> 5 !== 0) {
    const state = `its format 0x${format.toString(16)} is not known here`;
    throw new FastboopError({ kind: "unsupported", action: action(), state });
  }
  const sizeBytes = extended ? readU64(view, at + 8) : view.getUint32(at + 8, true);
  checkSize(action, kind, sizeBytes);
  const xattrCount = view.getUint16(at + 2, true);
  const device = kind === "character-device" || kind === "block-device";
  // Bit 4: one link (compact, not a directory); the field then holds the high half of a block number.
  const singleLink = !extended && (format & 0x10) !== 0 && kind !== "directory";
  const relative = superblock.epochSeconds + view.getUint32(at + 12, true);
  const inode: ErofsInode = {
    ref,
    offset,
    boxed: ref % 2 === 1,
    kind,
    mode: mode & 0o7777,
    uid: extended ? view.getUint32(at + 24, true) : view.getUint16(at + 24, true),
    gid: extended ? view.getUint32(at + 28, true) : view.getUint16(at + 26, true),
    sizeBytes,
    // Compact inodes store their time relative to the image's.
    mtimeSeconds: extended ? Number(view.getBigInt64(at + 32, true)) : relative,
    mtimeNanoseconds: extended ? view.getUint32(at + 40, true) : superblock.fixedNanoseconds,
    linkCount: singleLink
      ? 1
      : extended
      ? view.getUint32(at + 44, true)
      : view.getUint16(at + 6, true),
    layout,
    headBytes,
    xattrBytes: xattrCount === 0 ? 0 : 12 + 4 * (xattrCount - 1),
    startBlock: startBlock(view, at, extended || singleLink),
    chunkFormat: view.getUint16(at + 16, true),
  };
  return device ? { ...inode, ...decodeDevice(view.getUint32(at + 16, true)) } : inode;
}

/** `wide`: the number has a high half. */
function startBlock(view: DataView, at: number, wide: boolean): number {
  const low = view.getUint32(at + 16, true);
  if (wide) return low + view.getUint16(at + 6, true) * 2 ** 32;
  return low === 0xffffffff ? NULL_BLOCK : low;
}

function checkSize(action: () => string, kind: string, sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes)) {
    const state = `its size is about ${sizeBytes} bytes, beyond 2^53`;
    throw new FastboopError({ kind: "limit", action: action(), state });
  }
  if (kind === "symlink" && (sizeBytes === 0 || sizeBytes > PATH_LIMIT_BYTES)) {
    throw damaged(action(), `the link's target has ${sizeBytes} bytes`);
  }
}
