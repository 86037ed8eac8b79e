import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { isFatBootSector } from "../fat_boot_sector.ts";
import { checkLbaSize } from "../lba_size.ts";
import { readLogicalPartitions } from "./logical_partitions.ts";
import { diskSignatureOf, isExtended, type MbrEntry, parseMbrEntries } from "./parse_mbr.ts";

/** Type of the entry that keeps old programs off a disk with a GPT (UEFI 2.10, section 5.2.3). */
const PROTECTIVE_TYPE = 0xee;
const LOGICAL_INDEX = 4;

/** One used entry. Offsets are bytes from the start of the disk. */
export interface MbrPartition {
  /** Primary slots are 0 to 3, logical partitions go on at 4. */
  readonly index: number;
  readonly type: number;
  /** Signature and number in hexadecimal: `1b2c3d4e-02`. */
  readonly partuuid: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** It holds the logical partitions and has no content of its own. */
  readonly isExtended: boolean;
}

export interface MbrTable {
  /** An entry protects a GPT. It is not among the partitions. */
  readonly isProtective: boolean;
  readonly partitions: readonly MbrPartition[];
}

export interface MbrOptions extends ReadOptions {
  /** Default 512: nothing in the table tells. */
  readonly lbaSizeBytes?: number;
}

/**
 * The DOS partition table of `source`, undefined when sector 0 holds none.
 *
 * A FAT boot sector ends in 55 AA as well. It is none when an entry's flag is neither 00 nor 80, as in the
 * kernel, or when no entry describes anything behind sector 0 itself (mkfs.vfat --mbr writes one that
 * spans the whole file system). Partitions may reach behind the end of a trimmed image.
 *
 * @throws {FastboopError} `corrupt` or `limit` for a chain of logical partitions that is broken; `usage`
 * for an LBA size that is none; what the source throws.
 */
export async function readMbr(
  source: Reader,
  options: MbrOptions = {},
): Promise<MbrTable | undefined> {
  const lbaSizeBytes = options.lbaSizeBytes ?? 512;
  checkLbaSize(lbaSizeBytes);
  if (source.sizeBytes < 512) return undefined;
  const sector = new Uint8Array(512);
  await source.readAt(0, sector, options);
  const primaries = parseMbrEntries(sector);
  if (primaries === undefined) return undefined;
  const behind = primaries.some(({ firstLba, lbaCount }) => firstLba > 0 && lbaCount > 0);
  if (!behind && isFatBootSector(sector)) return undefined;

  const diskSignature = diskSignatureOf(sector);
  const partition = (index: number, entry: MbrEntry): MbrPartition => ({
    index,
    type: entry.type,
    partuuid: `${hex(diskSignature, 8)}-${hex(index + 1, 2)}`,
    offsetBytes: entry.firstLba * lbaSizeBytes,
    sizeBytes: entry.lbaCount * lbaSizeBytes,
    isExtended: isExtended(entry.type),
  });
  const partitions: MbrPartition[] = [];
  const logicals: MbrEntry[] = [];
  for (const [index, entry] of primaries.entries()) {
    if (entry.lbaCount === 0 || entry.type === PROTECTIVE_TYPE) continue;
    partitions.push(partition(index, entry));
    if (!isExtended(entry.type)) continue;
    logicals.push(...await readLogicalPartitions(source, entry, lbaSizeBytes, options));
  }
  for (const [i, entry] of logicals.entries()) partitions.push(partition(LOGICAL_INDEX + i, entry));
  const isProtective = primaries.some(({ type }) => type === PROTECTIVE_TYPE);
  return { isProtective, partitions };
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
