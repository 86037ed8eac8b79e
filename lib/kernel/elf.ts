/**
 * The headers of an ELF file, as far as kernel modules and stage0 need them.
 *
 * Only 64-bit little-endian files, which is what both architectures use. Source: elf(5) and
 * include/uapi/linux/elf.h. Nothing is trusted: every offset is checked before it is followed.
 */
import { FastboopError } from "../errors/errors.ts";

export interface ElfSection {
  readonly name: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface Elf {
  /** e_type: 1 relocatable, 2 executable, 3 shared or position independent. */
  readonly type: number;
  /** e_machine: 62 x86_64, 183 aarch64. */
  readonly machine: number;
  /** p_type of every program header: 1 LOAD, 2 DYNAMIC, 3 INTERP. */
  readonly segmentTypes: readonly number[];
  /** Sections that have bytes in the file. */
  readonly sections: readonly ElfSection[];
}

const SHT_NULL = 0;
const SHT_NOBITS = 8;
/** Longest section name we read. */
const MAX_NAME_BYTES = 256;

/**
 * Reads the headers of a whole ELF file.
 *
 * @param what names the file in errors.
 * @throws {FastboopError} `corrupt` when it is no ELF file or a header points outside of it,
 * `unsupported` when it is 32-bit or big-endian.
 */
export function parseElf(bytes: Uint8Array, what: string): Elf {
  const headers = new FileHeaders(bytes, what);
  return {
    type: headers.view.getUint16(16, true),
    machine: headers.view.getUint16(18, true),
    segmentTypes: headers.segmentTypes(),
    sections: headers.sections(),
  };
}

class FileHeaders {
  readonly view: DataView;

  constructor(readonly bytes: Uint8Array, readonly what: string) {
    const isElf = bytes.length >= 64 && bytes[0] === 0x7f && bytes[1] === 0x45 &&
      bytes[2] === 0x4c && bytes[3] === 0x46;
    if (!isElf) this.#fail("it is no ELF file");
    if (bytes[4] !== 2 || bytes[5] !== 1) {
      this.#fail("it is not 64-bit little-endian", "unsupported");
    }
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  segmentTypes(): number[] {
    return this.#table(32, 54, 56).map((at) => this.view.getUint32(at, true));
  }

  sections(): ElfSection[] {
    const raw = this.#table(40, 58, 64).map((at, i) => {
      const type = this.view.getUint32(at + 4, true);
      const stored = type !== SHT_NULL && type !== SHT_NOBITS;
      const offsetBytes = this.#size(at + 24);
      const sizeBytes = this.#size(at + 32);
      if (stored && offsetBytes + sizeBytes > this.bytes.length) {
        this.#fail(`section ${i} ends past the file`);
      }
      return { nameAt: this.view.getUint32(at, true), stored, offsetBytes, sizeBytes };
    });
    const names = raw[this.view.getUint16(62, true)];
    return raw.filter(({ stored }) => stored).map(({ nameAt, offsetBytes, sizeBytes }) => ({
      name: names?.stored ? this.#name(names, nameAt) : "",
      offsetBytes,
      sizeBytes,
    }));
  }

  /** Offsets of a table's entries; its own offset, entry size and count stand in the file header. */
  #table(offsetAt: number, entryBytesAt: number, minimumBytes: number): number[] {
    const offset = this.#size(offsetAt);
    const entryBytes = this.view.getUint16(entryBytesAt, true);
    const count = this.view.getUint16(entryBytesAt + 2, true);
    if (count > 0 && entryBytes < minimumBytes) this.#fail(`a header has ${entryBytes} bytes`);
    if (offset + entryBytes * count > this.bytes.length) {
      this.#fail("a header table ends past the file");
    }
    return Array.from({ length: count }, (_, i) => offset + i * entryBytes);
  }

  #name(table: { offsetBytes: number; sizeBytes: number }, nameAt: number): string {
    if (nameAt >= table.sizeBytes) return "";
    const start = table.offsetBytes + nameAt;
    const limit = Math.min(table.offsetBytes + table.sizeBytes, start + MAX_NAME_BYTES);
    let end = start;
    while (end < limit && this.bytes[end] !== 0) end++;
    return new TextDecoder("latin1").decode(this.bytes.subarray(start, end));
  }

  #size(at: number): number {
    const value = this.view.getBigUint64(at, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.#fail(`a size is ${value}`);
    return Number(value);
  }

  #fail(state: string, kind: "corrupt" | "unsupported" = "corrupt"): never {
    throw new FastboopError({ kind, action: `Read the ELF headers of ${this.what}`, state });
  }
}
