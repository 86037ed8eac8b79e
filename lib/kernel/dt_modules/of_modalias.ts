import type { FdtNode } from "../../devicetree/fdt.ts";
import { stringList } from "../../devicetree/string_list.ts";

/**
 * The name under which the kernel asks for a node's driver: `of:N<name>T<type>C<compatible>C...`, the name
 * without its unit address. Source: drivers/of/module.c, of_modalias(): a node without `device_type` has
 * the type `(null)`, and blanks in `compatible` become `_`.
 */
export function ofModalias(node: FdtNode): string {
  const at = node.name.indexOf("@");
  const name = at < 0 ? node.name : node.name.slice(0, at);
  const [type = "(null)"] = stringList(node, "device_type");
  const compatible = stringList(node, "compatible");
  return `of:N${name}T${type}${compatible.map((c) => `C${c.replaceAll(" ", "_")}`).join("")}`;
}
