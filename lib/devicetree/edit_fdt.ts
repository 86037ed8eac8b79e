/** A device tree that may be changed: overlays and addresses go in here before it is flattened again. */
import type { Fdt, FdtNode, FdtReservation } from "./fdt.ts";

/** One node; properties and children keep the order in which they came. */
export interface EditableNode {
  /** With its unit address; "" for the root. */
  readonly name: string;
  readonly properties: Map<string, Uint8Array>;
  readonly children: Map<string, EditableNode>;
}

export interface EditableFdt {
  readonly root: EditableNode;
  readonly reservations: readonly FdtReservation[];
  readonly bootCpuId: number;
}

/** A copy of a parsed tree; the values are copies too, for fixups are written into them. */
export function editFdt({ root, reservations, bootCpuId }: Fdt): EditableFdt {
  return { root: copyNode(root), reservations, bootCpuId };
}

/** parse_fdt.ts bounds the depth. */
function copyNode({ name, properties, children }: FdtNode): EditableNode {
  return {
    name,
    properties: new Map([...properties].map(([key, value]) => [key, value.slice()])),
    children: new Map(children.map((child) => [child.name, copyNode(child)])),
  };
}

/** The node at an absolute path; undefined when there is none. */
export function nodeAt(root: EditableNode, path: string): EditableNode | undefined {
  let node: EditableNode | undefined = root;
  for (const name of path.split("/").filter((part) => part !== "")) {
    node = node.children.get(name);
    if (node === undefined) return undefined;
  }
  return path.startsWith("/") ? node : undefined;
}

/** Every node with its path, parents first. */
export function* walkNodes(node: EditableNode, path = "/"): Generator<[EditableNode, string]> {
  yield [node, path];
  for (const child of node.children.values()) {
    yield* walkNodes(child, path === "/" ? `/${child.name}` : `${path}/${child.name}`);
  }
}
