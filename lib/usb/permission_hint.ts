/** How a Linux user gets access to a USB device: one udev rule, for the person at the screen. */

/**
 * The rule. `uaccess` gives the device to whoever is logged in at the machine (systemd-logind); it is
 * evaluated by 73-seat-late.rules, so the file's name must sort before that.
 */
function udevRule(vendorId: number, productId: number): string {
  return `SUBSYSTEM=="usb", ATTR{idVendor}=="${hex(vendorId)}", ` +
    `ATTR{idProduct}=="${hex(productId)}", TAG+="uaccess"`;
}

const UDEV_RULE_PATH = "/etc/udev/rules.d/70-fastboop.rules";
const UDEV_RELOAD = "udevadm control --reload";

/** The hint of a `permission` error; several lines. */
export function permissionHint(device?: { vendorId: number; productId: number }): string {
  if (device === undefined) return "Allow this user to use USB devices (udev rule, group).";
  return [
    `Have this udev rule installed for ${hex(device.vendorId)}:${hex(device.productId)}:`,
    udevRule(device.vendorId, device.productId),
    `in ${UDEV_RULE_PATH}, then "${UDEV_RELOAD}", and plug the phone in again.`,
  ].join("\n");
}

function hex(id: number): string {
  return id.toString(16).padStart(4, "0");
}
