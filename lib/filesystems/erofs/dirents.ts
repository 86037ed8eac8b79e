/**
 * EROFS directory blocks: records of 12 bytes, then the names they point to.
 *
 *     u64 nid, u16 name offset, u8 type, u8 0
 *
 * A name ends where the next begins, the last with the block or a NUL. Source: struct erofs_dirent of
 * fs/erofs/erofs_fs.h.
 */
import { damaged } from "../damaged.ts";
import { decodeName, plainText } from "../decode_name.ts";
import { addName, checkNameCount, type DirectoryNames } from "../image_tree.ts";
import { NAME_LIMIT_BYTES } from "../limits.ts";
import { SortedNames } from "../sorted_names.ts";
import { refOfNid } from "./superblock.ts";

const RECORD_BYTES = 12;

/** The names of a directory, block by block. */
export class Dirents {
  readonly #action: string;
  readonly #names: string[] = [];
  readonly #refs: number[] = [];
  /** Whether the names are ASCII and sorted, as mkfs.erofs leaves them and the kernel needs them. */
  #isSorted = true;

  constructor(action: string) {
    this.#action = action;
  }

  /**
   * Adds a block, the last of which may be short.
   *
   * @throws {FastboopError} `corrupt`, `limit`, or `unsupported` for names that are not UTF-8.
   */
  addBlock(block: Uint8Array): void {
    const action = this.#action;
    if (block.length < RECORD_BYTES) {
      throw damaged(action, `a block of ${block.length} bytes has no room for an entry`);
    }
    const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    const recordsEnd = view.getUint16(8, true);
    if (recordsEnd === 0 || recordsEnd % RECORD_BYTES !== 0 || recordsEnd >= block.length) {
      throw damaged(action, `the first name is at byte ${recordsEnd} of ${block.length}`);
    }
    const text = plainText(block.subarray(recordsEnd));
    let start = recordsEnd;
    for (let record = 0; record < recordsEnd; record += RECORD_BYTES) {
      const last = record + RECORD_BYTES === recordsEnd;
      const end = last ? endOfLast(block, start) : view.getUint16(record + RECORD_BYTES + 8, true);
      if (end <= start || end > block.length) {
        throw damaged(action, `a name reaches from byte ${start} to ${end} of ${block.length}`);
      }
      const isPlain = end - recordsEnd <= text.length && end - start <= NAME_LIMIT_BYTES;
      const name = isPlain
        ? text.slice(start - recordsEnd, end - recordsEnd)
        : decodeName(action, block.subarray(start, end));
      start = end;
      if (name === "." || name === "..") continue;
      const ref = refOfNid(view, record);
      if (Number.isNaN(ref)) throw damaged(action, "a node number lies outside every image");
      this.#add(name, ref, isPlain);
    }
  }

  /** All names; `corrupt` when one occurs twice. */
  finish(): DirectoryNames {
    if (this.#isSorted) return new SortedNames(this.#names, this.#refs);
    const names = new Map<string, number>();
    this.#names.forEach((name, i) => addName(this.#action, names, name, this.#refs[i]!));
    return names;
  }

  #add(name: string, ref: number, isPlain: boolean): void {
    checkNameCount(this.#action, this.#names.length);
    if (!isPlain || (this.#names.length > 0 && this.#names.at(-1)! >= name)) this.#isSorted = false;
    this.#names.push(name);
    this.#refs.push(ref);
  }
}

function endOfLast(block: Uint8Array, start: number): number {
  const nul = block.indexOf(0, start);
  return nul < 0 ? block.length : nul;
}
