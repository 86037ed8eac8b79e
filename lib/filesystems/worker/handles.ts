import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { READ_BYTES, type ReadCall, type RemoteHandle } from "./calls.ts";
import type { Parcel } from "./peer.ts";

/** What one side may hold open for the other. */
const MAX_HANDLES = 4096;

/** Things one side holds open, which the other names by numbers. It owns them. */
export class Handles implements AsyncDisposable {
  readonly #open = new Map<number, AsyncDisposable>();
  #lastId = 0;

  /** @throws {FastboopError} `limit` when too many are open; `held` is then the caller's. */
  add(held: AsyncDisposable): number {
    if (this.#open.size >= MAX_HANDLES) {
      const state = `more than ${MAX_HANDLES} files are open`;
      throw new FastboopError({ kind: "limit", action: "Open a file of the image", state });
    }
    this.#open.set(++this.#lastId, held);
    return this.#lastId;
  }

  async addReader(reader: Reader): Promise<RemoteHandle> {
    try {
      const { sizeBytes, identity } = reader;
      return { id: this.add(reader), sizeBytes, identity };
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws {FastboopError} `internal` when `id` is not one of these. */
  get<T extends AsyncDisposable>(id: number, is: (held: AsyncDisposable) => held is T): T {
    const held = this.#open.get(id);
    if (held !== undefined && is(held)) return held;
    const state = "what was asked for is not open";
    throw new FastboopError({ kind: "internal", action: "Read the image", state });
  }

  /** A read the other side asked for. */
  async read(
    { id, offsetBytes, lengthBytes }: ReadCall,
    signal: AbortSignal,
  ): Promise<Parcel<undefined>> {
    const reader = this.get(id, isReader);
    return { value: undefined, bytes: await readPiece(reader, offsetBytes, lengthBytes, signal) };
  }

  async close(id: number): Promise<void> {
    const held = this.#open.get(id);
    this.#open.delete(id);
    await held?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#open.values()].reverse();
    this.#open.clear();
    for (const held of open) await held[Symbol.asyncDispose]();
  }
}

/**
 * The bytes of one request, in an array of their own that can be moved.
 *
 * @throws {FastboopError} `limit` when it asks for too much; what the Reader throws.
 */
export async function readPiece(
  reader: Pick<Reader, "readAt">,
  offsetBytes: number,
  lengthBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 0 || lengthBytes > READ_BYTES) {
    const state = `${lengthBytes} bytes were asked for at once, the limit is ${READ_BYTES}`;
    throw new FastboopError({ kind: "limit", action: "Read the image", state });
  }
  const bytes = new Uint8Array(lengthBytes);
  await reader.readAt(offsetBytes, bytes, { signal });
  return bytes;
}

export function isReader(held: AsyncDisposable): held is Reader {
  return "readAt" in held && "sizeBytes" in held;
}
