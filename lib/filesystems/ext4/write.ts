/**
 * The image front to back: into a file, a pipe, or anything else that takes bytes.
 *
 * The bytes are the virtual image's own, so the two cannot differ. Where the sink knows holes, runs of
 * zeros become some.
 */
import { cancelled } from "../../errors/errors.ts";
import type { ByteSink } from "../../sources/byte_sink.ts";
import type { Ext4Image } from "./image.ts";

/** Options of a write. */
export interface WriteExt4Options {
  signal?: AbortSignal | undefined;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

const CHUNK_BYTES = 1024 * 1024;
/** A hole is worth a seek from here on. */
const HOLE_BYTES = 64 * 1024;

/**
 * Writes all of `image` to `sink`.
 *
 * @throws {FastboopError} `source` when a file changed meanwhile, `cancelled`, and what the sink throws.
 */
export async function writeExt4(
  image: Ext4Image,
  sink: ByteSink,
  options: WriteExt4Options = {},
): Promise<void> {
  const { signal, onProgress } = options;
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let done = 0; done < image.sizeBytes;) {
    if (signal?.aborted) throw cancelled("Write the ext4 image", signal);
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, image.sizeBytes - done));
    await image.readAt(done, chunk, signal ? { signal } : {});
    await writeChunk(sink, chunk);
    done += chunk.length;
    onProgress?.(done, image.sizeBytes);
  }
}

async function writeChunk(sink: ByteSink, chunk: Uint8Array): Promise<void> {
  if (sink.skip === undefined) {
    await sink.write(chunk);
    return;
  }
  let pending = 0;
  for (let start = 0; start < chunk.length; start += HOLE_BYTES) {
    const end = Math.min(chunk.length, start + HOLE_BYTES);
    if (!isZero(chunk, start, end)) continue;
    if (pending < start) await sink.write(chunk.subarray(pending, start));
    await sink.skip(end - start);
    pending = end;
  }
  if (pending < chunk.length) await sink.write(chunk.subarray(pending));
}

/** Nearly every run ends the search with its first bytes. */
function isZero(chunk: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (chunk[i] !== 0) return false;
  return true;
}
