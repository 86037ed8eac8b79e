/**
 * What is left of a kernel module without its debug information, as a list of pieces: the effect of
 * `strip --strip-debug`, which is what INSTALL_MOD_STRIP=1 runs, without reading the module.
 *
 * Sections that are debug information, and the relocations of such, go. The others keep their contents,
 * order and names, and get new numbers. Every symbol keeps its place in the symbol table, so relocations
 * stay as they are; a symbol of a section that went becomes an empty FILE symbol, which the kernel and nm
 * pass over. So the size follows from the headers alone. Tables of strings are not packed again.
 *
 * Source: elf(5), the generic ABI's chapter on object files, Makefile.modinst, and which names binutils
 * and LLVM take for debug information.
 */
import { FastboopError } from "../../errors/errors.ts";
import {
  type ByteRange,
  HEADER_BYTES,
  type ModuleSection,
  readSectionTable,
  SECTION_BYTES,
  type SectionTable,
  SHN_LORESERVE,
  SHT_GROUP,
  SHT_REL,
  SHT_RELA,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
  viewOf,
} from "./section_table.ts";

/** A run of bytes of the stripped file; what lies between two of them is zero. */
export interface StripPiece {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** `memory`: `bytes`. `source`: the module's, from `sourceBytes` on. `symbols`: the same, renumbered. */
  readonly from: "memory" | "source" | "symbols";
  readonly sourceBytes: number;
  readonly bytes?: Uint8Array;
}

export interface StripPlan {
  readonly sizeBytes: number;
  /** Ascending, apart from each other. */
  readonly pieces: readonly StripPiece[];
  /** New number of a section by its old one, 0 for those that went. */
  readonly numbers: Uint16Array;
}

export const SYMBOL_BYTES = 24;
/** What scripts/sign-file ends a signed module with (include/linux/module_signature.h). */
const SIGNATURE_MARK = "~Module signature appended~\n";
const MAX_GROUPS_BYTES = 1 << 20;
const latin1 = new TextDecoder("latin1");
const SHF_ALLOC = 2;
const SHF_INFO_LINK = 0x40;
const DEBUG_NAME = /^\.(z?debug|gnu\.debuglto_\.debug_|gnu\.linkonce\.wi\.|line|stab|gdb_index$)/;

/**
 * Plans the stripping of a module of `sizeBytes`; undefined when there is nothing to strip.
 *
 * A signed module is left whole: its signature covers every byte, and nobody here could make another.
 *
 * @param what names the module in errors.
 * @throws {FastboopError} `corrupt` and `unsupported`, as readSectionTable() does.
 */
export function* planStrip(
  sizeBytes: number,
  what: string,
): Generator<ByteRange, StripPlan | undefined, Uint8Array> {
  const table = yield* readSectionTable(sizeBytes, what);
  if (!table.sections.some(isDebug)) return undefined;
  if (sizeBytes - table.endBytes > SIGNATURE_MARK.length) {
    const offsetBytes = sizeBytes - SIGNATURE_MARK.length;
    const end = yield { offsetBytes, sizeBytes: SIGNATURE_MARK.length };
    if (latin1.decode(end) === SIGNATURE_MARK) return undefined;
  }
  const groups = yield* readGroups(table, what);
  const numbers = renumber(table.sections, groups, what);
  const contents = encodeGroups(groups, numbers);
  const { pieces, offsets, endBytes } = place(table.sections, numbers, contents, what);
  const tableBytes = Math.ceil(endBytes / 8) * 8;
  const headers = encodeHeaders(table, { numbers, offsets, contents });
  const fileHeader = table.fileHeader.slice();
  const view = viewOf(fileHeader);
  view.setBigUint64(40, BigInt(tableBytes), true);
  view.setUint16(60, headers.length / SECTION_BYTES, true);
  view.setUint16(62, numbers[table.namesIndex]!, true);
  return {
    sizeBytes: tableBytes + headers.length,
    pieces: [memory(0, fileHeader), ...merge(pieces), memory(tableBytes, headers)],
    numbers,
  };
}

/** What the symbol's section number becomes, in place; `bytes` are whole symbols. */
export function renumberSymbols(bytes: Uint8Array, numbers: Uint16Array): void {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; at += SYMBOL_BYTES) {
    const number = view.getUint16(at + 6, true);
    if (number === 0 || number >= SHN_LORESERVE || number >= numbers.length) continue;
    const next = numbers[number]!;
    if (next !== 0) view.setUint16(at + 6, next, true);
    else dropSymbol(bytes.subarray(at, at + SYMBOL_BYTES), view.getUint8(at + 4));
  }
}

/** STT_FILE, SHN_ABS, no name; the binding stays, since local symbols come first in the table. */
function dropSymbol(symbol: Uint8Array, info: number): void {
  symbol.fill(0);
  symbol[4] = (info & 0xf0) | 4;
  symbol[6] = 0xf1;
  symbol[7] = 0xff;
}

function isDebug({ name, flags }: ModuleSection): boolean {
  return (flags & SHF_ALLOC) === 0 && DEBUG_NAME.test(name);
}

function isRelocation({ type }: ModuleSection): boolean {
  return type === SHT_REL || type === SHT_RELA;
}

/** Members of each section group; all of a group lives or goes, but for its debug information. */
function* readGroups(
  { sections }: SectionTable,
  what: string,
): Generator<ByteRange, Map<number, Uint32Array>, Uint8Array> {
  const groups = new Map<number, Uint32Array>();
  let totalBytes = 0;
  for (const [i, { type, offsetBytes, storedBytes }] of sections.entries()) {
    if (type !== SHT_GROUP) continue;
    totalBytes += storedBytes;
    if (storedBytes < 4 || storedBytes % 4 !== 0 || totalBytes > MAX_GROUPS_BYTES) {
      fail(what, `section group ${i} has ${storedBytes} bytes`);
    }
    const view = viewOf(yield { offsetBytes, sizeBytes: storedBytes });
    const words = Uint32Array.from(
      { length: storedBytes / 4 },
      (_, word) => view.getUint32(word * 4, true),
    );
    if (words.some((word, at) => at > 0 && word >= sections.length)) {
      fail(what, `section group ${i} names a section that is not there`);
    }
    groups.set(i, words);
  }
  return groups;
}

/** New number of every section, 0 for those that go. */
function renumber(
  sections: readonly ModuleSection[],
  groups: ReadonlyMap<number, Uint32Array>,
  what: string,
): Uint16Array {
  const goes = sections.map((section, i) => {
    if (section.type === SHT_SYMTAB_SHNDX) {
      fail(what, "it has more sections than the kernel takes", "unsupported");
    }
    if (!isRelocation(section)) return isDebug(section);
    const target = sections[section.info];
    if (target === undefined) fail(what, `section ${i} relocates section ${section.info}`);
    return isDebug(target);
  });
  for (const [i, words] of groups) goes[i] = words.subarray(1).every((member) => goes[member]);
  const numbers = new Uint16Array(sections.length);
  let next = 1;
  for (let i = 1; i < sections.length; i++) if (!goes[i]) numbers[i] = next++;
  return numbers;
}

/** What the groups that stay hold now. */
function encodeGroups(
  groups: ReadonlyMap<number, Uint32Array>,
  numbers: Uint16Array,
): Map<number, Uint8Array> {
  const contents = new Map<number, Uint8Array>();
  for (const [i, [flags, ...members]] of groups) {
    if (numbers[i] === 0) continue;
    const kept = members.map((member) => numbers[member]!).filter((number) => number !== 0);
    const bytes = new Uint8Array(4 + 4 * kept.length);
    [flags!, ...kept].forEach((word, at) => viewOf(bytes).setUint32(at * 4, word, true));
    contents.set(i, bytes);
  }
  return contents;
}

/** Lays the sections that stay behind each other, in the order of the file. */
function place(
  sections: readonly ModuleSection[],
  numbers: Uint16Array,
  contents: ReadonlyMap<number, Uint8Array>,
  what: string,
): { pieces: StripPiece[]; offsets: Float64Array; endBytes: number } {
  const offsets = new Float64Array(sections.length);
  const order = sections.map((_, i) => i)
    .filter((i) => numbers[i] !== 0 && sections[i]!.storedBytes > 0)
    .sort((a, b) => sections[a]!.offsetBytes - sections[b]!.offsetBytes || a - b);
  const pieces: StripPiece[] = [];
  let endBytes = HEADER_BYTES;
  let sourceEnd = HEADER_BYTES;
  for (const i of order) {
    const { offsetBytes: sourceBytes, storedBytes, alignBytes, type } = sections[i]!;
    if (sourceBytes < sourceEnd) fail(what, `section ${i} overlaps another part`);
    if (type === SHT_SYMTAB && storedBytes % SYMBOL_BYTES !== 0) {
      fail(what, `its symbol table has ${storedBytes} bytes`);
    }
    sourceEnd = sourceBytes + storedBytes;
    const offsetBytes = Math.ceil(endBytes / alignBytes) * alignBytes;
    offsets[i] = offsetBytes;
    const bytes = contents.get(i);
    const from = type === SHT_SYMTAB ? "symbols" : "source";
    pieces.push(
      bytes === undefined
        ? { offsetBytes, sizeBytes: storedBytes, from, sourceBytes }
        : memory(offsetBytes, bytes),
    );
    endBytes = offsetBytes + (bytes?.length ?? storedBytes);
  }
  return { pieces, offsets, endBytes };
}

/** The new section headers. */
function encodeHeaders(
  { bytes, sections }: SectionTable,
  { numbers, offsets, contents }: {
    numbers: Uint16Array;
    offsets: Float64Array;
    contents: ReadonlyMap<number, Uint8Array>;
  },
): Uint8Array {
  const kept = sections.map((_, i) => i).filter((i) => i === 0 || numbers[i] !== 0);
  const headers = new Uint8Array(kept.length * SECTION_BYTES);
  const view = viewOf(headers);
  for (const [number, i] of kept.entries()) {
    const at = number * SECTION_BYTES;
    headers.set(bytes.subarray(i * SECTION_BYTES, (i + 1) * SECTION_BYTES), at);
    const section = sections[i]!;
    const { storedBytes, link, info, flags } = section;
    if (i === 0) continue;
    if (storedBytes > 0) view.setBigUint64(at + 24, BigInt(offsets[i]!), true);
    else view.setBigUint64(at + 24, BigInt(HEADER_BYTES), true);
    const content = contents.get(i);
    if (content !== undefined) view.setBigUint64(at + 32, BigInt(content.length), true);
    view.setUint32(at + 40, numbers[link]!, true);
    const isNumber = isRelocation(section) || (flags & SHF_INFO_LINK) !== 0;
    if (isNumber) view.setUint32(at + 44, numbers[info] ?? 0, true);
  }
  return headers;
}

function memory(offsetBytes: number, bytes: Uint8Array): StripPiece {
  return { offsetBytes, sizeBytes: bytes.length, from: "memory", sourceBytes: 0, bytes };
}

/** Neighbours that were neighbours in the source too become one read, with the padding between them. */
function merge(pieces: readonly StripPiece[]): StripPiece[] {
  const merged: StripPiece[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    const joins = last?.from === "source" && piece.from === "source" &&
      piece.sourceBytes - last.sourceBytes === piece.offsetBytes - last.offsetBytes;
    if (!joins) merged.push(piece);
    else {
      const sizeBytes = piece.offsetBytes + piece.sizeBytes - last.offsetBytes;
      merged[merged.length - 1] = { ...last, sizeBytes };
    }
  }
  return merged;
}

function fail(what: string, state: string, kind: "corrupt" | "unsupported" = "corrupt"): never {
  throw new FastboopError({
    kind,
    action: `Strip module "${what}"`,
    state,
    hint: "Build the module again: `make modules`",
  });
}
