import { type BlockLayout, FIXED_HEADER_BYTES, headerLength, parseHeader } from "./block_format.ts";
import type { StoredBytes } from "./storage.ts";

/** The layout a cache file tells; undefined when its header is damaged or of another version. */
export async function readLayout(file: StoredBytes): Promise<BlockLayout | undefined> {
  const fixed = new Uint8Array(FIXED_HEADER_BYTES);
  if (await file.read(0, fixed) < fixed.length) return undefined;
  const length = headerLength(fixed);
  if (length === undefined) return undefined;
  const header = new Uint8Array(length);
  return await file.read(0, header) < length ? undefined : parseHeader(header);
}
