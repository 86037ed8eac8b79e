/** A stream whose size nothing tells: decoded once, whole, when it is opened. */
import { setImmediate } from "node:timers";
import { cancelled, FastboopError } from "../errors/errors.ts";
import { checkBounds } from "../sources/bounds.ts";
import { MemorySpill } from "../sources/memory_spill.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";
import type { Spill } from "../sources/spill.ts";
import type { ContainerOptions } from "./container.ts";
import type { PieceDecoder } from "./sequential_reader.ts";

const MEMORY_SPILL_BYTES = 256 << 20;

export interface DecodedOptions extends ContainerOptions {
  /** Content above that is refused. Default 64 GiB. */
  maxOutputBytes?: number;
}

/**
 * Decodes all of `source` into scratch space; the Reader that comes back has seen every check.
 *
 * @throws {FastboopError} what the decoder and the scratch space throw; `limit` above `maxOutputBytes`.
 */
export async function openDecoded(
  identity: string,
  source: Reader,
  decoder: PieceDecoder,
  options: DecodedOptions,
): Promise<Reader> {
  const spill = await (options.spill?.() ?? new MemorySpill(MEMORY_SPILL_BYTES));
  try {
    const sizeBytes = await decodeInto(identity, decoder, spill, options);
    return new SpilledReader(identity, sizeBytes, spill, source);
  } catch (error) {
    await spill[Symbol.asyncDispose]();
    throw error;
  } finally {
    decoder.end?.();
  }
}

async function decodeInto(
  identity: string,
  decoder: PieceDecoder,
  spill: Spill,
  options: DecodedOptions,
): Promise<number> {
  const action = `Decompress ${identity}`;
  const signal = options.signal ?? new AbortController().signal;
  const maxOutputBytes = options.maxOutputBytes ?? 64 * 2 ** 30;
  let sizeBytes = 0;
  for (;;) {
    if (signal.aborted) throw cancelled(action, signal);
    const piece = await decoder.next(signal);
    if (piece === undefined) return sizeBytes;
    if (sizeBytes + piece.length > maxOutputBytes) {
      const state = `it holds more than ${maxOutputBytes} bytes`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    await spill.write(sizeBytes, piece);
    sizeBytes += piece.length;
    // Scratch space in memory gives no turn to others.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

class SpilledReader implements Reader {
  #isClosed = false;

  constructor(
    readonly identity: string,
    readonly sizeBytes: number,
    readonly spill: Spill,
    readonly source: Reader,
  ) {}

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const action = `Read ${this.identity}`;
    checkBounds(this, offsetBytes, into.length);
    if (options.signal?.aborted) throw cancelled(action, options.signal);
    if (this.#isClosed) {
      throw new FastboopError({ kind: "cancelled", action, state: "it is closed" });
    }
    await this.spill.readAt(offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.spill[Symbol.asyncDispose]();
    await this.source[Symbol.asyncDispose]();
  }
}
