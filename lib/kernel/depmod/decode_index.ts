/** kmod's binary index read back, as encode_index.ts describes it. The file may be damaged or hostile. */
import { FastboopError } from "../../errors/errors.ts";
import {
  HAS_CHILDREN,
  HAS_PREFIX,
  HAS_VALUES,
  HEADER_BYTES,
  type IndexRecord,
  MAGIC,
  MAX_BYTES,
  MAX_KEY_CHARACTERS,
} from "./encode_index.ts";

/**
 * All records, by key. Keys and values are read as Latin-1, which keeps every byte.
 *
 * @param what names the file in errors.
 * @throws {FastboopError} `corrupt` for an offset outside of the file, a part that is met twice or anything
 * cut short; `unsupported` for another version's; `limit` when the keys are too long all together.
 */
export function decodeIndex(bytes: Uint8Array, what: string): IndexRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fail = (state: string, kind: "corrupt" | "unsupported" | "limit" = "corrupt"): never => {
    throw new FastboopError({
      kind,
      action: `Read "${what}"`,
      state,
      hint: "Run `modules depmod`",
    });
  };
  if (bytes.length < HEADER_BYTES || view.getUint32(0) !== MAGIC) fail("it is no index of kmod");
  if (view.getUint16(4) !== 2) {
    fail(`its version is ${view.getUint16(4)}, must be 2`, "unsupported");
  }
  const textAt = (at: number): string => {
    const end = bytes.indexOf(0, at);
    if (end < 0) fail("a text does not end");
    return latin1.decode(bytes.subarray(at, end));
  };
  const numberAt = (at: number): number => {
    if (at + 4 > bytes.length) fail("it is cut short");
    return view.getUint32(at);
  };
  const records: IndexRecord[] = [];
  const seen = new Set<number>();
  let keyCharacters = 0;
  const pending = [{ reference: view.getUint32(8), key: "" }];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    // The root of an index without records has no parts, and no place in the file.
    if (node.reference >>> 29 === 0) continue;
    let { key } = node;
    let at = node.reference & MAX_BYTES;
    // Each node is there once; a file in which they share parts could unfold without end.
    if (at < HEADER_BYTES || at >= bytes.length || seen.has(at)) fail("a node is out of place");
    seen.add(at);
    if ((node.reference & HAS_PREFIX) !== 0) {
      const prefix = textAt(at);
      key += prefix;
      at += prefix.length + 1;
    }
    if (key.length > MAX_KEY_CHARACTERS) fail("a key is too long");
    if ((node.reference & HAS_CHILDREN) !== 0) {
      const [first = 0, last = 0] = bytes.subarray(at, at + 2);
      at += 2;
      for (let character = first; character <= last; character++, at += 4) {
        const reference = numberAt(at);
        if (reference === 0) continue;
        pending.push({ reference, key: key + String.fromCharCode(character) });
      }
    }
    if ((node.reference & HAS_VALUES) === 0) continue;
    const count = numberAt(at);
    at += 4;
    // Each value is there once as well.
    if (count > bytes.length / MIN_VALUE_BYTES - records.length) fail("values are out of place");
    keyCharacters += count * key.length;
    if (keyCharacters > MAX_KEYS_CHARACTERS) fail("its keys are too long all together", "limit");
    for (let i = 0; i < count; i++) {
      const priority = numberAt(at);
      const value = textAt(at + 4);
      at += 4 + value.length + 1;
      records.push({ key, value, priority });
    }
  }
  return records.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : a.priority - b.priority);
}

const latin1 = new TextDecoder("latin1");
/** A priority and the NUL of an empty text. */
const MIN_VALUE_BYTES = 5;
/** Keys share their beginnings in the file; Debian's have 3 MiB. */
const MAX_KEYS_CHARACTERS = 64 << 20;
