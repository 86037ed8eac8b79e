/** The nodes of a device tree that can make the phone a USB device. */
import type { Fdt, FdtNode } from "../../devicetree/fdt.ts";
import { stringList } from "../../devicetree/string_list.ts";

/** Modules that register a USB device controller or that wrap one (drivers/usb). */
const UDC_MODULES =
  /^(dwc3|dwc2|ci_hdrc|mtu3|cdns3|cdnsp|tegra_xudc|renesas_usb|sunxi$|musb_|omap2430$|jz4740$|(.*_)?udc$|bdc$|isp1760$)/;
/** The same by `compatible`, for drivers that are part of the kernel. */
const UDC_COMPATIBLE =
  /^(snps,(dwc2|dwc3|hsotg)|synopsys,dwc3|chipidea,usb|qcom,ci-hdrc|.*(-musb|,mtu3|-hsotg|-hsudc|-udc|-xudc|-usb-otg|usb3-peri)|cdns,usb3|brcm,bdc)$/;

/**
 * Enabled controllers that may take the device's role: `dr_mode` says peripheral or otg, or host with a
 * `usb-role-switch`, or nothing where the kind of controller can be both (the binding's default is otg).
 *
 * Source: Documentation/devicetree/bindings/usb/usb-drd.yaml.
 *
 * @param modulesOf names of the modules that drive a node.
 */
export function usbControllers(
  fdt: Fdt,
  enabled: ReadonlySet<FdtNode>,
  modulesOf: (node: FdtNode) => readonly string[],
): FdtNode[] {
  return fdt.nodes.filter((node) => {
    const compatible = stringList(node, "compatible");
    if (compatible.length === 0 || !enabled.has(node)) return false;
    const [mode] = stringList(node, "dr_mode");
    if (mode === "peripheral" || mode === "otg") return true;
    if (mode !== undefined) return node.properties.has("usb-role-switch");
    if (compatible.some((name) => UDC_COMPATIBLE.test(name))) return true;
    // A wrapper around a controller with a node of its own is found through that one.
    const wraps = node.children.some((child) => child.properties.has("compatible"));
    return !wraps && modulesOf(node).some((name) => UDC_MODULES.test(name));
  });
}
