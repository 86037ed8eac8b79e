import type { FileTree } from "../sources/file_tree.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";

/** A file of a tree that closes the tree with itself. */
export class MemberReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #member: Reader;
  readonly #tree: FileTree;

  constructor(member: Reader, tree: FileTree) {
    this.#member = member;
    this.#tree = tree;
    this.sizeBytes = member.sizeBytes;
    this.identity = member.identity;
  }

  readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    return this.#member.readAt(offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _tree = this.#tree;
    await this.#member[Symbol.asyncDispose]();
  }
}
