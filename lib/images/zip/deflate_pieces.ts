import { setImmediate } from "node:timers";
import { crc32, createInflateRaw } from "node:zlib";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import type { PieceDecoder } from "../sequential_reader.ts";
import { StoredInput } from "../stored_input.ts";
import { PIECE_BYTES, ZlibPieces, type ZlibStream } from "../zlib_pieces.ts";
import { brokenZip, type ZipEntry } from "./zip_entry.ts";

/**
 * A stream of node:zlib says that it has ended only when it is given more than it takes. The directory of the
 * archive is behind all data, so there always is more.
 */
const BEHIND_BYTES = 16;

/** The deflated data of a zip's member. Its size and CRC-32 are compared at its end. */
export class DeflatePieces implements PieceDecoder {
  readonly #action: string;
  readonly #entry: ZipEntry;
  readonly #input: StoredInput;
  readonly #inflate: ZlibPieces;
  #sum = 0;
  #sizeBytes = 0;
  #isChecked = false;

  /** `offsetBytes` is that of the data. */
  constructor(action: string, source: Reader, offsetBytes: number, entry: ZipEntry) {
    this.#action = action;
    this.#entry = entry;
    const endBytes = offsetBytes + entry.storedBytes + BEHIND_BYTES;
    this.#input = new StoredInput(source, offsetBytes, endBytes);
    const stream = createInflateRaw({ chunkSize: PIECE_BYTES });
    this.#inflate = new ZlibPieces(stream as unknown as ZlibStream);
  }

  get checkedBytes(): number {
    return this.#isChecked ? this.#sizeBytes : 0;
  }

  end(): void {
    this.#inflate.end();
  }

  async next(signal: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      let piece = await this.#pull();
      if (piece === "hungry") {
        // The stream takes its input before it tells that it has ended with it.
        await new Promise<void>((resolve) => setImmediate(resolve));
        piece = await this.#pull();
      }
      if (piece === "ended") return this.#finish();
      if (piece === "hungry") {
        if (!await this.#input.has(1, signal)) throw this.#broken("its deflated data is cut");
        this.#inflate.feed(this.#input.take(this.#input.end - this.#input.at));
        continue;
      }
      this.#sum = crc32(piece, this.#sum);
      this.#sizeBytes += piece.length;
      if (this.#sizeBytes > this.#entry.sizeBytes) {
        throw this.#broken(`it has more than ${this.#entry.sizeBytes} bytes`);
      }
      return piece;
    }
  }

  async #pull(): Promise<Uint8Array | "hungry" | "ended"> {
    try {
      return await this.#inflate.next();
    } catch {
      throw this.#broken("its deflated data is damaged");
    }
  }

  #finish(): undefined {
    this.#inflate.end();
    const { sizeBytes, storedBytes, crc32: sum } = this.#entry;
    if (this.#inflate.takenBytes !== storedBytes) {
      throw this.#broken(`its data ends at ${this.#inflate.takenBytes} of ${storedBytes} bytes`);
    }
    if (this.#sizeBytes !== sizeBytes) {
      throw this.#broken(`it has ${this.#sizeBytes} bytes, the directory says ${sizeBytes}`);
    }
    if (this.#sum !== sum) throw this.#broken("the CRC-32 of its data is wrong");
    this.#isChecked = true;
    return undefined;
  }

  #broken(state: string): FastboopError {
    this.#inflate.end();
    return brokenZip(this.#action, state);
  }
}
