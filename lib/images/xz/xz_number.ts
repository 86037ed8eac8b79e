import { brokenXz } from "./broken_xz.ts";

/** Reads numbers of 7 bits per byte, low ones first, between two offsets. */
export class XzNumbers {
  constructor(readonly bytes: Uint8Array, public at: number, readonly end: number) {}

  /** @throws {FastboopError} `corrupt` at the end; `limit` above 2^53. */
  next(): number {
    let value = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte >= 0x80) continue;
      if (byte === 0 && shift > 0) throw brokenXz("a number in it has a zero behind its end");
      if (!Number.isSafeInteger(value)) throw brokenXz("a number in it is above 2^53", "limit");
      return value;
    }
    throw brokenXz("a number in it has more than 9 bytes");
  }

  byte(): number {
    if (this.at >= this.end) throw brokenXz("a header ends within a field");
    return this.bytes[this.at++]!;
  }

  /** The rest up to `end` must be zero. */
  padding(what: string): void {
    while (this.at < this.end) if (this.byte() !== 0) throw brokenXz(`${what} is not zero`);
  }
}

/** `value` in such bytes. */
export function xzNumberBytes(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push(value % 128 | 0x80);
  return [...bytes, value];
}
