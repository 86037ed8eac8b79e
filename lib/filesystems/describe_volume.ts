/** What a file system says of itself in its first sectors: label, UUID, features. */
import type { Format } from "../images/sniff.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";

export interface VolumeWords {
  readonly label: string;
  /** Of FAT: the serial number, `1234-ABCD`. */
  readonly uuid: string;
  /** Names, or `bit 0x...` for those without one here. */
  readonly features: readonly string[];
}

type Bits = readonly (readonly [bit: number, name: string])[];

/** fs/ext4/ext4.h, as e2fsprogs names them. */
const EXT_COMPAT: Bits = [
  [0x4, "has_journal"],
  [0x8, "ext_attr"],
  [0x10, "resize_inode"],
  [0x20, "dir_index"],
  [0x200, "sparse_super2"],
  [0x400, "fast_commit"],
  [0x800, "stable_inodes"],
  [0x1000, "orphan_file"],
];
const EXT_INCOMPAT: Bits = [
  [0x2, "filetype"],
  [0x4, "needs_recovery"],
  [0x10, "meta_bg"],
  [0x40, "extent"],
  [0x80, "64bit"],
  [0x100, "mmp"],
  [0x200, "flex_bg"],
  [0x400, "ea_inode"],
  [0x2000, "metadata_csum_seed"],
  [0x4000, "large_dir"],
  [0x8000, "inline_data"],
  [0x10000, "encrypt"],
  [0x20000, "casefold"],
];
const EXT_RO_COMPAT: Bits = [
  [0x1, "sparse_super"],
  [0x2, "large_file"],
  [0x8, "huge_file"],
  [0x10, "uninit_bg"],
  [0x20, "dir_nlink"],
  [0x40, "extra_isize"],
  [0x100, "quota"],
  [0x200, "bigalloc"],
  [0x400, "metadata_csum"],
  [0x1000, "read-only"],
  [0x2000, "project"],
  [0x8000, "verity"],
  [0x10000, "orphan_present"],
];
/** fs/erofs/erofs_fs.h. */
const EROFS_COMPAT: Bits = [[0x1, "sb_chksum"], [0x2, "mtime"], [0x4, "xattr_filter"]];
const EROFS_INCOMPAT: Bits = [
  [0x1, "0padding"],
  [0x2, "big_pcluster"],
  [0x4, "chunked_file"],
  [0x8, "device_table"],
  [0x10, "ztailpacking"],
  [0x20, "fragments"],
  [0x40, "xattr_prefixes"],
  [0x80, "48bit"],
  [0x100, "metabox"],
];

/** The words of an EROFS, ext2/3/4 or FAT file system at the start of `reader`; undefined for others. */
export async function describeVolume(
  format: Format | undefined,
  reader: Reader,
  options?: ReadOptions,
): Promise<VolumeWords | undefined> {
  if (format !== "erofs" && format !== "ext4" && format !== "fat") return undefined;
  const bytes = new Uint8Array(Math.min(2048, reader.sizeBytes));
  await reader.readAt(0, bytes, options);
  if (bytes.length < 2048) return undefined;
  const view = new DataView(bytes.buffer);
  if (format === "fat") return describeFat(bytes, view);
  const word = (offset: number) => view.getUint32(1024 + offset, true);
  if (format === "erofs") {
    return {
      label: text(bytes.subarray(1024 + 64, 1024 + 80)),
      uuid: uuid(bytes.subarray(1024 + 48, 1024 + 64)),
      features: [...names(word(8), EROFS_COMPAT), ...names(word(80), EROFS_INCOMPAT)],
    };
  }
  return {
    label: text(bytes.subarray(1024 + 120, 1024 + 136)),
    uuid: uuid(bytes.subarray(1024 + 104, 1024 + 120)),
    features: [
      ...names(word(92), EXT_COMPAT),
      ...names(word(96), EXT_INCOMPAT),
      ...names(word(100), EXT_RO_COMPAT),
    ],
  };
}

/** The extended boot record lies behind the larger BPB of FAT32. */
function describeFat(bytes: Uint8Array, view: DataView): VolumeWords {
  const isFat32 = view.getUint16(22, true) === 0;
  const at = isFat32 ? 66 : 38;
  if (bytes[at] !== 0x29) return { label: "", uuid: "", features: [] };
  const serial = view.getUint32(at + 1, true).toString(16).toUpperCase().padStart(8, "0");
  const label = text(bytes.subarray(at + 5, at + 16)).trimEnd();
  return {
    label: label === "NO NAME" ? "" : label,
    uuid: `${serial.slice(0, 4)}-${serial.slice(4)}`,
    features: [],
  };
}

function names(word: number, bits: Bits): string[] {
  const found: string[] = [];
  for (let bit = 1; bit <= 0x80000000; bit *= 2) {
    if ((word & bit) === 0) continue;
    found.push(bits.find(([known]) => known === bit)?.[1] ?? `bit 0x${bit.toString(16)}`);
  }
  return found;
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function uuid(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte === 0)) return "";
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
