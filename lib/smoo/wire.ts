/**
 * The smoo messages, byte by byte; pure, no I/O. Everything is little-endian.
 *
 * Control requests of the interface (wValue 0, wIndex = interface number):
 *
 *     name            bmRequestType bRequest  data
 *     IDENT           0xc1 vendor   1         8 bytes in
 *     CONFIG_EXPORTS  0x41 vendor   2         8 + 24 n bytes out
 *     STATUS          0xa1 class    3         16 bytes in; also the heartbeat
 *
 * Decoders of what the phone sends are strict: a wrong length or opcode means that the two ends no
 * longer agree where a message begins, so it is `corrupt` and the session ends. STATUS is a class
 * request although every other one is vendor: gadgets in the field compare the whole byte.
 *
 * Source: smoo, docs/PROTOCOL.md and crates/smoo-proto.
 */
import { FastboopError } from "../errors/errors.ts";

export const IDENT_REQUEST = { requestType: 0xc1, request: 1 } as const;
export const CONFIG_EXPORTS_REQUEST = { requestType: 0x41, request: 2 } as const;
export const STATUS_REQUEST = { requestType: 0xa1, request: 3 } as const;

export const IDENT_BYTES = 8;
export const STATUS_BYTES = 16;
export const MESSAGE_BYTES = 28;
export const MAX_EXPORTS = 32;

const CONFIG_HEADER_BYTES = 8;
const CONFIG_ENTRY_BYTES = 24;
/** "SMOO" as a little-endian word. */
const MAGIC = 0x4f4f4d53;

export const OP_READ = 0;
export const OP_WRITE = 1;
export const OP_FLUSH = 2;
export const OP_DISCARD = 3;

/** Version of the protocol the gadget speaks. */
export interface Ident {
  major: number;
  minor: number;
}

/** One entry of CONFIG_EXPORTS. */
export interface ExportEntry {
  id: number;
  blockSizeBytes: number;
  /** A multiple of the block size. */
  sizeBytes: number;
}

/** The last CONFIG_EXPORTS was refused, or one of its disks failed (stage0/README.md). */
export const STATUS_REFUSED = 2;

/** Heartbeat answer. */
export interface Status {
  /** Bit 0: at least one export is online. Our gadget also sets {@link STATUS_REFUSED}. */
  flags: number;
  /** Exports whose disk is usable on the phone. */
  exportCount: number;
  /** Random, non-zero, one per start of the gadget. */
  sessionId: bigint;
}

/** Gadget to host, 28 bytes on interrupt IN. */
export interface Request {
  op: number;
  /** (queue << 16) | tag; 0 is legal and a replay repeats it. */
  requestId: number;
  exportId: number;
  /** In blocks of the export. */
  lba: bigint;
  numBlocks: number;
  /** Generation the gadget stamps, echoed in the Response; 0 from gadgets that do not. */
  flags: number;
}

/** Host to gadget, 28 bytes on interrupt OUT: the Request's fields and a status. */
export interface Response extends Request {
  /** 0, or a positive errno below 256. */
  status: number;
}

/** @throws {FastboopError} `corrupt` for a wrong length or magic. */
export function decodeIdent(bytes: Uint8Array): Ident {
  const view = viewOf(bytes, IDENT_BYTES, "Read the smoo IDENT");
  const magic = view.getUint32(0, true);
  if (magic !== MAGIC) {
    throw corrupt("Read the smoo IDENT", `magic is ${hex32(magic)}, must be ${hex32(MAGIC)}`);
  }
  return { major: view.getUint16(4, true), minor: view.getUint16(6, true) };
}

export function encodeIdent(ident: Ident): Uint8Array<ArrayBuffer> {
  const { bytes, view } = blank(IDENT_BYTES);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, ident.major, true);
  view.setUint16(6, ident.minor, true);
  return bytes;
}

/** The whole list of exports, which replaces what the gadget had. */
export function encodeConfigExports(entries: readonly ExportEntry[]): Uint8Array<ArrayBuffer> {
  const { bytes, view } = blank(CONFIG_HEADER_BYTES + CONFIG_ENTRY_BYTES * entries.length);
  view.setUint16(2, entries.length, true);
  entries.forEach((entry, index) => {
    const at = CONFIG_HEADER_BYTES + CONFIG_ENTRY_BYTES * index;
    view.setUint32(at, entry.id, true);
    view.setUint32(at + 4, entry.blockSizeBytes, true);
    view.setBigUint64(at + 8, BigInt(entry.sizeBytes), true);
  });
  return bytes;
}

/** The gadget's side of CONFIG_EXPORTS: @throws {FastboopError} `corrupt`, `limit`. */
export function decodeConfigExports(bytes: Uint8Array): ExportEntry[] {
  const action = "Read CONFIG_EXPORTS";
  if (bytes.length < CONFIG_HEADER_BYTES) throw corrupt(action, `${bytes.length} bytes, too few`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint16(2, true);
  if (view.getUint16(0, true) !== 0) throw corrupt(action, "version is not 0");
  if (view.getUint32(4, true) !== 0) throw corrupt(action, "flags are not 0");
  if (count > MAX_EXPORTS) {
    throw new FastboopError({ kind: "limit", action, state: `${count} exports, at most 32` });
  }
  const expectedBytes = CONFIG_HEADER_BYTES + CONFIG_ENTRY_BYTES * count;
  if (bytes.length !== expectedBytes) {
    throw corrupt(action, `${bytes.length} bytes, must be ${expectedBytes}`);
  }
  return Array.from({ length: count }, (_, index) => decodeExportEntry(view, index, action));
}

function decodeExportEntry(view: DataView, index: number, action: string): ExportEntry {
  const at = CONFIG_HEADER_BYTES + CONFIG_ENTRY_BYTES * index;
  const id = view.getUint32(at, true);
  const blockSizeBytes = view.getUint32(at + 4, true);
  const sizeBytes = Number(view.getBigUint64(at + 8, true));
  const isPowerOfTwo = (blockSizeBytes & (blockSizeBytes - 1)) === 0;
  if (id === 0) throw corrupt(action, `entry ${index} has id 0`);
  if (!isPowerOfTwo || blockSizeBytes < 512 || blockSizeBytes > 65536) {
    throw corrupt(action, `entry ${index} has block size ${blockSizeBytes}`);
  }
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes % blockSizeBytes !== 0) {
    throw corrupt(action, `entry ${index} has size ${sizeBytes}`);
  }
  return { id, blockSizeBytes, sizeBytes };
}

/** @throws {FastboopError} `corrupt` for a wrong length or version. */
export function decodeStatus(bytes: Uint8Array): Status {
  const view = viewOf(bytes, STATUS_BYTES, "Read the smoo STATUS");
  const version = view.getUint16(0, true);
  if (version !== 0) throw corrupt("Read the smoo STATUS", `version is ${version}, must be 0`);
  return {
    flags: view.getUint16(2, true),
    exportCount: view.getUint32(4, true),
    sessionId: view.getBigUint64(8, true),
  };
}

export function encodeStatus(status: Status): Uint8Array<ArrayBuffer> {
  const { bytes, view } = blank(STATUS_BYTES);
  view.setUint16(2, status.flags, true);
  view.setUint32(4, status.exportCount, true);
  view.setBigUint64(8, status.sessionId, true);
  return bytes;
}

/**
 * @throws {FastboopError} `corrupt` for a length other than 28, an unknown opcode, or reserved bytes
 * that are not zero: no gadget writes those, so the message is not where it should be.
 */
export function decodeRequest(bytes: Uint8Array): Request {
  const view = viewOf(bytes, MESSAGE_BYTES, "Read a smoo Request");
  const op = view.getUint8(0);
  if (op > OP_DISCARD) throw corrupt("Read a smoo Request", `opcode is ${op}, must be 0 to 3`);
  if (view.getUint8(1) !== 0 || view.getUint16(2, true) !== 0) {
    throw corrupt("Read a smoo Request", "the reserved bytes are not zero");
  }
  return readFields(view, op);
}

export function encodeRequest(request: Request): Uint8Array<ArrayBuffer> {
  return encodeMessage(request, 0);
}

/** `numBlocks` as in the Request, on errors too. */
export function encodeResponse(request: Request, status: number): Uint8Array<ArrayBuffer> {
  return encodeMessage(request, status);
}

/** The gadget's side: @throws {FastboopError} `corrupt`. */
export function decodeResponse(bytes: Uint8Array): Response {
  const view = viewOf(bytes, MESSAGE_BYTES, "Read a smoo Response");
  const op = view.getUint8(0);
  if (op > OP_DISCARD) throw corrupt("Read a smoo Response", `opcode is ${op}, must be 0 to 3`);
  return { ...readFields(view, op), status: view.getUint8(1) };
}

/** Bytes 4 to 27, which Request and Response share: id, export, LBA, count, flags. */
function readFields(view: DataView, op: number): Request {
  return {
    op,
    requestId: view.getUint32(4, true),
    exportId: view.getUint32(8, true),
    lba: view.getBigUint64(12, true),
    numBlocks: view.getUint32(20, true),
    flags: view.getUint32(24, true),
  };
}

function encodeMessage(request: Request, status: number): Uint8Array<ArrayBuffer> {
  const { bytes, view } = blank(MESSAGE_BYTES);
  view.setUint8(0, request.op);
  view.setUint8(1, status);
  view.setUint32(4, request.requestId, true);
  view.setUint32(8, request.exportId, true);
  view.setBigUint64(12, request.lba, true);
  view.setUint32(20, request.numBlocks, true);
  view.setUint32(24, request.flags, true);
  return bytes;
}

function viewOf(bytes: Uint8Array, expectedBytes: number, action: string): DataView {
  if (bytes.length !== expectedBytes) {
    throw corrupt(action, `${bytes.length} bytes, must be ${expectedBytes}`);
  }
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function blank(sizeBytes: number): { bytes: Uint8Array<ArrayBuffer>; view: DataView } {
  const bytes = new Uint8Array(sizeBytes);
  return { bytes, view: new DataView(bytes.buffer) };
}

function corrupt(action: string, state: string): FastboopError {
  return new FastboopError({ kind: "corrupt", action, state });
}

function hex32(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
