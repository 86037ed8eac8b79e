/** Signatures of formats, each with its offset and its source. */

/** Bytes that hold every signature known here; btrfs' is the last one. */
export const SNIFF_BYTES = (64 << 10) + 512;

/** Several of these are known only to be refused by name. */
export type Format =
  | "android-sparse"
  | "arm64-image"
  | "boot-image"
  | "boot-profile"
  | "btrfs"
  | "bzimage"
  | "bzip2"
  | "casync-index"
  | "channel"
  | "cpio"
  | "device-profile"
  | "elf"
  | "erofs"
  | "exfat"
  | "ext4"
  | "f2fs"
  | "fat"
  | "fdt"
  | "gpt"
  | "gzip"
  | "iso9660"
  | "luks"
  | "lz4"
  | "mbr"
  | "ntfs"
  | "pipeline"
  | "pipeline-hints"
  | "profile-bundle"
  | "qcow2"
  | "squashfs"
  | "tar"
  | "vendor-boot-image"
  | "xfs"
  | "xz"
  | "zboot"
  | "zip"
  | "zstd";

/** Bytes, or ASCII text, at an offset. */
export type Signature = readonly [format: Format, offset: number, bytes: string | Uint8Array];

/** Bytes written as hexadecimal digits. */
export const hex = (digits: string) =>
  Uint8Array.from(digits.match(/../g)!, (byte) => Number.parseInt(byte, 16));

/** Signatures of files that begin with them. */
export const AT_START: readonly Signature[] = [
  // system/core libsparse, sparse_format.h.
  ["android-sparse", 0, hex("3aff26ed")],
  // fastboop and gibblox: pipeline.md 1.3 and 1.5, fastboop-cli.md 2.4, 3.7 and 7 of the specification.
  ["channel", 0, "FBCHIDX0"],
  ["boot-profile", 0, "FBOOPROF"],
  ["device-profile", 0, "FBOODEVP"],
  ["pipeline-hints", 0, "FBPHINT0"],
  ["pipeline-hints", 0, "GBXHINT0"],
  ["pipeline", 0, "GBXPIPE0"],
  ["profile-bundle", 0, hex("464243480100")],
  // casync, caformat.h: the size and the type of CaFormatIndex.
  ["casync-index", 0, hex("3000000000000000f99f127b9c4d8296")],
  // The .xz file format, 2.1.1.1.
  ["xz", 0, hex("fd377a585a00")],
  // RFC 1952: deflate is the only method.
  ["gzip", 0, hex("1f8b08")],
  // RFC 8878, 3.1.1.
  ["zstd", 0, hex("28b52ffd")],
  // lz4_Frame_format.md: the frame and the legacy one the kernel is packed with.
  ["lz4", 0, hex("04224d18")],
  ["lz4", 0, hex("02214c18")],
  // APPNOTE.TXT 4.3.7, 4.3.16, 8.5.5.
  ["zip", 0, hex("504b0304")],
  ["zip", 0, hex("504b0506")],
  ["zip", 0, hex("504b0708")],
  // system/tools/mkbootimg, bootimg.h.
  ["boot-image", 0, "ANDROID!"],
  ["vendor-boot-image", 0, "VNDRBOOT"],
  ["elf", 0, hex("7f454c46")],
  // Devicetree Specification, 5.2.
  ["fdt", 0, hex("d00dfeed")],
  // Linux Documentation/arch/arm64/booting.rst.
  ["arm64-image", 56, "ARMd"],
  // cpio(5): the ASCII forms.
  ["cpio", 0, "070701"],
  ["cpio", 0, "070702"],
  ["cpio", 0, "070707"],
  // Linux include/uapi/linux/magic.h and fs/squashfs/squashfs_fs.h; XFS, LUKS and QCOW of their own.
  ["squashfs", 0, "hsqs"],
  ["xfs", 0, "XFSB"],
  ["luks", 0, hex("4c554b53babe")],
  ["qcow2", 0, hex("514649fb")],
  // Names in the boot sector: exFAT specification 3.1.2, NTFS likewise.
  ["exfat", 3, "EXFAT   "],
  ["ntfs", 3, "NTFS    "],
  // POSIX pax, ustar interchange format.
  ["tar", 257, "ustar"],
];

/** Signatures of file systems; the bytes in front of them belong to whoever wants them. */
export const SUPERBLOCKS: readonly Signature[] = [
  ["erofs", 1024, hex("e2e1f5e0")],
  ["f2fs", 1024, hex("1020f5f2")],
  ["btrfs", 65_600, "_BHRfS_M"],
];
