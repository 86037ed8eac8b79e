/**
 * Tells what a Reader or a file holds. Signatures are looked up at their fixed offsets only.
 *
 * Where several fit, `sniffFormat` goes by this order:
 * - Signatures at byte 0 come before superblocks, which lie at 1024: a boot image, a compressed or a
 *   sparse file may hold anything there, and nobody writes a file system behind somebody else's magic.
 * - A GPT at byte 512 comes before the superblocks, as its entries lie where those would be; but a disk
 *   that is ISO9660 too (isohybrid) is the ISO, whatever tables it carries besides.
 * - ISO9660 at 32769 and a GPT at 4096 may be data of a file, so all superblocks at 1024 come before them.
 * - FAT comes before MBR: its boot sector ends in the same 55 AA.
 */
import { FastboopError } from "../errors/errors.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";
import { isFatBootSector } from "./fat_boot_sector.ts";
import { parseMbrEntries } from "./mbr/parse_mbr.ts";
import { AT_START, type Format, hex, type Signature, SUPERBLOCKS } from "./signatures.ts";

export type { Format };

/** Words of the blocks and of the end of a bzip2 file. */
const BZIP2_BLOCKS = [hex("314159265359"), hex("177245385090")];
/** RFC 8878, 3.1.2: the skippable frames, 184D2A50 to 184D2A5F. */
const SKIPPABLE = hex("2a4d18");
/** ECMA-119, 8: a volume descriptor is boot record, primary or terminator. */
const ISO_DESCRIPTORS = [1, 2, 255];
/** 64 KiB, the largest block of ext4: 1 KiB shifted by this. */
const MAX_EXT_BLOCK_LOG = 6;

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

/**
 * The format of a file of `sizeBytes` bytes that begins with `head`; undefined when nothing is recognised.
 *
 * Shape: `head` should be the first `SNIFF_BYTES`, or all of the file; with less, what lies further
 * behind is not recognised. A signature says nothing about the rest of the file.
 */
export function sniffFormat(head: Uint8Array, sizeBytes: number): Format | undefined {
  const bytes = head.subarray(0, Math.min(head.length, sizeBytes));
  const first = find(bytes, AT_START) ?? startOf(bytes);
  if (first !== undefined) return first;
  if (has(bytes, 512, "EFI PART")) return isIso(bytes) ? "iso9660" : "gpt";
  const superblock = find(bytes, SUPERBLOCKS);
  if (superblock !== undefined) return superblock;
  if (isExt(bytes)) return "ext4";
  if (isIso(bytes)) return "iso9660";
  if (isFatBootSector(bytes)) return "fat";
  if (has(bytes, 4096, "EFI PART")) return "gpt";
  const used = parseMbrEntries(bytes)?.some(({ lbaCount }) => lbaCount > 0);
  return used ? "mbr" : undefined;
}

/** Formats at byte 0 that take more than one look. */
function startOf(bytes: Uint8Array): Format | undefined {
  if (has(bytes, 0, "BZh") && bytes.length > 4 && bytes[3]! >= 0x31 && bytes[3]! <= 0x39) {
    if (BZIP2_BLOCKS.some((word) => has(bytes, 4, word))) return "bzip2";
  }
  // Written by pzstd, and by mkfs of seekable files in front of the first frame.
  if (has(bytes, 1, SKIPPABLE) && (bytes[0]! & 0xf0) === 0x50) return "zstd";
  // Linux drivers/firmware/efi/libstub/zboot-header.S.
  if (has(bytes, 0, "MZ") && has(bytes, 4, "zimg")) return "zboot";
  // Linux Documentation/arch/x86/boot.rst.
  if (has(bytes, 510, hex("55aa")) && has(bytes, 514, "HdrS")) return "bzimage";
  return undefined;
}

/** A magic of two bytes may be anybody's; the block size beside it must be one, too. */
function isExt(bytes: Uint8Array): boolean {
  return has(bytes, 1080, hex("53ef")) && bytes[1048]! <= MAX_EXT_BLOCK_LOG &&
    has(bytes, 1049, hex("000000"));
}

function isIso(bytes: Uint8Array): boolean {
  return has(bytes, 32_769, "CD001") && ISO_DESCRIPTORS.includes(bytes[32_768]!);
}

function find(bytes: Uint8Array, signatures: readonly Signature[]): Format | undefined {
  return signatures.find(([, offset, wanted]) => has(bytes, offset, wanted))?.[0];
}

function has(bytes: Uint8Array, offset: number, wanted: string | Uint8Array): boolean {
  if (wanted.length > bytes.length - offset) return false;
  for (let i = 0; i < wanted.length; i++) {
    const byte = typeof wanted === "string" ? wanted.charCodeAt(i) : wanted[i];
    if (bytes[offset + i] !== byte) return false;
  }
  return true;
}
