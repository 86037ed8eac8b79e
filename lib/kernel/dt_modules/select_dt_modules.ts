/**
 * The modules that bring up a board's USB device controller, from its device tree alone: the controllers,
 * what they point at, what that points at, and the buses all of it sits on.
 *
 * Nothing here is about one SoC. What has no module is either part of the kernel or was not built; which
 * of the two is told where the kernel's own records or its image can tell.
 */
import { enabledNodes } from "../../devicetree/enabled_nodes.ts";
import type { Fdt, FdtNode } from "../../devicetree/fdt.ts";
import { stringList } from "../../devicetree/string_list.ts";
import type { ModuleIndex } from "../module_index.ts";
import { type DtDriver, DtDrivers } from "./dt_drivers.ts";
import { dtSuppliers } from "./dt_suppliers.ts";
import { ImageDrivers } from "./image_drivers.ts";
import { usbControllers } from "./usb_controllers.ts";
import { usbGraph } from "./usb_graph.ts";

/** Why a node is needed. */
export interface DtReason {
  /** The node itself. */
  readonly path: string;
  readonly compatible: readonly string[];
  /** Path of the node that led here, or the module; absent for a USB controller. */
  readonly from?: string;
  /** Its property, `parent`, `remote-endpoint` or `symbols`; `usb` for a controller. */
  readonly by: string;
}

/** A module with a reason: the node it drives. */
export interface DtModule {
  /** Folded name. */
  readonly name: string;
  readonly reasons: readonly (DtReason & { readonly alias: string })[];
}

export interface DtSelection {
  /** Paths of the USB device controllers; none when the board has none that is enabled. */
  readonly controllers: readonly string[];
  /** In the order in which they were found, controllers first. */
  readonly modules: readonly DtModule[];
  /** Needed nodes that a driver of the kernel itself takes. */
  readonly builtin: readonly DtReason[];
  /** Needed nodes for which the image has no driver either; only with an image. */
  readonly missing: readonly DtReason[];
  /** Needed nodes without a module, where nothing tells whether the kernel has a driver. */
  readonly unknown: readonly DtReason[];
}

export interface SelectDtModulesOptions {
  /** The uncompressed kernel, to tell built-in drivers from missing ones. */
  image?: Uint8Array;
}

/**
 * Nodes the kernel handles without a driver: buses it walks by itself (drivers/of/platform.c), and what
 * only describes something.
 */
const NO_DRIVER =
  /^(simple-bus|simple-mfd|isa|arm,amba-bus|syscon|usb-[abc]-connector|fixed-layout|shared-dma-pool)$/;

/** Finds the controllers of `fdt` and walks to all that they need; pure, one visit per node. */
export function selectDtModules(
  fdt: Fdt,
  index: ModuleIndex,
  { image }: SelectDtModulesOptions = {},
): DtSelection {
  const walk = new Walk(fdt, index);
  walk.run();
  const selection = {
    controllers: walk.controllers,
    modules: [...walk.modules].map(([name, reasons]) => ({ name, reasons })),
    builtin: [] as DtReason[],
    missing: [] as DtReason[],
    unknown: [] as DtReason[],
  };
  const drivers = image && new ImageDrivers(image);
  for (const { node, reason } of walk.driverless) {
    const inImage = drivers && reason.compatible.some((name) => drivers.has(name));
    if (inImage || walk.drivers.isBuiltin(node)) selection.builtin.push(reason);
    else if (reason.compatible.some((name) => NO_DRIVER.test(name))) continue;
    else selection[drivers ? "missing" : "unknown"].push(reason);
  }
  return selection;
}

class Walk {
  readonly controllers: string[] = [];
  readonly modules = new Map<string, (DtReason & { alias: string })[]>();
  readonly driverless: { node: FdtNode; reason: DtReason }[] = [];
  readonly drivers: DtDrivers;
  readonly #fdt: Fdt;
  readonly #index: ModuleIndex;
  readonly #enabled: ReadonlySet<FdtNode>;
  readonly #found = new Map<FdtNode, DtDriver[]>();
  readonly #nodesOf = new Map<string, FdtNode[]>();
  readonly #visited = new Set<FdtNode>();
  readonly #used = new Set<string>();
  readonly #queue: FdtNode[] = [];

  constructor(fdt: Fdt, index: ModuleIndex) {
    this.#fdt = fdt;
    this.#index = index;
    this.#enabled = enabledNodes(fdt);
    this.drivers = new DtDrivers(index);
    for (const node of this.#enabled) {
      const found = this.drivers.find(node);
      this.#found.set(node, found);
      for (const { module } of found) {
        const nodes = this.#nodesOf.get(module);
        if (nodes) nodes.push(node);
        else this.#nodesOf.set(module, [node]);
      }
    }
  }

  run(): void {
    const modulesOf = (node: FdtNode) => this.#found.get(node)!.map(({ module }) => module);
    for (const node of usbControllers(this.#fdt, this.#enabled, modulesOf)) {
      this.controllers.push(node.path);
      this.#visit(node, "usb");
    }
    for (let node = this.#queue.shift(); node; node = this.#queue.shift()) this.#follow(node);
  }

  /** Takes a device in: its modules, or that it has none. The root and disabled nodes are left out. */
  #visit(node: FdtNode, by: string, from?: string): void {
    const device = deviceOf(node);
    if (!device || !this.#enabled.has(device) || this.#visited.has(device)) return;
    this.#visited.add(device);
    this.#queue.push(device);
    const reason: DtReason = {
      path: device.path,
      compatible: stringList(device, "compatible"),
      ...(from === undefined ? {} : { from }),
      by,
    };
    const found = this.#found.get(device)!;
    for (const { module, alias } of found) {
      const reasons = this.modules.get(module);
      if (reasons) reasons.push({ ...reason, alias });
      else this.modules.set(module, [{ ...reason, alias }]);
    }
    if (found.length === 0) this.driverless.push({ node: device, reason });
  }

  #follow(device: FdtNode): void {
    if (device.parent) this.#visit(device.parent, "parent", device.path);
    for (const node of withParts(device)) {
      for (const supplier of dtSuppliers(this.#fdt, node)) {
        this.#visit(supplier.node, supplier.property, node.path);
      }
    }
    for (const node of usbGraph(this.#fdt, device)) {
      this.#visit(node, "remote-endpoint", device.path);
    }
    for (const { module } of this.#found.get(device)!) this.#followSymbols(module);
  }

  /**
   * A driver that calls another one (the shared memory of a SoC, its firmware interface) waits for that
   * one's device, to which no property need point.
   */
  #followSymbols(module: string): void {
    for (const needed of this.#index.modules.get(module)!.dependencies) {
      if (this.#used.has(needed)) continue;
      this.#used.add(needed);
      for (const node of this.#nodesOf.get(needed) ?? []) {
        this.#visit(node, "symbols", `module ${module}`);
      }
    }
  }
}

/** The device a node is part of: itself or the nearest above it with a driver's name; not the root. */
function deviceOf(node: FdtNode): FdtNode | undefined {
  for (let at: FdtNode | undefined = node; at?.parent; at = at.parent) {
    if (at.properties.has("compatible")) return at;
  }
  return undefined;
}

/** A device and the nodes below it that are no devices of their own: regulators, pin groups. */
function* withParts(node: FdtNode): Generator<FdtNode> {
  yield node;
  for (const child of node.children) {
    if (!child.properties.has("compatible")) yield* withParts(child);
  }
}
