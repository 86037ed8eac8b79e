/**
 * The server's side of USB/IP on one connection: discovery, import, then URBs. Integers are big-endian,
 * setup bytes little-endian. Source: Documentation/usb/usbip_protocol.rst of the kernel tree.
 */

/** What discovery and import say about a device. */
export interface ExportedDevice {
  busid: string;
  busNumber: number;
  deviceNumber: number;
  /** 2 full, 3 high, 5 super. */
  speed: number;
  vendorId: number;
  productId: number;
  bcdDevice: number;
  /** Class, subclass, protocol of each interface. */
  interfaces: readonly (readonly [number, number, number])[];
}

/** One request of the host. */
export interface Urb {
  sequence: number;
  isIn: boolean;
  endpoint: number;
  lengthBytes: number;
  setup: Uint8Array;
  /** OUT payload. */
  data: Uint8Array;
}

export const EPIPE = -32;
export const EOVERFLOW = -75;
export const ECONNRESET = -104;

/** Larger ones fail in the kernel's server as well. */
const MAX_URB_BYTES = 4 * 1024 * 1024;

const text = new TextEncoder();

/** Reads exact counts from a connection; undefined means that it ended. */
export class ConnectionReader {
  #buffer = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;

  constructor(private readonly connection: Deno.Conn) {}

  async read(sizeBytes: number): Promise<Uint8Array | undefined> {
    const into = new Uint8Array(sizeBytes);
    let filled = 0;
    while (filled < sizeBytes) {
      if (this.#start === this.#end) {
        const length = await this.connection.read(this.#buffer).catch(() => null);
        if (length === null) return undefined;
        this.#start = 0;
        this.#end = length;
      }
      const piece = this.#buffer.subarray(this.#start, this.#end).subarray(0, sizeBytes - filled);
      into.set(piece, filled);
      filled += piece.length;
      this.#start += piece.length;
    }
    return into;
  }
}

/** Writes all of `bytes`; false when the connection ended. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
    return true;
  } catch {
    return false;
  }
}

function encodeRecord(device: ExportedDevice, withInterfaces: boolean): Uint8Array {
  const record = new Uint8Array(312 + (withInterfaces ? 4 * device.interfaces.length : 0));
  const view = new DataView(record.buffer);
  record.set(text.encode(`/sys/devices/lab/${device.busid}`));
  record.set(text.encode(device.busid), 256);
  view.setUint32(288, device.busNumber);
  view.setUint32(292, device.deviceNumber);
  view.setUint32(296, device.speed);
  view.setUint16(300, device.vendorId);
  view.setUint16(302, device.productId);
  view.setUint16(304, device.bcdDevice);
  record[310] = 1;
  record[311] = device.interfaces.length;
  if (withInterfaces) device.interfaces.forEach((triple, i) => record.set(triple, 312 + 4 * i));
  return record;
}

/** Status of OP_REP_IMPORT, as the kernel's usbipd gives it. */
const IMPORTED = 0;
const DEVICE_BUSY = 2;
const NO_SUCH_DEVICE = 4;

/**
 * Answers discovery, or an import.
 *
 * @param device undefined when none is plugged in.
 * @param isBusy when another connection has it.
 * @returns true when the device was imported and URBs follow on this connection.
 */
export async function answerOperation(
  connection: Deno.Conn,
  reader: ConnectionReader,
  device: ExportedDevice | undefined,
  isBusy = false,
): Promise<boolean> {
  const request = await reader.read(8);
  if (!request || request[0] !== 1 || request[1] !== 0x11 || request[2] !== 0x80) return false;
  if (request[3] === 5) {
    const head = [1, 0x11, 0, 5, 0, 0, 0, 0, 0, 0, 0, device ? 1 : 0];
    const record = device ? encodeRecord(device, true) : [];
    await writeAll(connection, new Uint8Array([...head, ...record]));
    return false;
  }
  if (request[3] !== 3) return false;
  const wanted = await reader.read(32);
  if (!wanted) return false;
  const busid = new TextDecoder().decode(wanted).replace(/\0.*$/s, "");
  const isThere = device !== undefined && busid === device.busid;
  const status = !isThere ? NO_SUCH_DEVICE : isBusy ? DEVICE_BUSY : IMPORTED;
  const head = [1, 0x11, 0, 3, 0, 0, 0, status];
  const record = status === IMPORTED ? encodeRecord(device!, false) : [];
  const isWritten = await writeAll(connection, new Uint8Array([...head, ...record]));
  return isWritten && status === IMPORTED;
}

/** Reads the next request: an URB, or the sequence number to take back. Undefined at the end. */
export async function readRequest(
  reader: ConnectionReader,
): Promise<{ urb: Urb } | { unlink: number; sequence: number } | undefined> {
  const header = await reader.read(48);
  if (!header) return undefined;
  const view = new DataView(header.buffer);
  const sequence = view.getUint32(4);
  if (view.getUint32(0) === 2) return { unlink: view.getUint32(20), sequence };
  if (view.getUint32(0) !== 1) return undefined;
  const isIn = view.getUint32(12) === 1;
  const lengthBytes = view.getUint32(24);
  if (lengthBytes > MAX_URB_BYTES) return undefined;
  const data = isIn ? new Uint8Array() : await reader.read(lengthBytes);
  if (!data) return undefined;
  const setup = header.subarray(40, 48);
  return { urb: { sequence, isIn, endpoint: view.getUint32(16), lengthBytes, setup, data } };
}

/** RET_SUBMIT: `data` for IN, the accepted length for OUT. */
export function encodeReturn(
  sequence: number,
  status: number,
  actualBytes: number,
  data: Uint8Array = new Uint8Array(),
): Uint8Array {
  const reply = new Uint8Array(48 + data.length);
  const view = new DataView(reply.buffer);
  view.setUint32(0, 3);
  view.setUint32(4, sequence);
  view.setInt32(20, status);
  view.setUint32(24, actualBytes);
  view.setInt32(32, -1);
  reply.set(data, 48);
  return reply;
}

/** RET_UNLINK. */
export function encodeUnlinkReturn(sequence: number, status: number): Uint8Array {
  const reply = new Uint8Array(48);
  const view = new DataView(reply.buffer);
  view.setUint32(0, 4);
  view.setUint32(4, sequence);
  view.setInt32(20, status);
  return reply;
}
