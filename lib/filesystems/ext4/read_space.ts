/** The blocks of an image that is being read, everything inside its bounds. */
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import { ImagePages } from "../image_pages.ts";
import type { Ext4Superblock } from "./read_superblock.ts";

/** Block access to an image. It owns the reader. */
export class Ext4Space implements AsyncDisposable {
  readonly superblock: Ext4Superblock;
  readonly identity: string;
  /** Where the inode tables of the groups seen so far start. */
  readonly inodeTables = new Map<number, number>();
  readonly #image: ImagePages;

  constructor(image: Reader, superblock: Ext4Superblock) {
    this.superblock = superblock;
    this.identity = image.identity;
    this.#image = new ImagePages(image);
  }

  /** A copy of one block of metadata. */
  async block(action: string, block: number): Promise<Uint8Array> {
    return await this.part(action, block, 0, this.superblock.blockBytes);
  }

  /** A copy of a part of a block of metadata, at once when it is held. */
  part(
    action: string,
    block: number,
    offsetBytes: number,
    lengthBytes: number,
  ): Uint8Array | Promise<Uint8Array> {
    const { blockBytes } = this.superblock;
    this.check(action, block, Math.max(1, Math.ceil((offsetBytes + lengthBytes) / blockBytes)));
    const start = block * blockBytes + offsetBytes;
    const held = this.#image.peek(start, lengthBytes);
    if (held !== undefined) return held.slice();
    const bytes = new Uint8Array(lengthBytes);
    return this.#image.readAt(start, bytes).then(() => bytes);
  }

  /** File data. */
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
    await this.#image[Symbol.asyncDispose]();
  }
}
