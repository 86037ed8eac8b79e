/** The contract of scratch space: bytes written once and read at random, gone with the program. */
import type { ReadOptions } from "./reader.ts";

export interface Spill extends AsyncDisposable {
  /** @throws {FastboopError} `limit` when there is no more room. */
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
  /** Fills `into` with what was written there before. */
  readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void>;
}

/** Gives an empty Spill. */
export type SpillFactory = () => Promise<Spill>;
