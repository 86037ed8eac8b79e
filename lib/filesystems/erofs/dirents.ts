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
import { addName } from "../image_tree.ts";
import { NAME_LIMIT_BYTES } from "../limits.ts";
import { refOfNid } from "./superblock.ts";

const RECORD_BYTES = 12;

/**
 * Adds the names of one directory block, the last of which may be short, to `names`.
 *
 * @throws {FastboopError} `corrupt`, or `unsupported` for names that are not UTF-8.
 */
export function parseDirents(
  action: string,
  block: Uint8Array,
  names: Map<string, number>,
): void {
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
    addName(action, names, name, ref);
  }
}

function endOfLast(block: Uint8Array, start: number): number {
  const nul = block.indexOf(0, start);
  return nul < 0 ? block.length : nul;
}
