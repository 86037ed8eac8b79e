/** The partitions of a disk image, whichever kind of table it has. */
import { FastboopError } from "../errors/errors.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";
import { windowOf } from "./choose_partition.ts";
import { readGpt } from "./gpt/read_gpt.ts";
import { readMbr } from "./mbr/read_mbr.ts";

export interface Partition {
  /** Slot of the table from 0; logical partitions of an MBR go on at 4. */
  readonly index: number;
  /** The label of a GPT partition, else "". */
  readonly name: string;
  /** A GUID, or the two hexadecimal digits of an MBR's type. */
  readonly type: string;
  readonly partuuid: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface PartitionTable {
  readonly scheme: "gpt" | "mbr";
  /** The primary GPT is damaged; this is its backup. */
  readonly usedBackup: boolean;
  readonly partitions: readonly Partition[];
}

/**
 * The partition table of `source`, undefined when there is none.
 *
 * As in the kernel, a GPT needs an MBR that does not speak against it: one with partitions and no
 * protective entry was written later, and what is left of the GPT is stale. An MBR without partitions
 * says nothing. Extended partitions are left out, their logical ones are there.
 *
 * @throws {FastboopError} `corrupt` when the MBR protects a GPT that is not there; as `readGpt` and
 * `readMbr`.
 */
export async function listPartitions(
  source: Reader,
  options: ReadOptions = {},
): Promise<PartitionTable | undefined> {
  const mbr = await readMbr(source, options);
  if (mbr === undefined || mbr.isProtective || mbr.partitions.length === 0) {
    const gpt = await readGpt(source, options);
    if (gpt !== undefined) {
      const partitions = gpt.partitions.map(({ label, typeGuid, ...rest }) => {
        const { index, partuuid, offsetBytes, sizeBytes } = rest;
        return { index, name: label, type: typeGuid, partuuid, offsetBytes, sizeBytes };
      });
      return { scheme: "gpt", usedBackup: gpt.usedBackup, partitions };
    }
  }
  if (mbr === undefined) return undefined;
  if (mbr.isProtective && mbr.partitions.length === 0) {
    throw new FastboopError({
      kind: "corrupt",
      action: `Read the partition table of ${source.identity}`,
      state: "its MBR protects a GUID partition table that is not there",
      hint: "Fetch the image again, or name its LBA size",
    });
  }
  const partitions = mbr.partitions.filter(({ isExtended }) => !isExtended);
  return {
    scheme: "mbr",
    usedBackup: false,
    partitions: partitions.map(({ index, type, partuuid, offsetBytes, sizeBytes }) => {
      const digits = type.toString(16).padStart(2, "0");
      return { index, name: "", type: digits, partuuid, offsetBytes, sizeBytes };
    }),
  };
}

/**
 * The bytes of a partition; the Reader owns `source`.
 *
 * @throws {FastboopError} `corrupt` when it does not lie inside the image.
 */
export function openPartition(source: Reader, partition: Partition): Reader {
  const action = `Open partition ${partition.index} of ${source.identity}`;
  return windowOf(action, source, "disk", partition);
}
