/**
 * The boot sector of FAT12, FAT16 and FAT32.
 *
 *     11 bytes per sector   13 sectors per cluster   14 reserved sectors   16 FATs   17 root entries
 *     19 sectors (16 bits)   21 media   22 sectors of a FAT (16)   32 sectors (32)   36 sectors of a FAT (32)
 *     FAT32: 40 flags (bit 7: only one FAT is kept up, bits 0 to 3 say which)   42 version   44 root cluster
 *
 * Source: Microsoft's FAT specification 1.03 ("fatgen103"), struct fat_boot_sector of Linux
 * include/uapi/linux/msdos_fs.h. The width of an entry follows from the number of clusters, never from the
 * words in the sector; but a volume whose FAT has only a 32-bit size is FAT32 however few clusters it has,
 * as mkfs.vfat -F 32 makes small ones and every kernel reads them.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";

const BOOT_SECTOR_BYTES = 512;
const SECTOR_SIZES = [512, 1024, 2048, 4096];
const ENTRY_BYTES = 32;
/** Clusters from which on a volume is FAT16, FAT32. */
const MIN_CLUSTERS_16 = 4085;
const MIN_CLUSTERS_32 = 65_525;
/** Clusters an entry of 28 bits can name. */
const MAX_CLUSTERS_32 = 0x0ffffff5;
const FIRST_CLUSTER = 2;

/** Where everything lies; offsets are bytes in the image. */
export interface FatGeometry {
  /** Bits of an entry of the table. */
  readonly bits: 12 | 16 | 32;
  readonly clusterBytes: number;
  readonly fatOffset: number;
  readonly fatBytes: number;
  /** Of cluster 2. */
  readonly dataOffset: number;
  /** Clusters are numbered from 2 to this, exclusive. */
  readonly endCluster: number;
  /** FAT12 and FAT16: the root directory lies in front of the data. */
  readonly rootOffset: number;
  readonly rootBytes: number;
  /** FAT32. */
  readonly rootCluster: number;
}

/**
 * Reads and checks the boot sector.
 *
 * @throws {FastboopError} `corrupt` when it is none or lies about the image; `unsupported` for exFAT, NTFS
 * and later versions of FAT32.
 */
export async function readBootSector(reader: Reader): Promise<FatGeometry> {
  const action = `Read the FAT boot sector of ${reader.identity}`;
  if (reader.sizeBytes < BOOT_SECTOR_BYTES) {
    throw damaged(action, `the image has ${reader.sizeBytes} bytes`);
  }
  const sector = new Uint8Array(BOOT_SECTOR_BYTES);
  await reader.readAt(0, sector);
  refuseRelatives(action, sector);
  const view = new DataView(sector.buffer);
  const { sectorBytes, clusterBytes, reserved, fatCount } = readUnits(action, view);
  const fatSectors = view.getUint16(22, true) || view.getUint32(36, true);
  const sectors = view.getUint16(19, true) || view.getUint32(32, true);
  if (fatSectors === 0 || sectors === 0) throw damaged(action, "a FAT or the volume is empty");
  if (sectors * sectorBytes > reader.sizeBytes) {
    const state = `the file system has ${
      sectors * sectorBytes
    } bytes, the image ${reader.sizeBytes}`;
    throw damaged(action, state);
  }
  const rootEntries = view.getUint16(17, true);
  const rootSectors = Math.ceil(rootEntries * ENTRY_BYTES / sectorBytes);
  const dataSector = reserved + fatCount * fatSectors + rootSectors;
  if (dataSector >= sectors) throw damaged(action, "there is no room for data");
  const clusters = Math.floor((sectors - dataSector) * sectorBytes / clusterBytes);
  const bits = entryBits(action, view, clusters);
  if (bits !== 32 && rootEntries === 0) throw damaged(action, "the root directory has no room");
  const fatBytes = fatSectors * sectorBytes;
  const usable = Math.min(clusters, Math.floor(fatBytes * 8 / bits) - FIRST_CLUSTER);
  if (usable < 1) throw damaged(action, "there are no clusters");
  const flags = bits === 32 ? view.getUint16(40, true) : 0;
  const activeFat = flags & 0x80 ? flags & 0x0f : 0;
  if (activeFat >= fatCount) throw damaged(action, `FAT ${activeFat} of ${fatCount} is to be used`);
  return {
    bits,
    clusterBytes,
    fatOffset: (reserved + activeFat * fatSectors) * sectorBytes,
    fatBytes,
    dataOffset: dataSector * sectorBytes,
    endCluster: FIRST_CLUSTER + usable,
    rootOffset: (reserved + fatCount * fatSectors) * sectorBytes,
    rootBytes: rootEntries * ENTRY_BYTES,
    rootCluster: bits === 32 ? view.getUint32(44, true) : 0,
  };
}

/** exFAT and NTFS have names where FAT has that of the program that made it. */
function refuseRelatives(action: string, sector: Uint8Array): void {
  const name = String.fromCharCode(...sector.subarray(3, 11));
  if (name !== "EXFAT   " && name !== "NTFS    ") return;
  const format = name === "NTFS    " ? "NTFS" : "exFAT";
  throw new FastboopError({
    kind: "unsupported",
    action,
    state: `it is ${format}, which is not read here`,
    hint: "Copy what is needed to a FAT, ext4 or EROFS image",
  });
}

function readUnits(action: string, view: DataView) {
  const sectorBytes = view.getUint16(11, true);
  const clusterSectors = view.getUint8(13);
  const reserved = view.getUint16(14, true);
  const fatCount = view.getUint8(16);
  const media = view.getUint8(21);
  if (!SECTOR_SIZES.includes(sectorBytes)) {
    throw damaged(action, `a sector has ${sectorBytes} bytes, must have 512 to 4096`);
  }
  if (clusterSectors === 0 || (clusterSectors & (clusterSectors - 1)) !== 0) {
    throw damaged(action, `a cluster has ${clusterSectors} sectors, must be a power of two`);
  }
  if (reserved === 0 || fatCount === 0) throw damaged(action, "it has no FAT, or no boot sector");
  if (media !== 0xf0 && media < 0xf8) {
    throw damaged(
      action,
      `the media byte is 0x${media.toString(16)}, must be 0xf0 or 0xf8 to 0xff`,
    );
  }
  return { sectorBytes, clusterBytes: clusterSectors * sectorBytes, reserved, fatCount };
}

function entryBits(action: string, view: DataView, clusters: number): 12 | 16 | 32 {
  if (view.getUint16(22, true) !== 0) {
    if (clusters < MIN_CLUSTERS_16) return 12;
    if (clusters < MIN_CLUSTERS_32) return 16;
    throw damaged(action, `a FAT with a 16-bit size is to hold ${clusters} clusters`);
  }
  const version = view.getUint16(42, true);
  if (version !== 0) {
    const state = `it is FAT32 in version ${version >>> 8}.${version & 255}, known is 0.0`;
    throw new FastboopError({ kind: "unsupported", action, state });
  }
  if (clusters > MAX_CLUSTERS_32) throw damaged(action, `FAT32 is to have ${clusters} clusters`);
  return 32;
}
