import { printable } from "../bytes/printable.ts";
import type { UsbInfo } from "./link.ts";

/** Devices as lines for people: place, ids, serial number, remark. Texts from devices are made safe. */
export function phoneTable(rows: readonly (UsbInfo & { reason: string })[]): string {
  const cells = rows.map((row) => [
    printable(row.path),
    `${hex(row.vendorId)}:${hex(row.productId)}`,
    row.serial === undefined ? "-" : printable(row.serial),
    row.reason.split("\n").map(printable).join("; "),
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...cells.map((row) => row[column]!.length)));
  return cells.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()}`
  ).join("\n");
}

function hex(id: number): string {
  return id.toString(16).padStart(4, "0");
}
