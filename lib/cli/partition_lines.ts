import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import type { ListedPartition } from "../images/unwrap.ts";

/** A table of partitions: number, size, what is on it, label. */
export function partitionLines(partitions: readonly ListedPartition[]): string[] {
  return partitions.map(({ index, sizeBytes, format, name, partuuid }) => {
    const columns = [
      String(index + 1).padStart(3),
      formatSize(sizeBytes).padStart(10),
      (format ?? "unknown").padEnd(8),
      partuuid.padEnd(36),
      name === "" ? "" : `"${name}"`,
    ];
    return printable(columns.join("  ")).trimEnd();
  });
}
