/**
 * Reads a GUID partition table: the primary at LBA 1, or where that one is damaged its backup, at the LBA
 * the primary names or at the last one of the disk.
 *
 * The LBA size is not written anywhere. 512 and 4096 are tried, the primaries first: a table is only taken
 * where its own LBA and both checksums hold, so the wrong size does not pass.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { checkLbaSize } from "../lba_size.ts";
import {
  type GptPartition,
  hasGptSignature,
  otherCopyLba,
  parseGptEntries,
  parseGptHeader,
} from "./parse_gpt.ts";

const LBA_SIZES_BYTES = [512, 4096];

export interface GptTable {
  readonly lbaSizeBytes: number;
  /** The primary is damaged; this is its backup. */
  readonly usedBackup: boolean;
  readonly partitions: readonly GptPartition[];
}

export interface GptOptions extends ReadOptions {
  /** Default: 512 and 4096 are tried. */
  readonly lbaSizeBytes?: number;
}

/**
 * The partition table of `source`, undefined when neither copy has left a signature.
 *
 * Partitions may reach behind the end of a trimmed image: whoever opens one checks it.
 *
 * @throws {FastboopError} `corrupt` when there is a signature but no sound copy; `usage` for an LBA size
 * that is none; what the source throws.
 */
export async function readGpt(
  source: Reader,
  options: GptOptions = {},
): Promise<GptTable | undefined> {
  if (options.lbaSizeBytes !== undefined) checkLbaSize(options.lbaSizeBytes);
  const sizes = options.lbaSizeBytes === undefined ? LBA_SIZES_BYTES : [options.lbaSizeBytes];
  const attempt = new Attempt(source, options);
  for (const size of sizes) {
    const primary = await attempt.read(size, 1, false);
    if (primary !== undefined) return primary;
  }
  for (const size of sizes) {
    for (const lba of attempt.backupsOf(size)) {
      const backup = await attempt.read(size, lba, true);
      if (backup !== undefined) return backup;
    }
  }
  if (attempt.faults.length === 0) return undefined;
  throw new FastboopError({
    kind: "corrupt",
    action: `Read the GUID partition table of ${source.identity}`,
    state: attempt.faults.join("; "),
    hint: "Fetch the image again, or repair its table with sgdisk",
  });
}

/** The search through one source, and what was wrong with each copy that has a signature. */
class Attempt {
  readonly faults: string[] = [];
  readonly #source: Reader;
  readonly #options: ReadOptions;
  /** Where the primaries say their backups are, by LBA size. */
  readonly #named = new Map<number, number>();

  constructor(source: Reader, options: ReadOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** LBAs where the backup may be, each once. */
  backupsOf(lbaSizeBytes: number): Set<number> {
    const last = Math.floor(this.#source.sizeBytes / lbaSizeBytes) - 1;
    const named = this.#named.get(lbaSizeBytes);
    const all = named === undefined ? [last] : [named, last];
    return new Set(all.filter((lba) => lba > 1));
  }

  /** The copy at `lba` when it is sound. */
  async read(size: number, lba: number, usedBackup: boolean): Promise<GptTable | undefined> {
    const block = await this.#bytes(lba * size, size);
    if (block === undefined || !hasGptSignature(block)) return undefined;
    if (!usedBackup) this.#named.set(size, otherCopyLba(block));
    const fault = (what: string) => {
      this.faults.push(`the ${usedBackup ? "backup" : "primary"} at byte ${lba * size} ${what}`);
      return undefined;
    };
    const header = parseGptHeader(block, lba);
    if (typeof header === "string") return fault(header);
    const tableBytes = header.entryCount * header.entryBytes;
    const table = await this.#bytes(header.entriesLba * size, tableBytes);
    if (table === undefined) return fault("has its entries outside the image");
    const partitions = parseGptEntries(header, table, size);
    if (typeof partitions === "string") return fault(partitions);
    return { lbaSizeBytes: size, usedBackup, partitions };
  }

  /** Undefined for a range that does not lie inside the source. */
  async #bytes(offsetBytes: number, lengthBytes: number): Promise<Uint8Array | undefined> {
    if (offsetBytes > this.#source.sizeBytes - lengthBytes) return undefined;
    const bytes = new Uint8Array(lengthBytes);
    await this.#source.readAt(offsetBytes, bytes, this.#options);
    return bytes;
  }
}
