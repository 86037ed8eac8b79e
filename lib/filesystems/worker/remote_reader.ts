import { FastboopError } from "../../errors/errors.ts";
import { checkBounds } from "../../sources/bounds.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { READ_BYTES, type RemoteHandle, type SharedCalls } from "./calls.ts";
import type { Parcel } from "./peer.ts";

/** The part of a peer that a Reader on its other side takes. */
export interface ReadPeer {
  call<Name extends keyof SharedCalls>(
    name: Name,
    value: SharedCalls[Name]["takes"],
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Parcel<SharedCalls[Name]["gives"]>>;
}

/** A Reader that lies on the other side of a peer. Its bytes are moved here, then copied once. */
export class RemoteReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #peer: ReadPeer;
  readonly #id: number;
  #isClosed = false;

  constructor(peer: ReadPeer, handle: RemoteHandle) {
    this.#peer = peer;
    this.#id = handle.id;
    this.sizeBytes = handle.sizeBytes;
    this.identity = handle.identity;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    if (this.#isClosed) {
      const action = `Read ${this.identity}`;
      throw new FastboopError({ kind: "cancelled", action, state: "it is closed" });
    }
    const pieces: Promise<void>[] = [];
    for (let at = 0; at < into.length; at += READ_BYTES) {
      const piece = into.subarray(at, at + READ_BYTES);
      pieces.push(this.#readPiece(offsetBytes + at, piece, options.signal));
    }
    // All are waited for: nothing may write into the caller's array after the read was answered.
    await Promise.allSettled(pieces);
    await Promise.all(pieces);
  }

  async #readPiece(
    offsetBytes: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const call = { id: this.#id, offsetBytes, lengthBytes: into.length };
    const { bytes } = await this.#peer.call("read", call, { signal });
    if (!(bytes instanceof Uint8Array) || bytes.length !== into.length) {
      const state = `${bytes?.length ?? 0} bytes came, must be ${into.length}`;
      throw new FastboopError({ kind: "internal", action: `Read ${this.identity}`, state });
    }
    into.set(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Where the other side has ended, nothing is left to be closed.
    await this.#peer.call("close", { id: this.#id }).catch(() => {});
  }
}
