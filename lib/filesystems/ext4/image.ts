/**
 * An ext4 image that exists nowhere: metadata is encoded when it is read, file data stays in its files.
 *
 * Any byte range can be read at any time, by any number of callers. A file that changed since the layout
 * fails with `source`, and only the blocks of that file do.
 */
import { cancelled } from "../../errors/errors.ts";
import { checkBounds } from "../../sources/bounds.ts";
import { LeaseCache } from "../../sources/lease_cache.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { BLOCK_BYTES } from "./format.ts";
import { lastAtMost } from "./last_at_most.ts";
import type { Ext4Layout } from "./layout.ts";
import { encodeMetadataBlock } from "./metadata.ts";
import type { Ext4Inode } from "./walk.ts";

/** Readers of files that are kept open. */
const OPEN_READERS = 64;

/** The image of a layout. */
export class Ext4Image implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly layout: Ext4Layout;
  readonly #readers = new LeaseCache<Ext4Inode, Promise<Reader>>(
    OPEN_READERS,
    (reader) => void reader.then((r) => r[Symbol.asyncDispose]()).catch(() => {}),
  );
  /** The block that was read in part last; small reads come in sequence. */
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #blockNumber = -1;

  constructor(layout: Ext4Layout) {
    this.layout = layout;
    this.sizeBytes = layout.sizeBytes;
    this.identity = layout.identity;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    const { data, used } = this.layout.geometry;
    for (let done = 0; done < into.length;) {
      if (options.signal?.aborted) throw cancelled("Read the ext4 image", options.signal);
      const rest = into.subarray(done);
      const position = offsetBytes + done;
      const block = Math.floor(position / BLOCK_BYTES);
      if (block < data) done += this.#readMetadata(block, position % BLOCK_BYTES, rest);
      else if (block < used) done += await this.#readFile(position, block, rest, options);
      else done += rest.fill(0).length;
    }
  }

  /** Forgets the open readers; the tree belongs to the caller. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#readers.clear();
    return Promise.resolve();
  }

  /** Fills the start of `into` from one block and returns how much. */
  #readMetadata(block: number, skipBytes: number, into: Uint8Array): number {
    if (skipBytes === 0 && into.length >= BLOCK_BYTES) {
      encodeMetadataBlock(this.layout, block, into.subarray(0, BLOCK_BYTES));
      return BLOCK_BYTES;
    }
    if (this.#blockNumber !== block) {
      encodeMetadataBlock(this.layout, block, this.#block);
      this.#blockNumber = block;
    }
    const part = this.#block.subarray(skipBytes, skipBytes + into.length);
    into.set(part);
    return part.length;
  }

  /** Fills the start of `into` from one file, with the zeros behind its end, and returns how much. */
  async #readFile(
    position: number,
    block: number,
    into: Uint8Array,
    options: ReadOptions,
  ): Promise<number> {
    const { files } = this.layout;
    const inode = files[lastAtMost(files, block)]!;
    const fileOffset = position - inode.startBlock * BLOCK_BYTES;
    const runBytes = inode.blockCount * BLOCK_BYTES - fileOffset;
    const part = into.length > runBytes ? into.subarray(0, runBytes) : into;
    const dataBytes = Math.max(0, Math.min(part.length, inode.entry.sizeBytes - fileOffset));
    part.fill(0, dataBytes);
    if (dataBytes > 0) {
      await this.#readData(inode, fileOffset, part.subarray(0, dataBytes), options);
    }
    return part.length;
  }

  async #readData(
    inode: Ext4Inode,
    fileOffset: number,
    into: Uint8Array,
    options: ReadOptions,
  ): Promise<void> {
    const { tree } = this.layout;
    if (into.length === inode.entry.sizeBytes) {
      // Whole files, as a front-to-back copy reads them, are not worth a place in the cache.
      const reader = await tree.open(inode.path, inode.entry);
      try {
        await reader.readAt(0, into, options);
      } finally {
        await reader[Symbol.asyncDispose]();
      }
      return;
    }
    await this.#readers.with(inode, () => tree.open(inode.path, inode.entry), async (opening) => {
      try {
        await (await opening).readAt(fileOffset, into, options);
      } catch (error) {
        // The next read opens the file anew: what failed may have been the network.
        this.#readers.drop(inode);
        throw error;
      }
    });
  }
}
