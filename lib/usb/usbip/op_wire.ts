/**
 * USB/IP's discovery and import messages, v1.1.1, as bytes. Pure: no I/O.
 *
 * Source: linux/Documentation/usb/usbip_protocol.rst and linux/tools/usb/usbip/src/usbip_network.h.
 * All integers are big-endian. Each exchange uses a connection of its own; after a good import the same
 * connection carries URBs (urb_wire.ts).
 *
 *   offset size  field                            OP header, 8 bytes
 *   0      2     version 0x0111
 *   2      2     code: request 0x8000 | reply 0, DEVLIST 5, IMPORT 3
 *   4      4     status
 *
 *   offset size  field                            device record, 312 bytes
 *   0      256   path on the server, NUL-padded (not used here)
 *   256    32    bus id, NUL-padded
 *   288    4+4+4 busnum, devnum, speed
 *   300    2+2+2 idVendor, idProduct, bcdDevice
 *   306    6     class, subclass, protocol, configuration value, configurations, interfaces
 */

const VERSION = 0x0111;
export const OP_HEADER_BYTES = 8;
export const DEVICE_RECORD_BYTES = 312;
/** In a listing each device record is followed by this many bytes per interface (its class triple). */
export const INTERFACE_RECORD_BYTES = 4;
/** A listing with more devices than this is refused; one root hub has at most 127 addresses. */
export const MAX_LISTED_DEVICES = 1024;

const BUS_ID_BYTES = 32;

/** Status of a reply; the names are those of usbip_common.h. */
export const ST_OK = 0;
export const ST_NA = 1;
export const ST_DEV_BUSY = 2;
export const ST_DEV_ERR = 3;
export const ST_NODEV = 4;

export type OpCode = "devlist" | "import";
const REPLY_CODES = { devlist: 0x0005, import: 0x0003 } as const;
const REQUEST = 0x8000;

/** What the server says of one device. */
export interface DeviceRecord {
  busId: string;
  busNumber: number;
  deviceNumber: number;
  /** 1 low, 2 full, 3 high, 5 super, 6 super plus (enum usb_device_speed); 0 unknown. */
  speed: number;
  vendorId: number;
  productId: number;
  /** Interface records that follow in a listing; 0 for a device that has no configuration yet. */
  interfaceCount: number;
}

/** Asks for the list of exported devices. */
export function encodeDevlistRequest(): Uint8Array<ArrayBuffer> {
  return opHeader(REQUEST | REPLY_CODES.devlist, OP_HEADER_BYTES);
}

/** Asks for one device. `busId`: at most 31 ASCII bytes, which address.ts and listings ensure. */
export function encodeImportRequest(busId: string): Uint8Array<ArrayBuffer> {
  const bytes = opHeader(REQUEST | REPLY_CODES.import, OP_HEADER_BYTES + BUS_ID_BYTES);
  new TextEncoder().encodeInto(busId, bytes.subarray(OP_HEADER_BYTES, bytes.length - 1));
  return bytes;
}

/** Reads the header of a reply: its status, or text saying why it is none. */
export function parseOpReply(bytes: Uint8Array, code: OpCode): { status: number } | string {
  const view = viewOf(bytes);
  const version = view.getUint16(0);
  if (version !== VERSION) return `version is ${hex(version)}, must be ${hex(VERSION)}`;
  const got = view.getUint16(2);
  if (got !== REPLY_CODES[code]) return `code is ${hex(got)}, must be ${hex(REPLY_CODES[code])}`;
  return { status: view.getUint32(4) };
}

/** Reads one device record, or says why it is none. */
export function parseDeviceRecord(bytes: Uint8Array): DeviceRecord | string {
  const view = viewOf(bytes);
  const field = bytes.subarray(256, 256 + BUS_ID_BYTES);
  const end = field.indexOf(0);
  if (end < 1) return "the bus id is empty or has no end";
  const busId = String.fromCharCode(...field.subarray(0, end));
  if (!/^[A-Za-z0-9._:-]+$/.test(busId)) return "the bus id has characters no bus id has";
  return {
    busId,
    busNumber: view.getUint32(288),
    deviceNumber: view.getUint32(292),
    speed: view.getUint32(296),
    vendorId: view.getUint16(300),
    productId: view.getUint16(302),
    interfaceCount: bytes[311]!,
  };
}

function opHeader(code: number, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  const view = viewOf(bytes);
  view.setUint16(0, VERSION);
  view.setUint16(2, code);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(4, "0")}`;
}
