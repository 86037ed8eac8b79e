import type { Setup } from "./link.ts";

/** The 8 bytes of a SETUP packet (USB 2.0 table 9-2), little-endian as on the bus. */
export function setupBytes(setup: Setup, lengthBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, setup.requestType);
  view.setUint8(1, setup.request);
  view.setUint16(2, setup.value, true);
  view.setUint16(4, setup.index, true);
  view.setUint16(6, lengthBytes, true);
  return bytes;
}
