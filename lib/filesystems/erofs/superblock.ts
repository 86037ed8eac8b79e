/**
 * The EROFS superblock.
 *
 *     0 magic   4 crc32c   8 compat   12 block bits   14 root nid (48BIT: blocks high)   16 epoch at 24
 *     32 nsec   36 blocks   40 meta block   44 xattr block   80 incompat   86 extra devices
 *     90 directory block bits   91 prefix count   92 prefix start   96 packed nid   112 root nid (48BIT)
 *     128 metabox nid (METABOX)
 *
 * Source: struct erofs_super_block of fs/erofs/erofs_fs.h.
 */
import { readU64 } from "../../bytes/read_u64.ts";
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import {
  COMPAT,
  INCOMPAT,
  KNOWN_INCOMPAT,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
} from "./format.ts";

/** What the readers need of the superblock; offsets are bytes in the image. */
export interface Superblock {
  readonly blockBits: number;
  readonly blockBytes: number;
  readonly compat: number;
  readonly incompat: number;
  readonly rootRef: number;
  readonly metaOffset: number;
  readonly xattrOffset: number;
  readonly epochSeconds: number;
  readonly fixedNanoseconds: number;
  readonly prefixCount: number;
  /** Where the long xattr prefixes start, in whichever space holds them. */
  readonly prefixOffset: number;
  readonly packedRef: number | undefined;
  readonly metaboxRef: number | undefined;
}

/** EROFS_DIRENT_NID_METABOX_BIT is the top bit; nids beyond 2^48 lie outside every image. */
const MAX_NID = 2 ** 48;

/**
 * A nid as one safe number: twice the slot, plus one when it counts in the metabox. NaN when it lies
 * outside every image.
 */
export function refOfNid(view: DataView, offset: number): number {
  const low = view.getUint32(offset, true);
  const high = view.getUint32(offset + 4, true);
  const nid = low + (high & 0x7fffffff) * 2 ** 32;
  return nid < MAX_NID ? nid * 2 + (high >>> 31) : NaN;
}

/**
 * Reads and checks the superblock.
 *
 * @throws {FastboopError} `corrupt` when it breaks the format, its checksum or the image's end;
 * `unsupported` for several devices and features unknown.
 */
export async function readSuperblock(reader: Reader): Promise<Superblock> {
  const action = `Read the EROFS superblock of ${reader.identity}`;
  if (reader.sizeBytes < SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES) {
    throw damaged(action, `the image has only ${reader.sizeBytes} bytes`);
  }
  const bytes = new Uint8Array(SUPERBLOCK_BYTES + 16);
  const present = Math.min(bytes.length, reader.sizeBytes - SUPERBLOCK_OFFSET);
  await reader.readAt(SUPERBLOCK_OFFSET, bytes.subarray(0, present));
  const view = new DataView(bytes.buffer);
  const magic = view.getUint32(0, true);
  if (magic !== SUPERBLOCK_MAGIC) {
    throw damaged(action, `magic is 0x${magic.toString(16)}, must be 0xe0f5e1e2`);
  }
  const blockBits = view.getUint8(12);
  if (blockBits < 9 || blockBits > 16) {
    throw damaged(action, `the block size is 2^${blockBits} bytes, must be 2^9 to 2^16`);
  }
  const superblock = parseSuperblock(action, view, blockBits);
  if (superblock.compat & COMPAT.SUPERBLOCK_CHECKSUM) {
    await verifyChecksum(action, reader, superblock.blockBytes, view.getUint32(4, true));
  }
  const blocksHigh = hasWideRoot(view, superblock.incompat) ? view.getUint16(14, true) : 0;
  const blocks = view.getUint32(36, true) + blocksHigh * 2 ** 32;
  if (blocks * superblock.blockBytes > reader.sizeBytes) {
    const state = `it has ${blocks} blocks of ${superblock.blockBytes} bytes, ` +
      `the image ends at ${reader.sizeBytes}`;
    throw damaged(action, state);
  }
  return superblock;
}

function parseSuperblock(action: string, view: DataView, blockBits: number): Superblock {
  const incompat = view.getUint32(80, true);
  refuseUnknown(action, view, incompat);
  const blockBytes = 2 ** blockBits;
  const packedRef = refOfNid(view, 96);
  const metaboxRef = incompat & INCOMPAT.METABOX ? refOfNid(view, 128) : undefined;
  const rootRef = hasWideRoot(view, incompat) ? refOfNid(view, 112) : view.getUint16(14, true) * 2;
  const epochSeconds = readU64(view, 24);
  if (Number.isNaN(rootRef) || Number.isNaN(packedRef) || Number.isNaN(metaboxRef ?? 0)) {
    throw damaged(action, "a node number lies outside every image");
  }
  if (metaboxRef !== undefined && metaboxRef % 2 === 1) {
    throw damaged(action, "the metabox contains itself");
  }
  return {
    blockBits,
    blockBytes,
    compat: view.getUint32(8, true),
    incompat,
    rootRef,
    metaOffset: view.getUint32(40, true) * blockBytes,
    xattrOffset: view.getUint32(44, true) * blockBytes,
    // A signed 64-bit number: images from before 1970 exist in theory.
    epochSeconds: epochSeconds >= 2 ** 63 ? epochSeconds - 2 ** 64 : epochSeconds,
    fixedNanoseconds: view.getUint32(32, true),
    prefixCount: incompat & INCOMPAT.XATTR_PREFIXES ? view.getUint8(91) : 0,
    prefixOffset: view.getUint32(92, true) * 4,
    packedRef: incompat & INCOMPAT.FRAGMENTS && packedRef > 0 ? packedRef : undefined,
    metaboxRef,
  };
}

/** Without a root in the wide field a 48-bit image uses the old one, which else extends the block count. */
function hasWideRoot(view: DataView, incompat: number): boolean {
  return (incompat & INCOMPAT.BIT48) !== 0 && readU64(view, 112) !== 0;
}

function refuseUnknown(action: string, view: DataView, incompat: number): void {
  const unknown = (incompat & ~KNOWN_INCOMPAT) >>> 0;
  const extraDevices = view.getUint16(86, true);
  const state = unknown !== 0
    ? `it needs features 0x${unknown.toString(16)}, which are not known here`
    : extraDevices > 0
    ? `it is spread over ${extraDevices} further devices`
    : view.getUint8(90) !== 0
    ? "its directory blocks differ from its blocks"
    : undefined;
  if (state !== undefined) {
    throw new FastboopError({
      kind: "unsupported",
      action,
      state,
      hint: extraDevices > 0
        ? "Make one image of it: mkfs.erofs without --blobdev"
        : "Make the image with an mkfs.erofs of 1.9 or older, or update fastboop",
    });
  }
}

/** CRC-32C from the superblock to the end of its block, not inverted, the field itself zero. */
async function verifyChecksum(
  action: string,
  reader: Reader,
  blockBytes: number,
  stored: number,
): Promise<void> {
  const lengthBytes = blockBytes > SUPERBLOCK_OFFSET ? blockBytes - SUPERBLOCK_OFFSET : blockBytes;
  if (lengthBytes > reader.sizeBytes - SUPERBLOCK_OFFSET) {
    throw damaged(action, `the image ends at ${reader.sizeBytes}, inside the superblock's block`);
  }
  const block = new Uint8Array(lengthBytes);
  await reader.readAt(SUPERBLOCK_OFFSET, block);
  block.fill(0, 4, 8);
  const computed = updateCrc32c(0xffffffff, block);
  if (computed !== stored) {
    const hex = (value: number) => `0x${value.toString(16).padStart(8, "0")}`;
    throw damaged(action, `checksum is ${hex(computed)}, the image says ${hex(stored)}`);
  }
}
