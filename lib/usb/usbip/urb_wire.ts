/**
 * The 48-byte headers that carry URBs after a USB/IP import, as bytes. Pure: no I/O.
 *
 * Source: linux/Documentation/usb/usbip_protocol.rst and drivers/usb/usbip/usbip_common.h. Integers are
 * big-endian; the 8 setup bytes stay as on the bus. The payload follows the header: OUT data after a
 * CMD_SUBMIT, IN data (as many bytes as "actual length" says) after a RET_SUBMIT.
 *
 *   offset CMD_SUBMIT             RET_SUBMIT           CMD_UNLINK           RET_UNLINK
 *   0      1                      3                    2                    4
 *   4      seqnum                 seqnum of the CMD    own seqnum           seqnum of the UNLINK
 *   8      bus << 16 | device     0                    bus << 16 | device   0
 *   12     direction 0 OUT, 1 IN  -                    0                    -
 *   16     endpoint number        -                    0                    -
 *   20     transfer flags         status (-errno)      seqnum to cancel     status (-errno)
 *   24     buffer length          actual length        0                    0
 *   28     start frame 0          -                    0                    0
 *   32     packets -1             -                    0                    0
 *   36     interval               error count          0                    0
 *   40     8 setup bytes          0                    0                    0
 *
 * Answers carry no direction, so it is kept in the lowest bit of the seqnum (1 = IN): even an answer to
 * nobody's question can then be skipped with the right length.
 */

export const URB_HEADER_BYTES = 48;
/** Kernel servers allocate a URB's buffer in one piece and fail, for good, well above this. */
export const MAX_URB_BYTES = 4 * 1024 * 1024;

const CMD_SUBMIT = 1;
const CMD_UNLINK = 2;
export const RET_SUBMIT = 3;
export const RET_UNLINK = 4;
/** URB_DIR_IN of include/linux/usb.h. */
const FLAG_DIRECTION_IN = 0x200;
/** "No isochronous packets": what the kernel's own client sends. */
const NO_PACKETS = 0xffff_ffff;

/** One transfer request. */
export interface UrbHead {
  seqnum: number;
  deviceId: number;
  direction: "in" | "out";
  /** 0 to 15, without the direction bit. */
  endpoint: number;
  lengthBytes: number;
  /** In frames or microframes; at least 1 for interrupt endpoints, else the server drops the link. */
  interval: number;
  /** The 8 setup bytes of a control transfer. */
  setup?: Uint8Array | undefined;
}

/** An answer's header. */
export interface UrbReply {
  command: number;
  seqnum: number;
  /** 0 or a negative errno. */
  status: number;
  actualBytes: number;
}

/** Whether a seqnum was given to an IN transfer. */
export function isInSeqnum(seqnum: number): boolean {
  return (seqnum & 1) === 1;
}

/** Writes a CMD_SUBMIT header at `offset` of `view`; the bytes there need not be zero. */
export function writeSubmit(view: DataView, offset: number, urb: UrbHead): void {
  view.setUint32(offset, CMD_SUBMIT);
  view.setUint32(offset + 4, urb.seqnum);
  view.setUint32(offset + 8, urb.deviceId);
  view.setUint32(offset + 12, urb.direction === "in" ? 1 : 0);
  view.setUint32(offset + 16, urb.endpoint);
  view.setUint32(offset + 20, urb.direction === "in" ? FLAG_DIRECTION_IN : 0);
  view.setUint32(offset + 24, urb.lengthBytes);
  view.setUint32(offset + 28, 0);
  view.setUint32(offset + 32, NO_PACKETS);
  view.setUint32(offset + 36, urb.interval);
  for (let i = 0; i < 8; i++) view.setUint8(offset + 40 + i, urb.setup?.[i] ?? 0);
}

/** Writes a CMD_UNLINK header at `offset` of `view`. */
export function writeUnlink(
  view: DataView,
  offset: number,
  unlink: { seqnum: number; deviceId: number; victim: number },
): void {
  for (let i = 0; i < URB_HEADER_BYTES; i += 4) view.setUint32(offset + i, 0);
  view.setUint32(offset, CMD_UNLINK);
  view.setUint32(offset + 4, unlink.seqnum);
  view.setUint32(offset + 8, unlink.deviceId);
  view.setUint32(offset + 20, unlink.victim);
}

/** Reads an answer's header at `offset` of `view`; the caller judges the values. */
export function readReply(view: DataView, offset: number): UrbReply {
  return {
    command: view.getUint32(offset),
    seqnum: view.getUint32(offset + 4),
    status: view.getInt32(offset + 20),
    actualBytes: view.getUint32(offset + 24),
  };
}
