/**
 * What npm:usb's errors mean. It rejects with texts, not codes, so they are sorted here and nowhere else.
 *
 * Source: node-usb/node-usb-rs src/webusb_device.rs ("<call> error: <text>") and kevinmehall/nusb
 * src/transfer/mod.rs and src/platform/*: control transfers carry the Display text ("endpoint stalled"),
 * bulk and interrupt transfers the Debug name ("Stall").
 */
import { printable } from "../bytes/printable.ts";
import { type ErrorKind, FastboopError } from "../errors/errors.ts";
import { permissionHint } from "./permission_hint.ts";

export type NodeUsbFault =
  | "stall"
  | "timeout"
  | "gone"
  | "permission"
  | "busy"
  | "no-usb"
  | "driver"
  | "broken";

const PATTERNS: [RegExp, NodeUsbFault][] = [
  [/\/sys\/bus\/usb\/devices\/ not found/, "no-usb"],
  [/permission denied|access denied|\berrno (1|13)\b/i, "permission"],
  [/not supported|incompatible driver|could not determine driver/i, "driver"],
  [/endpoint stalled|error: Stall$/, "stall"],
  [/transfer was cancelled|error: Cancelled$/, "timeout"],
  [
    /disconnected|device not found|not found by registry id|invalid state|\berrno (19|108)\b/i,
    "gone",
  ],
  [
    /is busy|in use|already claimed|exclusive access|interfaces are claimed|driver already attached|\berrno 16\b/i,
    "busy",
  ],
];

const BUSY_HINT =
  "Something else holds the phone: another fastboot, adb or fastboop, a browser tab with " +
  "WebUSB, or fwupd (systemctl stop fwupd). Close it and try again.";

/** Sorts an error of npm:usb by its text; what is unknown is `broken`. */
export function classifyNodeUsb(error: unknown): NodeUsbFault {
  const text = textOf(error);
  return PATTERNS.find(([pattern]) => pattern.test(text))?.[1] ?? "broken";
}

/** The FastboopError for an error of npm:usb. `device` words the permission hint. */
export function nodeUsbFault(
  action: string,
  error: unknown,
  device?: { vendorId: number; productId: number },
): FastboopError {
  if (error instanceof FastboopError) return error;
  const fault = classifyNodeUsb(error);
  const { kind, state, hint } = meaning(fault, device);
  return new FastboopError({
    kind,
    action,
    state: `${state} (${printable(textOf(error)).slice(0, 200)})`,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

function meaning(
  fault: NodeUsbFault,
  device?: { vendorId: number; productId: number },
): { kind: ErrorKind; state: string; hint?: string } {
  switch (fault) {
    case "stall":
      return { kind: "refused", state: "the device refused it (stall)" };
    case "timeout":
      return { kind: "lost", state: "the device did not answer in time" };
    case "gone":
      return { kind: "lost", state: "the device was unplugged" };
    case "permission":
      return {
        kind: "permission",
        state: "this user may not open the device",
        hint: permissionHint(device),
      };
    case "busy":
      return { kind: "device", state: "it is in use", hint: BUSY_HINT };
    case "no-usb":
      return {
        kind: "unsupported",
        state: "this system shows no USB: there is no /sys/bus/usb",
        hint:
          "In a container, pass the USB bus in, or use a phone on another machine: --usb usbip://HOST",
      };
    case "driver":
      return {
        kind: "unsupported",
        state: "the operating system's driver for the device does not allow it",
        hint: "On Windows, install the WinUSB driver for the device (Zadig).",
      };
    case "broken":
      return { kind: "lost", state: "the USB transfer failed" };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
