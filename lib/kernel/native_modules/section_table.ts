/**
 * The section headers of a kernel module, from its headers alone.
 *
 * It is a generator that asks for byte ranges and is given them, so the same code serves a look at
 * thousands of files at once and the opening of one. Only 64-bit little-endian relocatable files, which is
 * what modules are. Source: elf(5), include/uapi/linux/elf.h. Nothing is trusted: every range lies inside
 * the file before it is asked for.
 */
import { FastboopError } from "../../errors/errors.ts";

/** One section header, as stored. */
export interface ModuleSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly offsetBytes: number;
  /** What it takes of the file: 0 for sections without bytes. */
  readonly storedBytes: number;
  readonly link: number;
  readonly info: number;
  readonly alignBytes: number;
}

/** What the file says of itself. */
export interface SectionTable {
  readonly fileHeader: Uint8Array;
  /** The section headers' own bytes, 64 each. */
  readonly bytes: Uint8Array;
  /** By number: 0 is the empty section. */
  readonly sections: readonly ModuleSection[];
  /** Number of the section that holds the names. */
  readonly namesIndex: number;
  /** Where the last thing that a header describes ends. */
  readonly endBytes: number;
}

/** A part of the file that is asked for. */
export interface ByteRange {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export const SHT_SYMTAB = 2;
export const SHT_RELA = 4;
export const SHT_NOBITS = 8;
export const SHT_REL = 9;
export const SHT_GROUP = 17;
export const SHT_SYMTAB_SHNDX = 18;

export const HEADER_BYTES = 64;
export const SECTION_BYTES = 64;
const SHT_NULL = 0;
const ET_REL = 1;
/** From here on section numbers mean something else; the kernel takes no module that needs them. */
export const SHN_LORESERVE = 0xff00;
const MAX_NAME_BYTES = 256;
const MAX_NAMES_BYTES = 1 << 20;
/** Per-CPU data of kernels with 64 KiB pages has 65536. */
const MAX_ALIGN_BYTES = 1 << 21;

/**
 * Reads the section headers of a file of `sizeBytes`.
 *
 * @param what names the module in errors.
 * @throws {FastboopError} `corrupt` when it is no module or a header points outside of it,
 * `unsupported` when it is 32-bit, big-endian or has more sections than the kernel takes.
 */
export function* readSectionTable(
  sizeBytes: number,
  what: string,
): Generator<ByteRange, SectionTable, Uint8Array> {
  if (sizeBytes < HEADER_BYTES) fail(what, `it has ${sizeBytes} bytes, which is no ELF file`);
  const fileHeader = yield { offsetBytes: 0, sizeBytes: HEADER_BYTES };
  const header = viewOf(fileHeader);
  const { tableBytes, count, namesIndex } = checkHeader(header, sizeBytes, what);
  const bytes = yield { offsetBytes: tableBytes, sizeBytes: count * SECTION_BYTES };
  const view = viewOf(bytes);
  const names = section(view, namesIndex, "", sizeBytes, what);
  if (names.storedBytes > MAX_NAMES_BYTES) fail(what, `its names take ${names.storedBytes} bytes`);
  const nameBytes = yield { offsetBytes: names.offsetBytes, sizeBytes: names.storedBytes };
  const text = latin1.decode(nameBytes);
  let endBytes = tableBytes + count * SECTION_BYTES;
  const sections: ModuleSection[] = [];
  for (let i = 0; i < count; i++) {
    const name = nameAt(text, view.getUint32(i * SECTION_BYTES, true));
    const read = section(view, i, name, sizeBytes, what);
    if (read.storedBytes > 0) endBytes = Math.max(endBytes, read.offsetBytes + read.storedBytes);
    if (read.link >= count) fail(what, `section ${i} is linked to section ${read.link}`);
    sections.push(read);
  }
  return { fileHeader, bytes, sections, namesIndex, endBytes };
}

const latin1 = new TextDecoder("latin1");

/** Where and how many the section headers are. */
function checkHeader(
  header: DataView,
  sizeBytes: number,
  what: string,
): { tableBytes: number; count: number; namesIndex: number } {
  if (header.getUint32(0) !== 0x7f454c46) fail(what, "it is no ELF file");
  if (header.getUint8(4) !== 2 || header.getUint8(5) !== 1) {
    fail(what, "it is not 64-bit little-endian", "unsupported");
  }
  if (header.getUint16(16, true) !== ET_REL || header.getUint16(56, true) !== 0) {
    fail(what, "it is no relocatable file, as modules are");
  }
  const tableBytes = wide(header, 40, what);
  const count = header.getUint16(60, true);
  const namesIndex = header.getUint16(62, true);
  // A count of 0 with a table says that section 0 holds the real one: extended numbering.
  if (count >= SHN_LORESERVE || (count === 0 && tableBytes > 0)) {
    fail(what, "it has more sections than the kernel takes", "unsupported");
  }
  if (count === 0) fail(what, "it has no sections");
  if (header.getUint16(58, true) !== SECTION_BYTES) {
    fail(what, `a section header has ${header.getUint16(58, true)} bytes`);
  }
  if (tableBytes < HEADER_BYTES || tableBytes + count * SECTION_BYTES > sizeBytes) {
    fail(what, "its section headers lie outside of the file");
  }
  if (namesIndex === 0 || namesIndex >= count) fail(what, "its sections have no names");
  return { tableBytes, count, namesIndex };
}

function section(
  view: DataView,
  index: number,
  name: string,
  sizeBytes: number,
  what: string,
): ModuleSection {
  const at = index * SECTION_BYTES;
  const type = view.getUint32(at + 4, true);
  const stored = type !== SHT_NULL && type !== SHT_NOBITS;
  const offsetBytes = stored ? wide(view, at + 24, what) : 0;
  const storedBytes = stored ? wide(view, at + 32, what) : 0;
  if (offsetBytes + storedBytes > sizeBytes) {
    fail(what, `section ${index} ends past the file`);
  }
  const alignBytes = stored ? Math.max(1, wide(view, at + 48, what)) : 1;
  if (alignBytes > MAX_ALIGN_BYTES || (alignBytes & (alignBytes - 1)) !== 0) {
    fail(what, `section ${index} is aligned to ${alignBytes}`);
  }
  return {
    name,
    type,
    // All that matter here are in the low half.
    flags: view.getUint32(at + 8, true),
    offsetBytes,
    storedBytes,
    link: view.getUint32(at + 40, true),
    info: view.getUint32(at + 44, true),
    alignBytes,
  };
}

/** Looks no further than the longest name: there may be 65 000 of them without an end. */
function nameAt(names: string, at: number): string {
  const longest = names.slice(at, at + MAX_NAME_BYTES);
  const end = longest.indexOf("\0");
  return end < 0 ? longest : longest.slice(0, end);
}

/** A 64-bit number; half of the cost of a bigint, and there are a hundred thousand of them. */
function wide(view: DataView, at: number, what: string): number {
  const high = view.getUint32(at + 4, true);
  if (high >= 1 << 20) fail(what, "a number in its headers is beyond any file");
  return high * 2 ** 32 + view.getUint32(at, true);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fail(what: string, state: string, kind: "corrupt" | "unsupported" = "corrupt"): never {
  throw new FastboopError({
    kind,
    action: `Read the section headers of module "${what}"`,
    state,
    hint: "Build the module again: `make modules`",
  });
}
