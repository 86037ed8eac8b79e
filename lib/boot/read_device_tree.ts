/** `--dtb`: a flattened device tree from a file. */
import { FastboopError } from "../errors/errors.ts";
import { openFile } from "../sources/file.ts";

/** The most the arm64 kernel maps (Documentation/arch/arm64/booting.rst). */
const MAX_DTB_BYTES = 2 << 20;
/** Header of a flattened device tree: magic and total size, big-endian (Devicetree Specification 5.2). */
const FDT_MAGIC = 0xd00dfeed;
const HEADER_BYTES = 40;

/** @throws {FastboopError} `not-found`, `permission`; `corrupt` when it is no device tree; `limit`. */
export async function readDeviceTree(path: string): Promise<Uint8Array> {
  const fail = (kind: "corrupt" | "limit", state: string): never => {
    throw new FastboopError({ kind, action: `Read device tree "${path}"`, state });
  };
  await using file = await openFile(path);
  if (file.sizeBytes > MAX_DTB_BYTES) fail("limit", `it is larger than ${MAX_DTB_BYTES} bytes`);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.readAt(0, bytes);
  const view = new DataView(bytes.buffer);
  if (bytes.length < HEADER_BYTES || view.getUint32(0) !== FDT_MAGIC) {
    fail("corrupt", "it is no flattened device tree");
  }
  if (view.getUint32(4) > bytes.length) fail("corrupt", "it is cut short");
  return bytes;
}
