/**
 * The logical partitions of an extended one: a chain of extended boot records, each of which holds one
 * partition (counted from the record) and the next record (counted from the extended partition).
 *
 * Which of the first two entries is which, their types tell; the other two are left alone. A first record
 * without a signature is an extended partition that never had anything in it. Source: parse_extended of
 * Linux block/partitions/msdos.c.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { isExtended, type MbrEntry, parseMbrEntries } from "./parse_mbr.ts";

/** Records of one chain; the kernel names no more than 255 partitions of a disk. */
export const LOGICAL_LIMIT = 256;

/**
 * Logical partitions in the order of their chain, LBAs counted from the start of the disk.
 *
 * @throws {FastboopError} `corrupt` when the chain leaves the extended partition or the image, comes back
 * to itself or breaks off; `limit` beyond `LOGICAL_LIMIT` records; what the source throws.
 */
export async function readLogicalPartitions(
  source: Reader,
  extended: MbrEntry,
  lbaSizeBytes: number,
  options: ReadOptions,
): Promise<MbrEntry[]> {
  const action = `Read the logical partitions of ${source.identity}`;
  const broken = (state: string) => new FastboopError({ kind: "corrupt", action, state });
  const partitions: MbrEntry[] = [];
  const seen = new Set<number>();
  let lba = extended.firstLba;
  while (true) {
    if (seen.has(lba)) throw broken(`the chain of records comes back to LBA ${lba}`);
    if (seen.size === LOGICAL_LIMIT) {
      const state = `there are more than ${LOGICAL_LIMIT} records`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    seen.add(lba);
    if (lba >= extended.firstLba + extended.lbaCount) {
      throw broken(`a record at LBA ${lba} lies outside the extended partition`);
    }
    if ((lba + 1) * lbaSizeBytes > source.sizeBytes) {
      throw broken(`a record at LBA ${lba} lies behind the end of the image`);
    }
    const sector = new Uint8Array(512);
    await source.readAt(lba * lbaSizeBytes, sector, options);
    const entries = parseMbrEntries(sector);
    if (entries === undefined) {
      if (seen.size === 1) return partitions;
      throw broken(`there is no record at LBA ${lba}`);
    }
    const used = entries.slice(0, 2).filter(({ lbaCount }) => lbaCount > 0);
    for (const entry of used) {
      if (isExtended(entry.type)) continue;
      partitions.push({ ...entry, firstLba: entry.firstLba + lba });
    }
    const next = used.find(({ type }) => isExtended(type));
    if (next === undefined) return partitions;
    lba = extended.firstLba + next.firstLba;
  }
}
