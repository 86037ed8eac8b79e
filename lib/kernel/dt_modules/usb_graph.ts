/**
 * The links between a USB controller, its PHYs, its connector and what switches them (Type-C): pairs of
 * endpoints in `ports`. Source: Documentation/devicetree/bindings/graph.txt and
 * bindings/connector/usb-connector.yaml.
 */
import { cells } from "../../devicetree/cells.ts";
import type { Fdt, FdtNode } from "../../devicetree/fdt.ts";
import { stringList } from "../../devicetree/string_list.ts";

/** Marks of a device that belongs to USB, and not to the display a PHY may serve as well. */
const SWITCHES = ["usb-role-switch", "orientation-switch", "mode-switch", "retimer-switch"];
const USB_NAME = /usb|dwc3|typec|type-c|tcpm|tcpc|musb|otg/;

/** Devices at the far ends of a device's endpoints, only those that belong to USB. */
export function usbGraph(fdt: Fdt, device: FdtNode): FdtNode[] {
  if (!belongsToUsb(device)) return [];
  const found: FdtNode[] = [];
  for (const holder of device.children) {
    if (!/^ports?(@|$)/.test(holder.name)) continue;
    const ports = holder.name.startsWith("ports") ? holder.children : [holder];
    for (const endpoint of ports.flatMap(({ children }) => children)) {
      const [phandle] = cells(endpoint, "remote-endpoint");
      const remote = phandle === undefined ? undefined : fdt.byPhandle.get(phandle);
      const owner = remote && portOwner(remote);
      if (owner && belongsToUsb(owner)) found.push(owner);
    }
  }
  return found;
}

/** The device an endpoint belongs to: the first above it that is neither `port` nor `ports`. */
function portOwner(endpoint: FdtNode): FdtNode | undefined {
  let at = endpoint.parent;
  while (at && /^ports?(@|$)/.test(at.name)) at = at.parent;
  return at;
}

function belongsToUsb(node: FdtNode): boolean {
  return SWITCHES.some((name) => node.properties.has(name)) || USB_NAME.test(node.name) ||
    stringList(node, "compatible").some((name) => USB_NAME.test(name));
}
