import type { Fdt, FdtNode } from "./fdt.ts";
import { stringList } from "./string_list.ts";

/**
 * The nodes an operating system may use: `status` is absent, `okay` or `ok`, here and in all parents.
 *
 * Source: Devicetree Specification 2.3.4; drivers/of/base.c, of_device_is_available().
 */
export function enabledNodes(fdt: Fdt): Set<FdtNode> {
  const enabled = new Set<FdtNode>();
  for (const node of fdt.nodes) {
    if (node.parent !== undefined && !enabled.has(node.parent)) continue;
    const [status] = stringList(node, "status");
    if (status === undefined || status === "okay" || status === "ok") enabled.add(node);
  }
  return enabled;
}
