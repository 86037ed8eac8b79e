const FDT_MAGIC = 0xd00dfeed;
const HEADER_BYTES = 40;

/** Why a file cannot be a flattened device tree, by its header alone: `cut short`. */
export function dtbProblem(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_BYTES || view.getUint32(0) !== FDT_MAGIC) {
    return "no flattened device tree";
  }
  return view.getUint32(4) > bytes.length ? "cut short" : undefined;
}
