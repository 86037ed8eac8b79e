/**
 * OP_REQ_IMPORT: takes a device over from a USB/IP server.
 *
 * After a detach the kernel's stub resets the device and answers "busy" for 150 to 280 ms, so busy is
 * asked again, with growing pauses, for about three seconds.
 */
import { FastboopError } from "../../errors/errors.ts";
import { pause } from "../pause.ts";
import { type ByteStream, readExactly, writeAll } from "./byte_stream.ts";
import {
  DEVICE_RECORD_BYTES,
  type DeviceRecord,
  encodeImportRequest,
  OP_HEADER_BYTES,
  parseDeviceRecord,
  parseOpReply,
  ST_DEV_BUSY,
  ST_DEV_ERR,
  ST_NA,
  ST_NODEV,
  ST_OK,
} from "./op_wire.ts";

const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 400;
const BUSY_BUDGET_MS = 3000;

/** An imported device: from here on the stream carries its URBs. */
export interface Import {
  stream: ByteStream;
  record: DeviceRecord;
}

/**
 * Imports `busId` over connections that `connect` makes, one per try.
 *
 * @throws {FastboopError} `device` (busy all the time, or in error), `lost` (no such device any more,
 * or the server went away), `corrupt`; `cancelled` by the signal.
 */
export async function importDevice(
  busId: string,
  connect: () => Promise<ByteStream>,
  context: { action: string; signal: AbortSignal; busyBudgetMs?: number | undefined },
): Promise<Import> {
  const { action, signal } = context;
  const endMs = performance.now() + (context.busyBudgetMs ?? BUSY_BUDGET_MS);
  for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const stream = await connect();
    const close = () => stream.close();
    signal.addEventListener("abort", close);
    let record: DeviceRecord | number;
    try {
      if (signal.aborted) close();
      record = await tryImport(stream, busId, action);
      if (typeof record !== "number") return { stream, record };
    } catch (error) {
      stream.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", close);
    }
    stream.close();
    // Old servers say "not available" for every reason, being busy included.
    const mayPass = record === ST_DEV_BUSY || record === ST_NA;
    if (!mayPass || performance.now() + pauseMs > endMs) throw refusal(action, record);
    await pause(pauseMs, action, signal);
  }
}

async function tryImport(
  stream: ByteStream,
  busId: string,
  action: string,
): Promise<DeviceRecord | number> {
  await writeAll(stream, encodeImportRequest(busId));
  const head = new Uint8Array(OP_HEADER_BYTES);
  if (!await readExactly(stream, head)) throw ended(action);
  const reply = parseOpReply(head, "import");
  if (typeof reply === "string") throw corrupt(action, reply);
  if (reply.status !== ST_OK) return reply.status;
  const bytes = new Uint8Array(DEVICE_RECORD_BYTES);
  if (!await readExactly(stream, bytes)) throw ended(action);
  const record = parseDeviceRecord(bytes);
  if (typeof record === "string") throw corrupt(action, record);
  if (record.busId !== busId) throw corrupt(action, `it answers for device "${record.busId}"`);
  return record;
}

function refusal(action: string, status: number): FastboopError {
  if (status === ST_NODEV) {
    return new FastboopError({ kind: "lost", action, state: "the device is not there any more" });
  }
  if (status === ST_DEV_ERR) {
    return new FastboopError({
      kind: "device",
      action,
      state: "the server's driver gave the device up after an error",
      hint: "Plug it in again, or bind it again on the server.",
    });
  }
  return new FastboopError({
    kind: "device",
    action,
    state: `the server says it is in use (status ${status})`,
    hint: "Another USB/IP client holds it: detach it there (usbip port, usbip detach).",
  });
}

function ended(action: string): FastboopError {
  return new FastboopError({ kind: "lost", action, state: "the server ended the connection" });
}

function corrupt(action: string, state: string): FastboopError {
  return new FastboopError({
    kind: "corrupt",
    action,
    state: `the answer is not USB/IP: ${state}`,
  });
}
