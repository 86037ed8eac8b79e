/** What every opener of a container is given, and what it promises. */
import type { SpillFactory } from "../sources/spill.ts";

/**
 * Options of one `openX(source, options)`.
 *
 * The Reader that comes back owns `source` and disposes it. When opening fails, `source` stays the caller's.
 * Its identity is made of the source's: `xz:(<identity of the source>)`.
 */
export interface ContainerOptions {
  /** Stops the opening; reads have a signal of their own. */
  signal?: AbortSignal;
  /** Bytes of decoded blocks kept, least recently used go first; at least one block is. Default 64 MiB. */
  cacheBytes?: number;
  /** Decodes a whole small xz stream, perhaps on another thread. Default: here and now. */
  decodeXz?: DecodeXz;
  /** Where a stream without random access is kept once it is decoded. Default: in memory, 256 MiB at most. */
  spill?: SpillFactory;
}

/**
 * One whole `.xz` stream -> its content. `stored` may be moved to another thread and be empty afterwards.
 *
 * @throws {FastboopError} `corrupt`, `limit` above `limitBytes`, `unsupported`.
 */
export type DecodeXz = (stored: Uint8Array, limitBytes: number) => Promise<Uint8Array>;
