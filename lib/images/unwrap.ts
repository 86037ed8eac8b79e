/**
 * From a file as it was published to the image inside: compressions, sparse images and partition tables
 * are taken off one after the other, each recognised by its signature at a fixed offset.
 *
 * Archives (tar, zip, iso9660) are left as they are: which member is meant, `openImage` decides.
 */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import type { Reader } from "../sources/reader.ts";
import {
  chooseRootPartition,
  type RootCandidate,
  rootContenders,
} from "./choose_root_partition.ts";
import type { ContainerOptions } from "./container.ts";
import { LeasedReader } from "./leased_reader.ts";
import { openContainer } from "./open_container.ts";
import {
  listPartitions,
  openPartition,
  type Partition,
  type PartitionTable,
} from "./partitions.ts";
import { Siblings } from "./siblings.ts";
import { SNIFF_BYTES } from "./signatures.ts";
import { type Format, sniffFormat } from "./sniff.ts";
import { WindowReader } from "./window_reader.ts";

/** Containers inside each other; pipelines have the same bound. */
export const MAX_DEPTH = 16;
/** Partitions looked into when a root is chosen. */
const PROBED_PARTITIONS = 128;
/** Partitions an error lists. */
const LISTED = 24;
/** Contenders whose files are looked at; no disk has as many roots, but a table may name one of them often. */
const PROBED_ROOTS = 16;

export interface UnwrapOptions extends ContainerOptions {
  /** A partition by its number, from 1 as Linux counts, its label or its PARTUUID, where a disk is met. */
  partition?: string;
  /**
   * What a disk without a clear root means: `boot` (default) refuses it and lists the partitions,
   * `inspect` ends at the disk.
   */
  purpose?: "boot" | "inspect";
  /**
   * Looks at the files on a partition, where types leave several; trees are no business of this room. The
   * Reader stays the caller's. Absent: nobody looks.
   */
  probeRoot?: (
    partition: Reader,
    filesystem: "erofs" | "ext4",
    options: { signal?: AbortSignal },
  ) => Promise<RootTraits>;
  /** Containers that may be taken off. Default 16. */
  maxDepth?: number;
}

/** What of a root file system a partition has; nothing where it cannot be read. */
export type RootTraits = Pick<RootCandidate, "hasUsr" | "hasInit">;

/** A partition of a disk, with the format of what is on it. */
export interface ListedPartition extends Partition {
  readonly format: Format | undefined;
}

export interface Unwrapped {
  /** The innermost bytes; owns the source. */
  readonly reader: Reader;
  /** What was taken off, outermost first: `xz`, `gpt partition 2 "rootfs"`. */
  readonly steps: readonly string[];
  /** Of the innermost bytes, undefined when nothing is recognised. */
  readonly format: Format | undefined;
  /** Of a disk none of whose partitions was entered. */
  readonly partitions?: readonly ListedPartition[];
  /** Of the disk that was entered last; `reader` has it open. */
  readonly siblings?: Siblings;
}

/**
 * Takes the containers off `source`. The result owns it; when unwrapping fails it stays the caller's.
 *
 * @throws {FastboopError} `limit` above the depth, `usage` when no partition can be chosen, `not-found` for
 * a partition that is not there, and what the containers throw.
 */
export async function unwrap(source: Reader, options: UnwrapOptions = {}): Promise<Unwrapped> {
  const lease = new LeasedReader(source);
  const steps: string[] = [];
  let reader: Reader = lease;
  let siblings: Siblings | undefined;
  try {
    for (;;) {
      const format = await formatOf(reader, options.signal);
      const isDisk = format === "gpt" || format === "mbr";
      const layer: Layer | Listing | undefined = isDisk
        ? await enterDisk(reader, format, options)
        : format && await openContainer(format, reader, options);
      if (layer === undefined || "partitions" in layer) {
        lease.keep();
        return { reader, steps, format, ...layer, ...(siblings && { siblings }) };
      }
      // Taken over at once: whatever fails from here on closes it.
      reader = layer.reader;
      siblings = layer.siblings ?? siblings;
      steps.push(layer.step);
      if (steps.length > (options.maxDepth ?? MAX_DEPTH)) {
        const state = `there are more than ${options.maxDepth ?? MAX_DEPTH} containers`;
        throw new FastboopError({ kind: "limit", action: `Unwrap ${source.identity}`, state });
      }
    }
  } catch (error) {
    if (reader !== lease) await reader[Symbol.asyncDispose]();
    throw error;
  }
}

/** The format of what `reader` holds, by its first 64 KiB. */
export async function formatOf(reader: Reader, signal?: AbortSignal): Promise<Format | undefined> {
  const head = new Uint8Array(Math.min(SNIFF_BYTES, reader.sizeBytes));
  await reader.readAt(0, head, signal ? { signal } : {});
  return sniffFormat(head, reader.sizeBytes);
}

interface Layer {
  readonly reader: Reader;
  readonly step: string;
  readonly siblings?: Siblings;
}
type Listing = { readonly partitions: readonly ListedPartition[] };

async function enterDisk(
  disk: Reader,
  format: Format,
  options: UnwrapOptions,
): Promise<Layer | Listing | undefined> {
  const { signal } = options;
  const table = await listPartitions(disk, signal ? { signal } : {});
  if (table === undefined) return undefined;
  const partition = options.partition !== undefined
    ? namedPartition(disk, table, options.partition)
    : await rootPartition(disk, table, options);
  if ("partitions" in partition) return partition;
  const label = partition.name === "" ? "" : ` "${printable(partition.name)}"`;
  const scheme = format === "mbr" || table.scheme === "mbr" ? "mbr" : "gpt";
  return {
    reader: openNumbered(disk, partition),
    step: `${scheme} partition ${partition.index + 1}${label}`,
    siblings: new Siblings(disk, partition, table.partitions),
  };
}

/** Errors tell the number that people know it by. */
function openNumbered(disk: Reader, partition: Partition): Reader {
  return openPartition(disk, { ...partition, index: partition.index + 1 });
}

function namedPartition(disk: Reader, table: PartitionTable, wanted: string): Partition {
  const action = `Open partition "${printable(wanted)}" of ${disk.identity}`;
  const labelled = table.partitions.filter(({ name }) => name === wanted);
  const numbered = table.partitions.filter(({ index }) => String(index + 1) === wanted);
  const identified = table.partitions.filter(({ partuuid }) =>
    partuuid.toLowerCase() === wanted.toLowerCase()
  );
  const found = [labelled, numbered, identified].find(({ length }) => length > 0);
  if (found?.length === 1) return found[0]!;
  const state = found === undefined
    ? `there are ${tellAll(table.partitions)}`
    : `${found.length} partitions have this label`;
  throw new FastboopError({
    kind: found === undefined ? "not-found" : "usage",
    action,
    state,
    hint: "Give the number or the label of one of them",
  });
}

function tellAll(partitions: readonly Partition[]): string {
  if (partitions.length === 0) return "no partitions";
  const words = partitions.slice(0, LISTED).map(({ index, name }) =>
    name === "" ? `${index + 1}` : `${index + 1} "${printable(name)}"`
  );
  const more = partitions.length - words.length;
  return words.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

async function rootPartition(
  disk: Reader,
  table: PartitionTable,
  options: UnwrapOptions,
): Promise<Partition | Listing> {
  const { purpose, signal } = options;
  const listed: ListedPartition[] = [];
  for (const partition of table.partitions) {
    listed.push({ ...partition, format: await probe(disk, partition, listed.length, signal) });
  }
  const candidates = listed.map((partition): RootCandidate => {
    const { format } = partition;
    const isKnown = format === "erofs" || format === "ext4" || format === "fat";
    return { partition, filesystem: isKnown ? format : undefined };
  });
  try {
    const seen = await lookInside(disk, candidates, options);
    return chooseRootPartition(seen).candidate.partition;
  } catch (error) {
    if (!(error instanceof FastboopError) || error.kind !== "usage") throw error;
    if (purpose === "inspect") return { partitions: listed };
    // The root may be what is missing.
    const cut = listed.find((partition) => !isInside(partition, disk));
    if (cut !== undefined) openNumbered(disk, cut);
    throw error;
  }
}

/** The candidates, with what is on those that their types leave. */
async function lookInside(
  disk: Reader,
  candidates: readonly RootCandidate[],
  { probeRoot, signal }: UnwrapOptions,
): Promise<RootCandidate[]> {
  const { pool } = rootContenders(candidates);
  const seen: RootCandidate[] = [];
  for (const candidate of candidates) {
    const { partition, filesystem } = candidate;
    const isOpen = pool.length > 1 && pool.length <= PROBED_ROOTS && pool.includes(candidate);
    if (!isOpen || probeRoot === undefined || filesystem === undefined || filesystem === "fat") {
      seen.push(candidate);
      continue;
    }
    const { offsetBytes, sizeBytes } = partition;
    const window = new WindowReader(disk, { offsetBytes, sizeBytes });
    seen.push({ ...candidate, ...await probeRoot(window, filesystem, signal ? { signal } : {}) });
  }
  return seen;
}

/** The format of a partition; one that does not lie inside the disk has none. */
async function probe(
  disk: Reader,
  partition: Partition,
  position: number,
  signal: AbortSignal | undefined,
): Promise<Format | undefined> {
  if (position >= PROBED_PARTITIONS || !isInside(partition, disk)) return undefined;
  const { offsetBytes, sizeBytes } = partition;
  return await formatOf(new WindowReader(disk, { offsetBytes, sizeBytes }), signal);
}

function isInside({ offsetBytes, sizeBytes }: Partition, disk: Reader): boolean {
  return sizeBytes <= disk.sizeBytes - offsetBytes;
}
