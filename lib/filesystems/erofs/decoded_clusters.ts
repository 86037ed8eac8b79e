/**
 * Decoded clusters that were asked for in part, kept by bytes, oldest out first. Whoever asks for a
 * cluster while it is being decoded waits for that one decode.
 */
export class DecodedClusters {
  readonly #capacityBytes: number;
  /** In order of use, oldest first. */
  readonly #held = new Map<string, Uint8Array>();
  readonly #running = new Map<string, Promise<Uint8Array>>();
  #heldBytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  /** The cluster, decoded by `decode` unless it is held or on its way. */
  async get(key: string, decode: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const held = this.#held.get(key);
    if (held !== undefined) {
      this.#held.delete(key);
      this.#held.set(key, held);
      return held;
    }
    let running = this.#running.get(key);
    if (running === undefined) {
      running = decode().finally(() => this.#running.delete(key));
      this.#running.set(key, running);
      running.then((bytes) => this.#hold(key, bytes), () => {});
    }
    return await running;
  }

  clear(): void {
    this.#held.clear();
    this.#heldBytes = 0;
  }

  #hold(key: string, bytes: Uint8Array): void {
    this.#held.set(key, bytes);
    this.#heldBytes += bytes.length;
    for (const [oldest, old] of this.#held) {
      if (this.#heldBytes <= this.#capacityBytes) break;
      this.#held.delete(oldest);
      this.#heldBytes -= old.length;
    }
  }
}
