/**
 * Zstandard frames one after the other, piece by piece.
 *
 * The frames' and blocks' headers are read here and zlib gets one frame exactly: of a frame that is cut it
 * says nothing, and of what follows a frame it decodes some or none, by how the input falls into pieces.
 */
import { constants, createZstdDecompress } from "node:zlib";
import type { Reader } from "../../sources/reader.ts";
import type { PieceDecoder } from "../sequential_reader.ts";
import { StoredInput } from "../stored_input.ts";
import { PIECE_BYTES, ZlibPieces, type ZlibStream } from "../zlib_pieces.ts";
import {
  BLOCK_HEADER_BYTES,
  brokenZstd,
  FRAME_START_BYTES,
  frameHeaderSize,
  frameKind,
  MAX_WINDOW_LOG,
  parseBlockHeader,
  parseFrameHeader,
  SKIPPABLE_HEADER_BYTES,
} from "./frame_header.ts";

/** Each costs a decoder; more than that must hold 1 KiB each. */
const MANY_FRAMES = 1024;

interface Frame {
  readonly zlib: ZlibPieces;
  readonly hasChecksum: boolean;
  readonly plainBytes: number | undefined;
  fedBytes: number;
  givenBytes: number;
  state: "blocks" | "checksum" | "fed";
}

export class ZstdPieces implements PieceDecoder {
  readonly #input: StoredInput;
  #frame: Frame | undefined;
  /** The last frame's own checksum, which zlib has compared: low half of XXH64 of its content. */
  lastChecksum: number | undefined;
  #frames = 0;
  #checkedBytes = 0;

  /** All frames between two offsets of `source`. */
  constructor(source: Reader, fromBytes = 0, endBytes = source.sizeBytes) {
    this.#input = new StoredInput(source, fromBytes, endBytes);
  }

  /** Whole frames count, those without a checksum too: nothing more can be known of them. */
  get checkedBytes(): number {
    return this.#checkedBytes;
  }

  end(): void {
    this.#frame?.zlib.end();
  }

  async next(signal: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#frame ??= await this.#begin(signal);
      if (!frame) return undefined;
      const piece = await pull(frame.zlib);
      if (piece === "ended") throw brokenZstd("a frame ends before its last block");
      if (piece === "hungry") await this.#feed(frame, signal);
      else {
        frame.givenBytes += piece.length;
        return piece;
      }
    }
  }

  async #begin(signal: AbortSignal): Promise<Frame | undefined> {
    const input = this.#input;
    for (; await input.has(1, signal); this.#frames++) {
      await this.#need(FRAME_START_BYTES, signal);
      const start = input.bytes.subarray(input.at);
      if (frameKind(start) === "skippable") {
        await this.#need(SKIPPABLE_HEADER_BYTES, signal);
        const view = new DataView(input.bytes.buffer, input.at);
        const sizeBytes = view.getUint32(4, true);
        if (!input.skip(SKIPPABLE_HEADER_BYTES + sizeBytes)) throw brokenZstd("it is cut short");
        continue;
      }
      if (this.#frames > MANY_FRAMES + this.#checkedBytes / 1024) {
        throw brokenZstd(`it has ${this.#frames} frames, most of them nearly empty`, "limit");
      }
      const sizeBytes = frameHeaderSize(start);
      await this.#need(sizeBytes, signal);
      const header = parseFrameHeader(input.bytes.subarray(input.at, input.at + sizeBytes));
      const { hasChecksum, plainBytes } = header;
      this.lastChecksum = undefined;
      const zlib = new ZlibPieces(newDecoder());
      const frame: Frame = {
        ...{ zlib, hasChecksum, plainBytes },
        ...{ fedBytes: 0, givenBytes: 0, state: "blocks" },
      };
      this.#give(frame, sizeBytes);
      return frame;
    }
    if (this.#frames === 0) throw brokenZstd("it is no zstd file");
    return undefined;
  }

  async #feed(frame: Frame, signal: AbortSignal): Promise<void> {
    if (frame.state === "blocks") {
      await this.#need(BLOCK_HEADER_BYTES, signal);
      const { isLast, storedBytes } = parseBlockHeader(this.#input.bytes.subarray(this.#input.at));
      await this.#need(BLOCK_HEADER_BYTES + storedBytes, signal);
      this.#give(frame, BLOCK_HEADER_BYTES + storedBytes);
      if (isLast) frame.state = frame.hasChecksum ? "checksum" : "fed";
    } else if (frame.state === "checksum") {
      await this.#need(4, signal);
      const { bytes, at } = this.#input;
      this.lastChecksum = new DataView(bytes.buffer, at).getUint32(0, true);
      this.#give(frame, 4);
      frame.state = "fed";
    } else {
      const isWhole = frame.zlib.takenBytes === frame.fedBytes &&
        (frame.plainBytes ?? frame.givenBytes) === frame.givenBytes;
      if (!isWhole) throw brokenZstd("a frame has another size than it says");
      frame.zlib.end();
      this.#checkedBytes += frame.givenBytes;
      this.#frames++;
      this.#frame = undefined;
    }
  }

  #give(frame: Frame, countBytes: number): void {
    frame.fedBytes += countBytes;
    frame.zlib.feed(this.#input.take(countBytes));
  }

  async #need(countBytes: number, signal: AbortSignal): Promise<void> {
    if (!await this.#input.has(countBytes, signal)) throw brokenZstd("it is cut short");
  }
}

/** zlib's types of Deno do not have it yet. */
function newDecoder(): ZlibStream {
  const params = { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG };
  return createZstdDecompress({ chunkSize: PIECE_BYTES, params }) as unknown as ZlibStream;
}

async function pull(zlib: ZlibPieces): Promise<Uint8Array | "hungry" | "ended"> {
  try {
    return await zlib.next();
  } catch (cause) {
    throw brokenZstd("the compressed data is broken", "corrupt", cause);
  }
}
