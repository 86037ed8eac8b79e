/** The block-pipeline contract everything leans on. */

/** Options of one read. */
export interface ReadOptions {
  /** Stops the read; it then rejects with `cancelled`. */
  signal?: AbortSignal;
}

/**
 * Read-only bytes of a fixed size. Concurrent calls are allowed.
 *
 * Units: bytes. Offsets and sizes are safe integers (below 2^53).
 */
export interface Reader extends AsyncDisposable {
  readonly sizeBytes: number;
  /** Stable name of this exact content, validator included (ETag, size, mtime, hash). */
  readonly identity: string;
  /**
   * Fills `into` completely from `offsetBytes`; never returns short.
   *
   * @throws {FastboopError} `limit` past the end, `source` when the bytes cannot be had or changed.
   */
  readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void>;
}
