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
  /** Nothing but the first 64 bytes and what begins here or later was looked at. */
  readonly tablesAtBytes: number;
}

const SHT_NULL = 0;
const SHT_NOBITS = 8;
/** Longest section name we read. */
const MAX_NAME_BYTES = 256;

/**
 * Reads the headers of a whole ELF file.
 *
 * @param what names the file in errors.
 * @param wanted the sections to give, by name; all when left out. All are checked.
 * @throws {FastboopError} `corrupt` when it is no ELF file or a header points outside of it,
 * `unsupported` when it is 32-bit or big-endian.
 */
export function parseElf(bytes: Uint8Array, what: string, wanted?: readonly string[]): Elf {
  const headers = new FileHeaders(bytes, what);
  return {
    type: headers.view.getUint16(16, true),
    machine: headers.view.getUint16(18, true),
    segmentTypes: headers.segmentTypes(),
    sections: headers.sections(wanted),
    tablesAtBytes: headers.tablesAtBytes,
  };
}

interface HeaderTable {
  start: number;
  end: number;
  entryBytes: number;
}

class FileHeaders {
  readonly view: DataView;
  tablesAtBytes = Infinity;

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
    const table = this.#table(32, 54, 56);
    const types: number[] = [];
    for (let at = table.start; at < table.end; at += table.entryBytes) {
      types.push(this.view.getUint32(at, true));
    }
    return types;
  }

  /** One pass without garbage: depmod meets some 200 000 sections and wants a tenth of them. */
  sections(wanted?: readonly string[]): ElfSection[] {
    const table = this.#table(40, 58, 64);
    const names = this.#sectionNames(table);
    const sections: ElfSection[] = [];
    for (let at = table.start; at < table.end; at += table.entryBytes) {
      const offsetBytes = this.#size(at + 24);
      const sizeBytes = this.#size(at + 32);
      if (!this.#isStored(at)) continue;
      if (offsetBytes + sizeBytes > this.bytes.length) {
        this.#fail(`section ${(at - table.start) / table.entryBytes} ends past the file`);
      }
      const nameAt = names.offsetBytes + this.view.getUint32(at, true);
      const namesEnd = names.offsetBytes + names.sizeBytes;
      if (wanted === undefined) {
        sections.push({ name: this.#name(nameAt, namesEnd), offsetBytes, sizeBytes });
        continue;
      }
      const name = wanted.find((candidate) => this.#isName(candidate, nameAt, namesEnd));
      if (name !== undefined) sections.push({ name, offsetBytes, sizeBytes });
    }
    return sections;
  }

  #sectionNames(table: HeaderTable): { offsetBytes: number; sizeBytes: number } {
    const at = table.start + this.view.getUint16(62, true) * table.entryBytes;
    if (at >= table.end || !this.#isStored(at)) return { offsetBytes: 0, sizeBytes: 0 };
    const offsetBytes = this.#size(at + 24);
    this.tablesAtBytes = Math.min(this.tablesAtBytes, offsetBytes);
    return { offsetBytes, sizeBytes: this.#size(at + 32) };
  }

  #isStored(at: number): boolean {
    const type = this.view.getUint32(at + 4, true);
    return type !== SHT_NULL && type !== SHT_NOBITS;
  }

  /** A table, whose offset, entry size and count stand in the file header. */
  #table(offsetAt: number, entryBytesAt: number, minimumBytes: number): HeaderTable {
    const start = this.#size(offsetAt);
    const entryBytes = this.view.getUint16(entryBytesAt, true);
    const count = this.view.getUint16(entryBytesAt + 2, true);
    if (count === 0) return { start: 0, end: 0, entryBytes: 1 };
    if (entryBytes < minimumBytes) this.#fail(`a header has ${entryBytes} bytes`);
    const end = start + entryBytes * count;
    if (end > this.bytes.length) this.#fail("a header table ends past the file");
    this.tablesAtBytes = Math.min(this.tablesAtBytes, start);
    return { start, end, entryBytes };
  }

  #name(start: number, namesEnd: number): string {
    const limit = Math.min(namesEnd, start + MAX_NAME_BYTES);
    let name = "";
    for (let at = start; at < limit && this.bytes[at] !== 0; at++) {
      name += String.fromCharCode(this.bytes[at]!);
    }
    return name;
  }

  #isName(name: string, start: number, namesEnd: number): boolean {
    const end = start + name.length;
    if (end >= namesEnd || end >= this.bytes.length || this.bytes[end] !== 0) return false;
    for (let i = 0; i < name.length; i++) {
      if (this.bytes[start + i] !== name.charCodeAt(i)) return false;
    }
    return true;
  }

  #size(at: number): number {
    const value = this.view.getUint32(at + 4, true) * 2 ** 32 + this.view.getUint32(at, true);
    if (value > Number.MAX_SAFE_INTEGER) this.#fail(`a size is ${value}`);
    return value;
  }

  #fail(state: string, kind: "corrupt" | "unsupported" = "corrupt"): never {
    throw new FastboopError({ kind, action: `Read the ELF headers of ${this.what}`, state });
  }
}
