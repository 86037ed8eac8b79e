import type { FdtNode } from "./fdt.ts";

/** The 32-bit big-endian cells of a property; none when it is absent. A rest below 4 bytes is left out. */
export function cells(node: FdtNode, property: string): number[] {
  const value = node.properties.get(property);
  if (value === undefined) return [];
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const found: number[] = [];
  for (let at = 0; at + 4 <= value.length; at += 4) found.push(view.getUint32(at));
  return found;
}
