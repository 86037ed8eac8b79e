import { cancelled } from "../../errors/errors.ts";
import { checkBounds } from "../../sources/bounds.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { type BlockRun, findRun } from "./read_block_map.ts";
import type { ReadInode } from "./read_inode.ts";
import type { Ext4Space } from "./read_space.ts";

/** Data of an inode that lies in blocks; holes and unwritten extents read as zeros. */
export class BlockData implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #space: Ext4Space;
  readonly #inode: ReadInode;
  /** The run found last: sequential reads mostly stay in it. */
  #last: BlockRun = { logical: 0, count: 0, block: undefined };

  constructor(space: Ext4Space, inode: ReadInode) {
    this.identity = `${space.identity}#ext4-inode=${inode.ref}`;
    this.sizeBytes = inode.sizeBytes;
    this.#space = space;
    this.#inode = inode;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    const { blockBytes } = this.#space.superblock;
    const action = `Read ${this.identity}`;
    for (let done = 0; done < into.length;) {
      if (options.signal?.aborted) throw cancelled(action, options.signal);
      const at = offsetBytes + done;
      const logical = Math.floor(at / blockBytes);
      const run = await this.#run(logical);
      const skip = logical - run.logical;
      const runBytes = (run.count - skip) * blockBytes - (at % blockBytes);
      const part = into.subarray(done, done + Math.min(runBytes, into.length - done));
      if (run.block === undefined) part.fill(0);
      else await this.#space.data(action, run.block + skip, at % blockBytes, part, options);
      done += part.length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #run(logical: number): Promise<BlockRun> {
    const last = this.#last;
    if (logical >= last.logical && logical < last.logical + last.count) return last;
    return this.#last = await findRun(this.#space, this.#inode, logical);
  }
}

/** Data inside the inode; what is not stored of the size reads as zeros, as the kernel has it. */
export class InlineData implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #stored: Uint8Array;

  constructor(identity: string, stored: Uint8Array, sizeBytes: number) {
    this.identity = identity;
    this.sizeBytes = sizeBytes;
    this.#stored = stored;
  }

  // deno-lint-ignore require-await
  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    if (options.signal?.aborted) throw cancelled(`Read ${this.identity}`, options.signal);
    checkBounds(this, offsetBytes, into.length);
    const part = this.#stored.subarray(offsetBytes, offsetBytes + into.length);
    into.set(part);
    into.fill(0, part.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
