/** A ByteStream in memory, to play a USB/IP server byte by byte, its misbehaviour included. */
import type { ByteStream } from "../../lib/usb/usbip/byte_stream.ts";

/** What the code under test reads is pushed; what it writes is collected. */
export class MemoryStream implements ByteStream {
  closed = false;
  /** Bytes of each read at most: small values split messages anywhere. */
  readBytes = Infinity;
  #incoming: Uint8Array[] = [];
  #ended = false;
  #wake = Promise.withResolvers<void>();
  readonly #written: number[] = [];
  #onWrite = Promise.withResolvers<void>();

  push(bytes: Uint8Array): void {
    this.#incoming.push(bytes);
    this.#signal();
  }

  /** The server hangs up. */
  end(): void {
    this.#ended = true;
    this.#signal();
  }

  /** Waits until this many bytes have been written in all, and returns them. */
  async written(count: number): Promise<Uint8Array> {
    while (this.#written.length < count) await this.#onWrite.promise;
    return Uint8Array.from(this.#written);
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#incoming.length === 0) {
      if (this.closed) throw new Deno.errors.BadResource("closed");
      if (this.#ended) return null;
      await this.#wake.promise;
    }
    const first = this.#incoming[0]!;
    const some = first.subarray(0, Math.min(into.length, this.readBytes));
    into.set(some);
    if (some.length === first.length) this.#incoming.shift();
    else this.#incoming[0] = first.subarray(some.length);
    return some.length;
  }

  write(from: Uint8Array): Promise<number> {
    if (this.closed) return Promise.reject(new Deno.errors.BadResource("closed"));
    const some = from.subarray(0, 1000); // writes may be partial
    for (const byte of some) this.#written.push(byte);
    this.#onWrite.resolve();
    this.#onWrite = Promise.withResolvers<void>();
    return Promise.resolve(some.length);
  }

  close(): void {
    this.closed = true;
    this.#signal();
  }

  #signal(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
