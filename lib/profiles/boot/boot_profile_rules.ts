/** Bounds of a boot profile, whatever form it came in. */

export const MAX_LIST_ITEMS = 256;
export const MAX_DEVICES = 256;
/** All overlays of a profile together: as base64 they fit a document of 1 MiB with room for the rest. */
export const MAX_OVERLAY_BYTES = 1 << 19;
/** FDT_MAGIC, big-endian (devicetree specification 5.2). */
const FDT_MAGIC = 0xd00dfeed;

/** Why bytes are no compiled overlay. */
export function overlayProblem(bytes: Uint8Array): string | undefined {
  if (bytes.length < 40) return `has ${bytes.length} bytes, a compiled overlay at least 40`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  if (view.getUint32(0) !== FDT_MAGIC) {
    return "is no compiled overlay: it does not begin with d00dfeed";
  }
  const sizeBytes = view.getUint32(4);
  return sizeBytes > bytes.length
    ? `says it has ${sizeBytes} bytes, ${bytes.length} are there`
    : undefined;
}

/** Counts the overlays of one profile. */
export class OverlayBudget {
  #leftBytes = MAX_OVERLAY_BYTES;

  /** Whether `sizeBytes` more still fit. */
  take(sizeBytes: number): boolean {
    this.#leftBytes -= sizeBytes;
    return this.#leftBytes >= 0;
  }
}
