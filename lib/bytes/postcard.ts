/**
 * The part of the postcard wire format that profiles, pipelines and hints need.
 *
 * Shape: unsigned integers are LEB128 varints (at most 3, 5 or 10 bytes for 16, 32 or 64 bits), u8 and bool are
 * one byte, strings, byte arrays and lists a varint count and their items, an option 0 or 1 and the value, an
 * enum the varint of its variant; structs are their fields in order. Source: the postcard wire specification
 * (postcard.jamesmunns.com/wire-format).
 */
import { FastboopError } from "../errors/errors.ts";

const BITS = { u16: 16, u32: 32, u64: 64 } as const;
export type PostcardInteger = keyof typeof BITS;

/** Collects values. Numbers must be safe integers: the caller's types say so. */
export class PostcardWriter {
  #bytes = new Uint8Array(256);
  #sizeBytes = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#sizeBytes++] = value;
  }

  bool(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte(rest % 0x80 + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  string(value: string): void {
    this.bytes(new TextEncoder().encode(value));
  }

  option<T>(value: T | undefined, write: (value: T) => void): void {
    this.bool(value !== undefined);
    if (value !== undefined) write(value);
  }

  list<T>(values: readonly T[], write: (value: T) => void): void {
    this.varint(values.length);
    for (const value of values) write(value);
  }

  /** Bytes as they are, without a count. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#sizeBytes);
    this.#sizeBytes += value.length;
  }

  #reserve(sizeBytes: number): void {
    const needed = this.#sizeBytes + sizeBytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#sizeBytes));
    this.#bytes = larger;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#sizeBytes);
  }
}

/** Takes values from bytes of unknown origin; every count is held against the bytes that are left. */
export class PostcardReader {
  readonly #bytes: Uint8Array;
  readonly #action: string;
  #offset: number;

  constructor(bytes: Uint8Array, action: string, offsetBytes = 0) {
    this.#bytes = bytes;
    this.#action = action;
    this.#offset = offsetBytes;
  }

  get offsetBytes(): number {
    return this.#offset;
  }

  get leftBytes(): number {
    return this.#bytes.length - this.#offset;
  }

  /** @throws {FastboopError} always. */
  fail(state: string, kind: "corrupt" | "limit" | "unsupported" = "corrupt"): never {
    throw new FastboopError({
      kind,
      action: this.#action,
      state: `${state} (before byte ${this.#offset})`,
    });
  }

  byte(): number {
    return this.#bytes[this.#offset++] ?? this.#ended();
  }

  #ended(): never {
    this.#offset = this.#bytes.length;
    return this.fail("it ends too early");
  }

  bool(): boolean {
    const value = this.byte();
    return value > 1 ? this.fail(`a yes or no is ${value}`) : value === 1;
  }

  /** @throws {FastboopError} `corrupt` when it does not fit its type, `limit` beyond 2^53. */
  varint(type: PostcardInteger): number {
    if (this.#bytes[this.#offset]! < 0x80) return this.#bytes[this.#offset++]!;
    const bits = BITS[type];
    let value = 0;
    for (let shift = 0; shift < bits; shift += 7) {
      const byte = this.byte();
      const part = byte & 0x7f;
      if (bits - shift < 7 && part >= 2 ** (bits - shift)) break;
      value += part * 2 ** shift;
      if (byte < 0x80) {
        return Number.isSafeInteger(value) ? value : this.fail("a number is beyond 2^53", "limit");
      }
    }
    return this.fail(`a number has more than ${bits} bits`);
  }

  /** The array is a view into the input. */
  bytes(mostBytes: number): Uint8Array {
    const sizeBytes = this.varint("u64");
    if (sizeBytes > this.leftBytes) {
      this.fail(`a field of ${sizeBytes} bytes, ${this.leftBytes} are left`);
    }
    if (sizeBytes > mostBytes) {
      this.fail(`a field of ${sizeBytes} bytes, at most ${mostBytes}`, "limit");
    }
    return this.raw(sizeBytes);
  }

  string(mostBytes: number): string {
    const bytes = this.bytes(mostBytes);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return this.fail("a text is not UTF-8");
    }
  }

  option<T>(read: () => T): T | undefined {
    return this.bool() ? read() : undefined;
  }

  /** `itemBytes` is the least an item takes. */
  list<T>(itemBytes: number, most: number, read: () => T): T[] {
    const count = this.varint("u64");
    if (count * itemBytes > this.leftBytes) {
      this.fail(`a list of ${count} items, ${this.leftBytes} bytes are left`);
    }
    if (count > most) this.fail(`a list of ${count} items, at most ${most}`, "limit");
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  raw(sizeBytes: number): Uint8Array {
    if (sizeBytes > this.leftBytes) return this.#ended();
    const bytes = this.#bytes.subarray(this.#offset, this.#offset + sizeBytes);
    this.#offset += sizeBytes;
    return bytes;
  }
}
