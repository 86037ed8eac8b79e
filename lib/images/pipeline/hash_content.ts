/** Digests of everything a Reader gives, in one pass from front to back: exact bytes, no padding. */
import { createHash } from "node:crypto";
import { concat } from "../../bytes/concat.ts";
import { cancelled } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import type { BlockHashes, ContentDigest } from "./hints.ts";

/** Also the size of the blocks: small enough to check with each read, 96 KB of hashes for 3 GB. */
const PIECE_BYTES = 1 << 20;

interface HashOptions {
  readonly signal?: AbortSignal;
}

/** @throws {FastboopError} `cancelled`, what the Reader throws. */
export async function hashContent(
  reader: Reader,
  { signal }: HashOptions = {},
): Promise<{ digest: ContentDigest; blocks: BlockHashes }> {
  const { sizeBytes } = reader;
  const whole = createHash("sha512");
  const hashes: Uint8Array[] = [];
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes));
  for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) {
    if (signal?.aborted) throw cancelled("Hash the content of a stage", signal);
    const piece = buffer.subarray(0, Math.min(PIECE_BYTES, sizeBytes - offset));
    await reader.readAt(offset, piece, signal ? { signal } : {});
    whole.update(piece);
    hashes.push(createHash("sha256").update(piece).digest());
  }
  return {
    digest: { kind: "content-digest", digest: `sha512:${whole.digest("hex")}`, sizeBytes },
    blocks: {
      kind: "block-hashes",
      blockSizeBytes: PIECE_BYTES,
      sizeBytes,
      hashes: concat(hashes),
    },
  };
}

/** The SHA-512 of the whole content. */
export async function digestContent(
  reader: Reader,
  options?: HashOptions,
): Promise<ContentDigest> {
  return (await hashContent(reader, options)).digest;
}
