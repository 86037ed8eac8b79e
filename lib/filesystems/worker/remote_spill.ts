import type { ReadOptions } from "../../sources/reader.ts";
import type { Spill } from "../../sources/spill.ts";
import { type MainCalls, READ_BYTES, type WorkerCalls } from "./calls.ts";
import type { Peer } from "./peer.ts";

/** Scratch space that main keeps for the worker. */
export class RemoteSpill implements Spill {
  readonly #peer: Peer<MainCalls, WorkerCalls>;
  readonly #id: number;

  constructor(peer: Peer<MainCalls, WorkerCalls>, id: number) {
    this.#peer = peer;
    this.#id = id;
  }

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += READ_BYTES) {
      // A copy that can be moved: the array is the caller's. Not by slice(), which a Buffer does not copy with.
      const piece = new Uint8Array(bytes.subarray(at, at + READ_BYTES));
      await this.#peer.call("writeSpill", { id: this.#id, offsetBytes: offsetBytes + at }, {
        bytes: piece,
      });
    }
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    for (let at = 0; at < into.length; at += READ_BYTES) {
      const piece = into.subarray(at, at + READ_BYTES);
      const call = { id: this.#id, offsetBytes: offsetBytes + at, lengthBytes: piece.length };
      const { bytes } = await this.#peer.call("readSpill", call, options);
      piece.set(bytes!);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer.call("close", { id: this.#id }).catch(() => {});
  }
}
