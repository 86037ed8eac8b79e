/**
 * The binary index of kmod: a radix tree that modprobe maps into memory and walks by file offsets.
 *
 * ```text
 * 0   u32 magic 0xb007f457    4   u32 version 2.1    8   u32 root          all big-endian
 * a reference to a node: bits 0..27 its offset in the file, bits 29..31 which parts it has
 * node: [prefix, NUL]  [u8 first, u8 last, u32 child per character]  [u32 count, (u32 priority, value, NUL)...]
 * ```
 *
 * Children are written before their parent. Source: kmod's libkmod/libkmod-index.h, which describes it.
 */
import { FastboopError } from "../../errors/errors.ts";

/** One value of a key. A key may have several: they are kept in order of priority. */
export interface IndexRecord {
  /** 7-bit characters without NUL. */
  readonly key: string;
  readonly value: string;
  readonly priority: number;
}

export const MAGIC = 0xb007f457;
const VERSION = 0x0002_0001;
export const HEADER_BYTES = 12;
export const HAS_PREFIX = 0x8000_0000;
export const HAS_VALUES = 0x4000_0000;
export const HAS_CHILDREN = 0x2000_0000;
export const MAX_BYTES = 0x0fff_ffff;
/** PATH_MAX, which bounds the names kmod looks up; also bounds the depth of the tree. */
export const MAX_KEY_CHARACTERS = 4095;

/** Whether a key can be stored: what cannot is never looked up either. */
export function isIndexKey(key: string): boolean {
  // deno-lint-ignore no-control-regex
  return key.length <= MAX_KEY_CHARACTERS && /^[\x01-\x7f]*$/.test(key);
}

/**
 * Encodes the records; each key must satisfy {@link isIndexKey}.
 *
 * @throws {FastboopError} `limit` when the index would not fit its 28-bit offsets.
 */
export function encodeIndex(records: readonly IndexRecord[]): Uint8Array<ArrayBuffer> {
  const sorted = records.toSorted((a, b) =>
    a.key === b.key ? a.priority - b.priority : a.key < b.key ? -1 : 1
  );
  const writer = new NodeWriter(sorted);
  return writer.finish(writer.node(0, sorted.length, 0));
}

class NodeWriter {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #at = HEADER_BYTES;

  constructor(readonly records: readonly IndexRecord[]) {}

  /** Writes the node of `records[from..to]`, which have their first `depth` characters in common. */
  node(from: number, to: number, depth: number): number {
    const prefixEnd = this.#sharedEnd(from, to, depth);
    const prefix = from < to ? this.records[from]!.key.slice(depth, prefixEnd) : "";
    let values = from;
    while (values < to && this.records[values]!.key.length === prefixEnd) values++;
    const children = this.#children(values, to, prefixEnd);
    const at = this.#at;
    if (prefix !== "") this.#text(prefix);
    if (children.length > 0) this.#childTable(children);
    if (values > from) this.#values(from, values);
    const parts = (prefix === "" ? 0 : HAS_PREFIX) + (children.length > 0 ? HAS_CHILDREN : 0) +
      (values > from ? HAS_VALUES : 0);
    return parts + at;
  }

  finish(root: number): Uint8Array<ArrayBuffer> {
    this.#view.setUint32(0, MAGIC);
    this.#view.setUint32(4, VERSION);
    this.#view.setUint32(8, root);
    return this.#bytes.slice(0, this.#at);
  }

  #sharedEnd(from: number, to: number, depth: number): number {
    if (from >= to) return depth;
    const first = this.records[from]!.key;
    const last = this.records[to - 1]!.key;
    const limit = Math.min(first.length, last.length);
    let end = depth;
    while (end < limit && first.charCodeAt(end) === last.charCodeAt(end)) end++;
    return end;
  }

  #children(from: number, to: number, at: number): { character: number; node: number }[] {
    const children: { character: number; node: number }[] = [];
    for (let start = from; start < to;) {
      const character = this.records[start]!.key.charCodeAt(at);
      let end = start + 1;
      while (end < to && this.records[end]!.key.charCodeAt(at) === character) end++;
      children.push({ character, node: this.node(start, end, at + 1) });
      start = end;
    }
    return children;
  }

  #childTable(children: readonly { character: number; node: number }[]): void {
    const first = children[0]!.character;
    const last = children.at(-1)!.character;
    const sizeBytes = 2 + (last - first + 1) * 4;
    this.#reserve(sizeBytes);
    this.#bytes[this.#at] = first;
    this.#bytes[this.#at + 1] = last;
    // Characters without a child keep the 0 that is there.
    for (const { character, node } of children) {
      this.#view.setUint32(this.#at + 2 + (character - first) * 4, node);
    }
    this.#at += sizeBytes;
  }

  #values(from: number, to: number): void {
    this.#number(to - from);
    for (let i = from; i < to; i++) {
      this.#number(this.records[i]!.priority);
      this.#text(this.records[i]!.value);
    }
  }

  #number(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  #text(text: string): void {
    // A character of UTF-16 becomes 3 bytes at most.
    this.#reserve(text.length * 3 + 1);
    const end = this.#at + text.length;
    for (let i = 0; i < text.length; i++) {
      const character = text.charCodeAt(i);
      if (character > 0x7f) {
        this.#at += encoder.encodeInto(text, this.#bytes.subarray(this.#at)).written;
        this.#bytes[this.#at++] = 0;
        return;
      }
      this.#bytes[this.#at + i] = character;
    }
    this.#bytes[end] = 0;
    this.#at = end + 1;
  }

  #reserve(sizeBytes: number): void {
    const needed = this.#at + sizeBytes;
    if (needed <= this.#bytes.length) return;
    if (needed > MAX_BYTES) {
      throw new FastboopError({
        kind: "limit",
        action: "Encode a binary module index",
        state: `it would be larger than ${MAX_BYTES} bytes`,
      });
    }
    const wider = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    wider.set(this.#bytes);
    this.#bytes = wider;
    this.#view = new DataView(wider.buffer);
  }
}

const encoder = new TextEncoder();
