/**
 * What a device tree node needs before its driver can work: the nodes its properties point at.
 *
 * The properties are those for which the kernel itself holds a device back until its supplier is there
 * (drivers/of/property.c, of_supplier_bindings), without those of displays and lights, and with a few that
 * drivers look up by themselves.
 */
import { cells } from "../../devicetree/cells.ts";
import type { Fdt, FdtNode } from "../../devicetree/fdt.ts";

/** A node that another one points at, and by which of its properties. */
export interface DtSupplier {
  readonly node: FdtNode;
  readonly property: string;
}

/** Property -> the property of its target that tells how many cells follow a phandle; "" for none. */
const BY_NAME: Readonly<Record<string, string>> = {
  "access-controllers": "#access-controller-cells",
  "clocks": "#clock-cells",
  "dmas": "#dma-cells",
  "extcon": "",
  "hwlocks": "#hwlock-cells",
  "interconnects": "#interconnect-cells",
  "interrupts-extended": "#interrupt-cells",
  "io-channels": "#io-channel-cells",
  "iommus": "#iommu-cells",
  "mboxes": "#mbox-cells",
  "nvmem-cells": "#nvmem-cell-cells",
  "phys": "#phy-cells",
  "power-domains": "#power-domain-cells",
  "pwms": "#pwm-cells",
  "resets": "#reset-cells",
  "usb-phy": "",
  // The driver looks it up (drivers/interconnect/qcom/icc-rpmh.c).
  "qcom,bcm-voters": "",
};
const PINCTRL = /^pinctrl-[0-8]$/;
const SUPPLY = /.-supply$/;
const GPIO = /(^|-)gpios?$/;

/** Suppliers of one node by its own properties, in their order; none for what points nowhere. */
export function dtSuppliers(fdt: Fdt, node: FdtNode): DtSupplier[] {
  const found: DtSupplier[] = [];
  for (const property of node.properties.keys()) {
    if (property === "interrupts") {
      const parent = interruptParent(fdt, node);
      if (parent) found.push({ node: parent, property });
      continue;
    }
    const cellsName = cellsNameOf(node, property);
    if (cellsName === undefined) continue;
    for (const target of new Set(phandleTargets(fdt, cells(node, property), cellsName))) {
      if (property === "clocks" && feedsBack(fdt, node, target)) continue;
      found.push({ node: target, property });
    }
  }
  return found;
}

/**
 * A clock controller may list what PHYs and display links give back to it, made from its own clocks. It
 * works without them: the kernel takes clocks whose parent is not there yet, and breaks such cycles.
 */
function feedsBack(fdt: Fdt, node: FdtNode, target: FdtNode): boolean {
  return node.properties.has("#clock-cells") &&
    phandleTargets(fdt, cells(target, "clocks"), "#clock-cells").includes(node);
}

function cellsNameOf(node: FdtNode, property: string): string | undefined {
  if (Object.hasOwn(BY_NAME, property)) return BY_NAME[property];
  if (PINCTRL.test(property) || SUPPLY.test(property)) return "";
  if (!GPIO.test(property) || property.endsWith(",nr-gpios")) return undefined;
  return node.properties.has("gpio-hog") ? undefined : "#gpio-cells";
}

/** Targets of `<&a 1 2 &b ...>`. A phandle of 0 is a hole; behind an unknown one nothing can be told. */
function phandleTargets(fdt: Fdt, list: readonly number[], cellsName: string): FdtNode[] {
  const found: FdtNode[] = [];
  for (let i = 0; i < list.length; i++) {
    if (list[i] === 0) continue;
    const target = fdt.byPhandle.get(list[i]!);
    if (target === undefined) break;
    found.push(target);
    if (cellsName !== "") i += cells(target, cellsName)[0] ?? 0;
  }
  return found;
}

/** The node's own `interrupt-parent`, or the nearest one above, or the nearest controller above. */
function interruptParent(fdt: Fdt, node: FdtNode): FdtNode | undefined {
  for (let at: FdtNode | undefined = node; at; at = at.parent) {
    const [phandle] = cells(at, "interrupt-parent");
    if (phandle !== undefined) return fdt.byPhandle.get(phandle);
    if (at !== node && at.properties.has("interrupt-controller")) return at;
  }
  return undefined;
}
