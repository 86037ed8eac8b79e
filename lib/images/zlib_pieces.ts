/**
 * One stream of node:zlib, pulled: output in pieces of 256 KiB, input only when it asks for more, so that
 * neither side grows. What the stream leaves of its input is told by `takenBytes`.
 */
import type { Buffer } from "node:buffer";

/** The part of a Transform of node:zlib that is used. */
export interface ZlibStream {
  read(): Buffer | null;
  write(bytes: Uint8Array, written: () => void): boolean;
  destroy(): void;
  on(event: "readable" | "end" | "error", listener: (error: Error) => void): unknown;
  readonly bytesWritten: number;
}

export const PIECE_BYTES = 256 << 10;

export class ZlibPieces {
  readonly #stream: ZlibStream;
  #isHungry = true;
  #fedBytes = 0;
  #isEnded = false;
  #failure: Error | undefined;
  #wake = () => {};

  constructor(stream: ZlibStream) {
    this.#stream = stream;
    stream.on("readable", () => this.#wake());
    stream.on("end", () => {
      this.#isEnded = true;
      this.#wake();
    });
    stream.on("error", (error) => {
      this.#failure = error;
      this.#wake();
    });
  }

  /** Bytes of input the stream has used: all that were given, until it ends within them. */
  get takenBytes(): number {
    return this.#stream.bytesWritten;
  }

  /**
   * The next output, "hungry" when feed() must come first, or "ended".
   *
   * @throws the stream's own error.
   */
  async next(): Promise<Uint8Array | "hungry" | "ended"> {
    for (;;) {
      const piece = this.#stream.read();
      if (piece !== null) return piece;
      if (this.#failure) throw this.#failure;
      if (this.#isEnded) return "ended";
      // The end is told some turns later than that the input is done with.
      if (this.#isHungry) return this.takenBytes < this.#fedBytes ? "ended" : "hungry";
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Gives input, which must stay as it is until the stream is hungry again. */
  feed(bytes: Uint8Array): void {
    this.#isHungry = false;
    this.#fedBytes += bytes.length;
    this.#stream.write(bytes, () => {
      this.#isHungry = true;
      this.#wake();
    });
  }

  end(): void {
    this.#stream.destroy();
  }
}
