import type { FdtNode } from "./fdt.ts";

/**
 * The NUL-ended strings of a property (`compatible`, `status`): none when the node has no such property.
 * A value without its last NUL still counts, and bytes beyond ASCII are kept as they are.
 */
export function stringList(node: FdtNode, property: string): string[] {
  const value = node.properties.get(property);
  if (value === undefined || value.length === 0) return [];
  const end = value[value.length - 1] === 0 ? value.length - 1 : value.length;
  let text = "";
  for (let i = 0; i < end; i++) text += String.fromCharCode(value[i]!);
  return text.split("\0");
}
