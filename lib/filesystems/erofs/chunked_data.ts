/**
 * Data in chunks of one size, each somewhere in the image or a hole: EROFS' layout 4.
 *
 * The map behind the inode has u32 block numbers, or (format bit 5) 8-byte records of u16 block high,
 * u16 device, u32 block low; the high part counts with format bit 6 alone. All ones are a hole. Source:
 * struct erofs_inode_chunk_index of fs/erofs/erofs_fs.h.
 */
import { alignUp } from "../../bytes/align.ts";
import { FastboopError } from "../../errors/errors.ts";
import { checkBounds } from "../../sources/bounds.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import type { ErofsInode } from "./inode.ts";
import type { Superblock } from "./superblock.ts";

const BITS_MASK = 0x1f;
const RECORDS = 0x20;
const BIT48 = 0x40;
const NULL_BLOCK = 0xffffffff;

/** Where the chunks are: the image, and the space that holds the inode with its map. */
export interface ChunkSpaces {
  readonly image: Reader;
  readonly meta: Reader;
}

/** Reader of a chunked file. */
export class ChunkedData implements Reader {
  readonly sizeBytes: number;
  readonly #name: () => string;
  readonly #spaces: ChunkSpaces;
  readonly #blockBytes: number;
  readonly #chunkBytes: number;
  readonly #recordBytes: number;
  readonly #mapOffset: number;
  readonly #wide: boolean;

  /** @throws {FastboopError} `corrupt` when the map does not fit, `unsupported` for a format unknown. */
  constructor(
    name: () => string,
    spaces: ChunkSpaces,
    superblock: Superblock,
    inode: ErofsInode,
  ) {
    const { chunkFormat, sizeBytes } = inode;
    this.#name = name;
    if (chunkFormat & ~(BITS_MASK | RECORDS | BIT48)) {
      const state = `its chunk format 0x${chunkFormat.toString(16)} is not known here`;
      throw new FastboopError({ kind: "unsupported", action: this.#action, state });
    }
    this.sizeBytes = sizeBytes;
    this.#spaces = spaces;
    this.#blockBytes = superblock.blockBytes;
    this.#chunkBytes = 2 ** ((chunkFormat & BITS_MASK) + superblock.blockBits);
    this.#recordBytes = chunkFormat & RECORDS ? 8 : 4;
    this.#wide = (chunkFormat & BIT48) !== 0;
    this.#mapOffset = alignUp(inode.offset + inode.headBytes + inode.xattrBytes, this.#recordBytes);
    const mapBytes = Math.ceil(sizeBytes / this.#chunkBytes) * this.#recordBytes;
    if (mapBytes > spaces.meta.sizeBytes - this.#mapOffset) {
      throw damaged(this.#action, `${sizeBytes} bytes need a map that does not fit`);
    }
  }

  get identity(): string {
    return this.#name();
  }

  get #action(): string {
    return `Read ${this.identity}`;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    if (into.length === 0) return;
    const first = Math.floor(offsetBytes / this.#chunkBytes);
    const last = Math.floor((offsetBytes + into.length - 1) / this.#chunkBytes);
    const map = new Uint8Array((last - first + 1) * this.#recordBytes);
    await this.#spaces.meta.readAt(this.#mapOffset + first * this.#recordBytes, map, options);
    const view = new DataView(map.buffer);
    const end = offsetBytes + into.length;
    for (let at = offsetBytes; at < end;) {
      let chunk = Math.floor(at / this.#chunkBytes);
      const start = this.#chunkStart(view, chunk - first);
      // Neighbours in the file that are neighbours in the image are one read.
      let stop = ++chunk * this.#chunkBytes;
      for (; stop < end && start !== undefined; stop = ++chunk * this.#chunkBytes) {
        const gap = chunk * this.#chunkBytes - Math.floor(at / this.#chunkBytes) * this.#chunkBytes;
        if (this.#chunkStart(view, chunk - first) !== start + gap) break;
      }
      stop = Math.min(stop, end);
      const part = into.subarray(at - offsetBytes, stop - offsetBytes);
      if (start === undefined) part.fill(0);
      else await this.#read(start + (at % this.#chunkBytes), part, options);
      at = stop;
    }
  }

  async #read(physical: number, part: Uint8Array, options?: ReadOptions): Promise<void> {
    const { image } = this.#spaces;
    if (physical + part.length > image.sizeBytes) {
      throw damaged(this.#action, `a chunk at ${physical} lies behind the image's end`);
    }
    await image.readAt(physical, part, options);
  }

  /** Byte where a chunk starts; undefined for a hole. */
  #chunkStart(view: DataView, index: number): number | undefined {
    if (this.#recordBytes === 4) {
      const block = view.getUint32(index * 4, true);
      return block === NULL_BLOCK ? undefined : block * this.#blockBytes;
    }
    const low = view.getUint32(index * 8 + 4, true);
    const high = this.#wide ? view.getUint16(index * 8, true) : 0;
    if (low === NULL_BLOCK && (!this.#wide || high === 0xffff)) return undefined;
    if (view.getUint16(index * 8 + 2, true) !== 0) {
      const state = "a chunk lies on another device";
      throw new FastboopError({ kind: "unsupported", action: this.#action, state });
    }
    return (low + high * 2 ** 32) * this.#blockBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
