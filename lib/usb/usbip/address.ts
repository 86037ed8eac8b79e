/**
 * The address of a USB/IP server: `usbip://HOST[:PORT][/BUSID]`, IPv6 hosts in brackets.
 *
 * The port is 3240 unless given (IANA name "usbip"). A bus id is what the server's own listing calls
 * the device, `1-2.3` or `usbip-vudc.0`: at most 31 bytes, since its field holds 32 with a NUL
 * (linux/tools/usb/usbip/libsrc/usbip_common.h, SYSFS_BUS_ID_SIZE). Pure text: nothing is looked up.
 */
import { FastboopError } from "../../errors/errors.ts";
import { printable } from "../../bytes/printable.ts";

export const USBIP_PORT = 3240;

/** Where a USB/IP server listens, and which of its devices is meant. */
export interface UsbIpAddress {
  readonly hostname: string;
  readonly port: number;
  /** Absent: every device the server shows. */
  readonly busId?: string;
}

const SHAPE = /^usbip:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?(?:\/(.*))?$/;
const BUS_ID = /^[A-Za-z0-9._-]{1,31}$/;

/**
 * Reads an address.
 *
 * @throws {FastboopError} `usage` when it has another form, the port is not 1 to 65535 or the bus id
 * could not be one.
 */
export function parseUsbIpAddress(text: string): UsbIpAddress {
  const match = SHAPE.exec(text);
  if (match === null) throw refuse(text, "it is not of the form usbip://HOST[:PORT][/BUSID]");
  const hostname = match[1] ?? match[2] ?? "";
  const port = match[3] === undefined ? USBIP_PORT : Number(match[3]);
  if (port < 1 || port > 65535) throw refuse(text, `port ${port} is not between 1 and 65535`);
  const busId = match[4];
  if (busId === undefined || busId === "") return { hostname, port };
  if (!BUS_ID.test(busId)) {
    throw refuse(text, "the bus id must be 1 to 31 letters, digits, dots, dashes or underscores");
  }
  return { hostname, port, busId };
}

/** The text of an address; always with the port, so that equal places have equal texts. */
export function formatUsbIpAddress(address: UsbIpAddress): string {
  const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  const busId = address.busId === undefined ? "" : `/${address.busId}`;
  return `usbip://${host}:${address.port}${busId}`;
}

function refuse(text: string, state: string): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: `Read USB/IP address "${printable(text)}"`,
    state,
    hint: "Write it like usbip://127.0.0.1:3240/1-1.",
  });
}
