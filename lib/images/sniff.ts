/** Tells what a Reader holds by its signatures. */
import { FastboopError } from "../errors/errors.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";

/** A file system the phone can mount as its root. */
export type RootFilesystem = "erofs" | "ext4";

/** EROFS_SUPER_MAGIC_V1 at byte 1024 (fs/erofs/erofs_fs.h), little-endian. */
const EROFS_MAGIC = 0xe0f5e1e2;
/** EXT4_SUPER_MAGIC at byte 56 of the superblock, which lies at 1024 (fs/ext4/ext4.h). */
const EXT4_MAGIC = 0xef53;
const SUPERBLOCK_OFFSET = 1024;

/** What was found: the file system and the block size its disk must not exceed. */
export interface RootImage {
  readonly filesystem: RootFilesystem;
  readonly blockSizeBytes: number;
}

/**
 * The root file system a Reader holds at its start, or undefined.
 *
 * Shape: the block size is the file system's own (EROFS blkszbits at 12, ext4 s_log_block_size at 24).
 *
 * @throws {FastboopError} `corrupt` for a block size no kernel accepts; what the Reader throws.
 */
export async function sniffRootImage(
  reader: Reader,
  options?: ReadOptions,
): Promise<RootImage | undefined> {
  if (reader.sizeBytes < SUPERBLOCK_OFFSET + 64) return undefined;
  const superblock = new Uint8Array(64);
  await reader.readAt(SUPERBLOCK_OFFSET, superblock, options);
  const view = new DataView(superblock.buffer);
  if (view.getUint32(0, true) === EROFS_MAGIC) {
    return { filesystem: "erofs", blockSizeBytes: blockSize("EROFS", view.getUint8(12), 9) };
  }
  if (view.getUint16(56, true) === EXT4_MAGIC) {
    const bits = 10 + Math.min(view.getUint32(24, true), 32);
    return { filesystem: "ext4", blockSizeBytes: blockSize("ext4", bits, 10) };
  }
  return undefined;
}

/** 2^bits, where the kernel's own limits (512 or 1 KiB up to 64 KiB) hold. */
function blockSize(format: string, bits: number, minBits: number): number {
  if (bits >= minBits && bits <= 16) return 2 ** bits;
  throw new FastboopError({
    kind: "corrupt",
    action: `Read the ${format} superblock`,
    state: `the block size is 2^${bits} bytes, must be 2^${minBits} to 2^16`,
    hint: "Check the image, for example with fsck",
  });
}
