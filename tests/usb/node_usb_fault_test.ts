import assert from "node:assert/strict";
import { classifyNodeUsb, type NodeUsbFault, nodeUsbFault } from "../../lib/usb/node_usb_fault.ts";
import { renderError } from "../../lib/errors/render.ts";

/** Texts as node-usb-rs 3.1.0 forms them from nusb 0.2's, on Linux, macOS and Windows. */
const TEXTS: [string, NodeUsbFault][] = [
  ["open error: permission denied (errno 13)", "permission"],
  ["open error: permission denied (errno 1)", "permission"],
  ["getDevices error: /sys/bus/usb/devices/ permission denied (errno 13)", "permission"],
  ["getDevices error: /sys/bus/usb/devices/ not found (errno 2)", "no-usb"],
  ["open error: device not found (errno 2)", "gone"],
  ["open error: failed to open device (errno 19)", "gone"],
  ["open error: not found by registry id", "gone"],
  ["claimInterface error: device disconnected (errno 19)", "gone"],
  ["claimInterface error: interface is busy (errno 16)", "busy"],
  [
    "claimInterface error: could not open interface for exclusive access (error 0xe00002c5)",
    "busy",
  ],
  ["claimInterface error: interface is already claimed", "busy"],
  ["selectConfiguration error: device is busy (errno 16)", "busy"],
  [
    "selectConfiguration error: cannot perform this operation while interfaces are claimed",
    "busy",
  ],
  ["claimInterface error: incompatible driver is installed for this interface", "driver"],
  ["open error: could not determine driver for interface", "driver"],
  ["selectConfiguration error: set_configuration not supported by WinUSB", "driver"],
  ["claimInterface error: interface not found (errno 22)", "broken"],
  ["claimInterface error: invalid state", "gone"],
  ["controlTransferIn error: endpoint stalled", "stall"],
  ["controlTransferIn error: transfer was cancelled", "timeout"],
  ["controlTransferIn error: device disconnected", "gone"],
  ["controlTransferOut error: hardware fault or protocol violation", "broken"],
  ["controlTransferOut error: invalid or unsupported argument", "broken"],
  ["controlTransferOut error: unknown (errno 110)", "broken"],
  ["controlTransferIn error: invalid state", "gone"],
  ["transferIn error: Stall", "stall"],
  ["transferIn error: Cancelled", "timeout"],
  ["transferIn error: Disconnected", "gone"],
  ["transferOut error: Fault", "broken"],
  ["transferOut error: InvalidArgument", "broken"],
  ["transferOut error: Unknown(12)", "broken"],
  ["transferIn error: endpoint not found", "broken"],
  ["blocking task error: task was cancelled", "broken"],
];

const KINDS = {
  permission: "permission",
  "no-usb": "unsupported",
  driver: "unsupported",
  gone: "lost",
  busy: "device",
  broken: "lost",
  stall: "refused",
  timeout: "lost",
} as const;

Deno.test("classifyNodeUsb() and nodeUsbFault() know every text of the addon", () => {
  for (const [text, fault] of TEXTS) {
    assert.equal(classifyNodeUsb(new Error(text)), fault, text);
    assert.equal(classifyNodeUsb(text), fault, "thrown as a plain string");
    const error = nodeUsbFault("Open USB device 1-1", new Error(text));
    assert.equal(error.kind, KINDS[fault], text);
    assert.match(error.state, /\(.+ error: .+\)$/, "the addon's own text is kept");
  }
});

Deno.test("nodeUsbFault() says how to get permission, and never suggests root", () => {
  const cause = new Error("open error: permission denied (errno 13)");
  const error = nodeUsbFault("Open USB device 1-1", cause, { vendorId: 0x18d1, productId: 0xd00d });
  assert.deepEqual(error.hint?.split("\n"), [
    "Have this udev rule installed for 18d1:d00d:",
    'SUBSYSTEM=="usb", ATTR{idVendor}=="18d1", ATTR{idProduct}=="d00d", TAG+="uaccess"',
    'in /etc/udev/rules.d/70-fastboop.rules, then "udevadm control --reload", and plug the phone in again.',
  ]);
  assert.doesNotMatch(renderError(error).join("\n"), /\broot\b|sudo/i);
});

Deno.test("nodeUsbFault() names who may hold a busy device", () => {
  const error = nodeUsbFault(
    "Open",
    new Error("claimInterface error: interface is busy (errno 16)"),
  );
  for (const holder of [/fastboot/, /adb/, /browser tab/, /fwupd/]) {
    assert.match(error.hint ?? "", holder);
  }
});
