/** The blocks of an image that is being read: metadata by pages, everything inside its bounds. */
import { PageCache } from "../../sources/page_cache.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import type { Ext4Superblock } from "./read_superblock.ts";

const META_PAGE_BYTES = 32 << 10;
const META_CACHE_BYTES = 8 << 20;

/** Block access to an image. It owns the reader. */
export class Ext4Space implements AsyncDisposable {
  readonly superblock: Ext4Superblock;
  readonly identity: string;
  readonly #image: Reader;
  readonly #meta: PageCache;

  constructor(image: Reader, superblock: Ext4Superblock) {
    this.superblock = superblock;
    this.identity = image.identity;
    this.#image = image;
    this.#meta = new PageCache(image, {
      pageSizeBytes: META_PAGE_BYTES,
      capacityBytes: META_CACHE_BYTES,
      readAheadBytes: 0,
    });
  }

  /** A copy of one block of metadata. */
  async block(action: string, block: number): Promise<Uint8Array> {
    this.check(action, block, 1);
    const { blockBytes } = this.superblock;
    const bytes = new Uint8Array(blockBytes);
    await this.#meta.readAt(block * blockBytes, bytes);
    return bytes;
  }

  /** Part of a block of metadata. */
  async part(
    action: string,
    block: number,
    offsetBytes: number,
    lengthBytes: number,
  ): Promise<Uint8Array> {
    const { blockBytes } = this.superblock;
    this.check(action, block, Math.max(1, Math.ceil((offsetBytes + lengthBytes) / blockBytes)));
    const bytes = new Uint8Array(lengthBytes);
    await this.#meta.readAt(block * blockBytes + offsetBytes, bytes);
    return bytes;
  }

  /** File data, past the cache of metadata. */
  async data(
    action: string,
    block: number,
    offsetBytes: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<void> {
    const { blockBytes } = this.superblock;
    this.check(action, block, Math.ceil((offsetBytes + into.length) / blockBytes));
    await this.#image.readAt(block * blockBytes + offsetBytes, into, options);
  }

  /** @throws {FastboopError} `corrupt` when the blocks are not all of the file system's. */
  check(action: string, block: number, count: number): void {
    const { firstDataBlock, blockCount } = this.superblock;
    // Block 0 holds the superblock, or the boot sector, and never anything else.
    if (block > firstDataBlock && block + count <= blockCount) return;
    throw damaged(action, `blocks ${block} to ${block + count - 1} lie outside the file system`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#meta[Symbol.asyncDispose]();
  }
}
