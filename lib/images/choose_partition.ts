/** The one partition a selector names; every way to miss it is told with what there is instead. */
import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import type { Reader } from "../sources/reader.ts";
import { WindowReader } from "./window_reader.ts";

/** Partitions an error lists. */
const LISTED = 24;

/** What both kinds of tables know of a partition. */
export interface Placed {
  readonly index: number;
  readonly label?: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/**
 * The only one of `partitions` that `matches`.
 *
 * @throws {FastboopError} `usage` when none or several do.
 */
export function choosePartition<P extends Placed>(
  action: string,
  partitions: readonly P[],
  wanted: string,
  matches: (partition: P) => boolean,
): P {
  const found = partitions.filter(matches);
  if (found.length === 1) return found[0]!;
  const state = found.length === 0
    ? `there is no ${wanted}; there are ${listPlaced(partitions)}`
    : `${wanted} is the name of ${listPlaced(found)}`;
  throw new FastboopError({
    kind: "usage",
    action,
    state,
    hint: "Name the partition by its index",
  });
}

/**
 * The bytes of a partition as a Reader that owns `source`.
 *
 * @throws {FastboopError} `corrupt` when it does not lie inside the source.
 */
export function windowOf(
  action: string,
  source: Reader,
  scheme: string,
  partition: Placed,
): Reader {
  const { index, offsetBytes, sizeBytes } = partition;
  if (offsetBytes > source.sizeBytes - sizeBytes) {
    throw new FastboopError({
      kind: "corrupt",
      action,
      state: `partition ${index} ends at byte ${
        offsetBytes + sizeBytes
      }, the image at ${source.sizeBytes}`,
      hint: "Fetch the image again; it may have been cut off",
    });
  }
  const identity =
    `${scheme}-partition:(${source.identity}):index=${index}:offset=${offsetBytes}:size=${sizeBytes}`;
  return new WindowReader(source, { offsetBytes, sizeBytes, identity, owns: true });
}

/** `0 "boot" (512 MiB), 1 (3 GiB)` */
function listPlaced(partitions: readonly Placed[]): string {
  if (partitions.length === 0) return "none";
  const words = partitions.slice(0, LISTED).map(({ index, label, sizeBytes }) => {
    const name = label ? ` "${printable(label)}"` : "";
    return `${index}${name} (${formatSize(sizeBytes)})`;
  });
  const more = partitions.length - words.length;
  return words.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
