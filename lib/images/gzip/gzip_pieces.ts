/**
 * The members of a gzip file, one after the other.
 *
 * ```text
 * 1f 8b 08 | flags | 6 | [extra] | [name 0] | [comment 0] | [CRC16] | deflate | CRC32 | size modulo 2^32
 * ```
 *
 * Zeros behind the last member are padding; anything else there is refused. Source: RFC 1952.
 */
import { crc32, createInflateRaw } from "node:zlib";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import type { PieceDecoder } from "../sequential_reader.ts";
import { StoredInput } from "../stored_input.ts";
import { PIECE_BYTES, ZlibPieces, type ZlibStream } from "../zlib_pieces.ts";

const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16, unknown: 0xe0 } as const;
const MAX_TEXT_BYTES = 4096;
/** Each costs a decoder; more than that must hold 1 KiB each. */
const MANY_MEMBERS = 1024;

export class GzipPieces implements PieceDecoder {
  readonly #input: StoredInput;
  #inflate: ZlibPieces | undefined;
  #fedBytes = 0;
  #crc = 0;
  #memberBytes = 0;
  #checkedBytes = 0;
  #members = 0;

  constructor(source: Reader) {
    this.#input = new StoredInput(source, 0, source.sizeBytes);
  }

  get checkedBytes(): number {
    return this.#checkedBytes;
  }

  end(): void {
    this.#inflate?.end();
  }

  async next(signal: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      const inflate = this.#inflate ??= await this.#begin(signal);
      if (!inflate) return undefined;
      const piece = await pull(inflate);
      if (piece === "ended") await this.#end(inflate, signal);
      else if (piece === "hungry") await this.#feed(inflate, signal);
      else {
        this.#crc = crc32(piece, this.#crc);
        this.#memberBytes += piece.length;
        return piece;
      }
    }
  }

  async #feed(inflate: ZlibPieces, signal: AbortSignal): Promise<void> {
    if (!await this.#input.has(1, signal)) throw broken("it is cut short");
    const bytes = this.#input.take(this.#input.end - this.#input.at);
    this.#fedBytes += bytes.length;
    inflate.feed(bytes);
  }

  /** The trailer: what the deflate stream left of its input begins with it. */
  async #end(inflate: ZlibPieces, signal: AbortSignal): Promise<void> {
    this.#input.at -= this.#fedBytes - inflate.takenBytes;
    inflate.end();
    if (!await this.#input.has(8, signal)) throw broken("it is cut short");
    const trailer = this.#input.take(8);
    const view = new DataView(trailer.buffer, trailer.byteOffset, 8);
    if (view.getUint32(0, true) !== this.#crc) throw broken("a checksum does not match");
    if (view.getUint32(4, true) !== this.#memberBytes % 2 ** 32) {
      throw broken("a member has another size than it says");
    }
    this.#checkedBytes += this.#memberBytes;
    this.#inflate = undefined;
  }

  /** The deflate stream of the next member; undefined behind the last one. */
  async #begin(signal: AbortSignal): Promise<ZlibPieces | undefined> {
    if (this.#members > 0 && !await this.#skipZeros(signal)) return undefined;
    if (this.#members > MANY_MEMBERS + this.#checkedBytes / 1024) {
      throw broken(`it has ${this.#members} members, most of them nearly empty`, "limit");
    }
    const hasMagic = await this.#input.has(2, signal) &&
      this.#input.bytes[this.#input.at] === 0x1f && this.#input.bytes[this.#input.at + 1] === 0x8b;
    if (!hasMagic) {
      throw broken(
        this.#members > 0 ? "something else follows the last member" : "it is no gzip file",
      );
    }
    const fixed = await this.#header(10, signal);
    const [method, flags] = [fixed[2]!, fixed[3]!];
    if (method !== 8) throw broken(`it has compression method ${method}`, "unsupported");
    if ((flags & FLAG.unknown) !== 0) throw broken(`it has flags ${flags}`, "unsupported");
    let crc = crc32(fixed);
    if (flags & FLAG.extra) {
      const size = await this.#header(2, signal);
      crc = crc32(size, crc);
      crc = crc32(await this.#header(size[0]! | size[1]! << 8, signal), crc);
    }
    for (const text of [FLAG.name, FLAG.comment]) {
      if ((flags & text) === 0) continue;
      for (let length = 0, byte = 1; byte !== 0; length++) {
        if (length > MAX_TEXT_BYTES) throw broken(`its name is longer than ${MAX_TEXT_BYTES}`);
        const one = await this.#header(1, signal);
        byte = one[0]!;
        crc = crc32(one, crc);
      }
    }
    if (flags & FLAG.headerCrc) {
      const stored = await this.#header(2, signal);
      if ((stored[0]! | stored[1]! << 8) !== (crc & 0xffff)) {
        throw broken("a header's checksum does not match");
      }
    }
    this.#members++;
    this.#fedBytes = this.#crc = this.#memberBytes = 0;
    return new ZlibPieces(createInflateRaw({ chunkSize: PIECE_BYTES }) as unknown as ZlibStream);
  }

  async #header(countBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    if (!await this.#input.has(countBytes, signal)) throw broken("it is cut short");
    return this.#input.take(countBytes).slice();
  }

  async #skipZeros(signal: AbortSignal): Promise<boolean> {
    const input = this.#input;
    while (await input.has(1, signal)) {
      while (input.at < input.end && input.bytes[input.at] === 0) input.at++;
      if (input.at < input.end) return true;
    }
    return false;
  }
}

async function pull(inflate: ZlibPieces): Promise<Uint8Array | "hungry" | "ended"> {
  try {
    return await inflate.next();
  } catch (cause) {
    throw broken("the compressed data is broken", "corrupt", cause);
  }
}

function broken(
  state: string,
  kind: "corrupt" | "limit" | "unsupported" = "corrupt",
  cause?: unknown,
): FastboopError {
  return new FastboopError({ kind, action: "Decompress gzip", state, cause });
}
