import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { FastboopError } from "../../errors/errors.ts";
import type { DecodeXz } from "../container.ts";
import { decodeXz } from "../xz/decode_xz.ts";

const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP = [0x1f, 0x8b];
const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

/**
 * The content of a `.cacnk` file, compressed as its first bytes tell, or plain.
 *
 * @throws {FastboopError} `corrupt` when it is damaged or larger than `sizeBytes`.
 */
export async function decodeChunk(
  action: string,
  stored: Uint8Array,
  sizeBytes: number,
  decodeXzElsewhere?: DecodeXz,
): Promise<Uint8Array> {
  const begins = (magic: readonly number[]) => magic.every((byte, i) => stored[i] === byte);
  const options = { maxOutputLength: sizeBytes };
  try {
    if (begins(ZSTD)) return zstdDecompressSync(stored, options);
    if (begins(GZIP)) return gunzipSync(stored, options);
    // Another thread may take the array away; the caller still needs it.
    if (begins(XZ)) {
      if (decodeXzElsewhere === undefined) return decodeXz(stored, sizeBytes);
      return await decodeXzElsewhere(stored.slice(), sizeBytes);
    }
  } catch (cause) {
    if (cause instanceof FastboopError && cause.kind !== "limit") throw cause;
    const state = "it cannot be decompressed to the size the index tells";
    throw new FastboopError({ kind: "corrupt", action, state, cause });
  }
  return stored;
}
