/** OP_REQ_DEVLIST: what a USB/IP server exports. Bounded, since the server is not trusted. */
import { FastboopError } from "../../errors/errors.ts";
import { type ByteStream, readExactly, writeAll } from "./byte_stream.ts";
import {
  DEVICE_RECORD_BYTES,
  type DeviceRecord,
  encodeDevlistRequest,
  INTERFACE_RECORD_BYTES,
  MAX_LISTED_DEVICES,
  OP_HEADER_BYTES,
  parseDeviceRecord,
  parseOpReply,
  ST_OK,
} from "./op_wire.ts";

/**
 * Asks for the list on a fresh connection, which serves nothing else.
 *
 * @returns undefined when the server ends the connection before the list is whole: it is not up yet.
 * @throws {FastboopError} `corrupt` for anything that is no list, `limit` for one that is too long.
 */
export async function readDeviceList(
  stream: ByteStream,
  action: string,
): Promise<DeviceRecord[] | undefined> {
  await writeAll(stream, encodeDevlistRequest());
  const head = new Uint8Array(OP_HEADER_BYTES + 4);
  if (!await readExactly(stream, head.subarray(0, OP_HEADER_BYTES))) return undefined;
  const reply = parseOpReply(head, "devlist");
  if (typeof reply === "string") throw corrupt(action, reply);
  if (reply.status !== ST_OK) throw corrupt(action, `status is ${reply.status}, must be 0`);
  if (!await readExactly(stream, head.subarray(OP_HEADER_BYTES))) return undefined;
  const count = new DataView(head.buffer).getUint32(OP_HEADER_BYTES);
  if (count > MAX_LISTED_DEVICES) {
    throw new FastboopError({
      kind: "limit",
      action,
      state: `it lists ${count} devices, more than ${MAX_LISTED_DEVICES}`,
    });
  }
  const records: DeviceRecord[] = [];
  const bytes = new Uint8Array(DEVICE_RECORD_BYTES);
  const interfaces = new Uint8Array(255 * INTERFACE_RECORD_BYTES);
  for (let i = 0; i < count; i++) {
    if (!await readExactly(stream, bytes)) return undefined;
    const record = parseDeviceRecord(bytes);
    if (typeof record === "string") throw corrupt(action, record);
    const tail = interfaces.subarray(0, record.interfaceCount * INTERFACE_RECORD_BYTES);
    if (!await readExactly(stream, tail)) return undefined;
    records.push(record);
  }
  return records;
}

function corrupt(action: string, state: string): FastboopError {
  return new FastboopError({
    kind: "corrupt",
    action,
    state: `the answer is not USB/IP: ${state}`,
    hint: "Check that the address is that of a USB/IP server (usbipd, protocol 1.1.1).",
  });
}
