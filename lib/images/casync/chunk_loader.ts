import { createHash } from "node:crypto";
import { FastboopError } from "../../errors/errors.ts";
import type { DecodeXz } from "../container.ts";
import { type CasyncIndex, ID_BYTES } from "./casync_index.ts";
import type { ChunkStore } from "../../sources/chunk_store.ts";
import { decodeChunk } from "./decode_chunk.ts";

/** Beyond the content: frames, and what an encoder makes of noise. */
const STORED_SLACK_BYTES = 64 << 10;
const SUFFIX = ".cacnk";

/** Brings one chunk: fetched, decoded, and only given when length and digest are the index's. */
export class ChunkLoader {
  readonly #index: CasyncIndex;
  readonly #store: ChunkStore;
  readonly #decodeXz: DecodeXz | undefined;
  /** The form that was there last: a store has one of both. */
  #suffixes: readonly string[] = [SUFFIX, ""];

  constructor(index: CasyncIndex, store: ChunkStore, decodeXz: DecodeXz | undefined) {
    this.#index = index;
    this.#store = store;
    this.#decodeXz = decodeXz;
  }

  /** @throws {FastboopError} `corrupt`, `source` when the store has no such chunk, and as the store does. */
  async load(chunk: number, signal: AbortSignal): Promise<Uint8Array> {
    const idBytes = this.#index.ids.subarray(chunk * ID_BYTES, (chunk + 1) * ID_BYTES);
    const id = Array.from(idBytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const action = `Fetch chunk ${id.slice(0, 16)}... of a casync image`;
    const startBytes = chunk === 0 ? 0 : this.#index.ends[chunk - 1]!;
    const sizeBytes = this.#index.ends[chunk]! - startBytes;
    const bytes = await this.#bring(action, id, sizeBytes, signal);
    if (bytes.length !== sizeBytes) {
      throw wrong(action, `it has ${bytes.length} bytes, the index says ${sizeBytes}`);
    }
    const digest = createHash(this.#index.digest).update(bytes).digest();
    if (!digest.every((byte, i) => byte === idBytes[i])) throw wrong(action, "its digest differs");
    return bytes;
  }

  async #bring(
    action: string,
    id: string,
    sizeBytes: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    for (const suffix of this.#suffixes) {
      const limitBytes = sizeBytes + (suffix === SUFFIX ? STORED_SLACK_BYTES : 0);
      const path = `${id.slice(0, 4)}/${id}${suffix}`;
      const stored = await this.#store(path, { limitBytes, signal });
      if (stored === undefined) continue;
      this.#suffixes = suffix === SUFFIX ? [SUFFIX, ""] : ["", SUFFIX];
      if (suffix === "") return stored;
      return await decodeChunk(action, stored, sizeBytes, this.#decodeXz);
    }
    throw new FastboopError({
      kind: "source",
      action,
      state: "the store does not have it",
      hint: "Check the chunk store: it must be the one of this index",
    });
  }
}

function wrong(action: string, state: string): FastboopError {
  const hint = "The chunk store is damaged or belongs to another index";
  return new FastboopError({ kind: "corrupt", action, state, hint });
}
