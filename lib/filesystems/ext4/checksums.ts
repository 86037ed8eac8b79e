/**
 * Start values of ext4's metadata checksums: raw CRC-32C registers, never inverted.
 *
 * Source: Documentation/filesystems/ext4/checksums.rst. Bitmap checksums do not cover the group number,
 * whatever group_descr.rst says: fs/ext4/bitmap.c decides.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);
const lowHalf = scratchBytes.subarray(0, 4);

/** The register after `value` as a little-endian u32. */
export function updateWithU32(register: number, value: number): number {
  scratch.setUint32(0, value, true);
  return updateCrc32c(register, lowHalf);
}

/** The register after `value` (a safe integer) as a little-endian u64. */
export function updateWithU64(register: number, value: number): number {
  scratch.setUint32(0, value >>> 0, true);
  scratch.setUint32(4, Math.floor(value / 2 ** 32), true);
  return updateCrc32c(register, scratchBytes);
}

/** Start of the checksums of an inode and of its directory and extent blocks (generation 0). */
export function inodeSeed(checksumSeed: number, inodeNumber: number): number {
  return updateWithU32(updateWithU32(checksumSeed, inodeNumber), 0);
}
