/**
 * What depmod wants to know of one module: the symbols it exports, those it leaves undefined, and its
 * `.modinfo`.
 *
 * Exports are the names of the `__crc_` symbols where the kernel has CONFIG_MODVERSIONS, else the strings
 * of `__ksymtab_strings`; that is also how kmod sees them, namespaces included. Source: elf(5),
 * include/linux/export-internal.h, include/linux/module.h (struct modversion_info).
 */
import { FastboopError } from "../../errors/errors.ts";
import { parseElf } from "../elf.ts";
import { MAX_MODINFO_BYTES, type ModinfoEntries, parseModinfoSection } from "../modinfo.ts";
import type { SymbolTable } from "./symbol_table.ts";

export interface ModuleFacts {
  readonly modinfo: ModinfoEntries;
  /** Symbols by number, in the order of the file. */
  readonly exported: readonly number[];
  readonly needed: readonly number[];
  /** False when the file names no symbols at all: then only `depends=` tells whom it needs. */
  readonly hasSymbols: boolean;
}

/** struct Elf64_Sym: name u32, info u8, other u8, section u16, value u64, size u64. */
const SYMBOL_BYTES = 24;
/** struct modversion_info: CRC u64, name 56 bytes. */
const VERSION_BYTES = 64;
/** Names of one module, exported and needed, together; the largest driver has 100 KiB. */
const MAX_NAME_BYTES = 16 << 20;
/** Longest name of a symbol: KSYM_NAME_LEN is 512. */
const MAX_SYMBOL_BYTES = 4096;

const CRC_PREFIX = new TextEncoder().encode("__crc_");

/**
 * Reads the facts of an uncompressed module; names go into `symbols`.
 *
 * @param what names the file in errors.
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported`.
 */
export function parseModuleFacts(
  bytes: Uint8Array,
  what: string,
  symbols: SymbolTable,
): ModuleFacts {
  const { sections } = parseElf(bytes, what, SECTIONS);
  const of = (name: string): Uint8Array => {
    const section = sections.find((candidate) => candidate.name === name);
    return section
      ? bytes.subarray(section.offsetBytes, section.offsetBytes + section.sizeBytes)
      : EMPTY;
  };
  const modinfo = of(".modinfo");
  if (modinfo.length > MAX_MODINFO_BYTES) {
    throw new FastboopError({
      kind: "limit",
      action: `Read module "${what}"`,
      state: `its .modinfo has ${modinfo.length} bytes, the limit is ${MAX_MODINFO_BYTES}`,
    });
  }
  const names = new NameCollector(what, symbols);
  const table = names.symtab(of(".symtab"), of(".strtab"));
  if (table.crcs.length === 0) table.crcs = names.strings(of("__ksymtab_strings"));
  const versions = of("__versions");
  // modpost wrote them from the same symbols; they matter for files without a symbol table.
  if (table.needed.length === 0) table.needed = names.versions(versions);
  return {
    modinfo: parseModinfoSection(modinfo),
    exported: table.crcs,
    needed: table.needed,
    hasSymbols: sections.some(({ name }) => name === ".symtab") || versions.length > 0,
  };
}

/** All that is read of a module, besides its headers. */
export const SECTIONS = [".modinfo", ".symtab", ".strtab", "__ksymtab_strings", "__versions"];
const EMPTY = new Uint8Array();

/** Interns the names that stand in a module's sections, within its bounds. */
class NameCollector {
  #nameBytes = 0;

  constructor(readonly what: string, readonly symbols: SymbolTable) {}

  symtab(table: Uint8Array, strings: Uint8Array): { needed: number[]; crcs: number[] } {
    const needed: number[] = [];
    const crcs: number[] = [];
    const last = table.length - SYMBOL_BYTES;
    for (let at = SYMBOL_BYTES; at <= last; at += SYMBOL_BYTES) {
      const nameAt = (table[at]! | table[at + 1]! << 8 | table[at + 2]! << 16 |
        table[at + 3]! << 24) >>> 0;
      if (nameAt === 0) continue;
      if (nameAt >= strings.length) this.#fail("corrupt", "a symbol's name lies past the strings");
      if (table[at + 6] === 0 && table[at + 7] === 0) {
        if (strings[nameAt] !== 0) needed.push(this.#name(strings, nameAt, strings.length));
      } else if (strings[nameAt + 2] === 0x63 && startsWith(strings, nameAt, CRC_PREFIX)) {
        crcs.push(this.#name(strings, nameAt + CRC_PREFIX.length, strings.length));
      }
    }
    return { needed, crcs };
  }

  /** NUL-ended strings one after the other. */
  strings(bytes: Uint8Array): number[] {
    const found: number[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = this.#end(bytes, at, bytes.length);
      if (end > at) found.push(this.#intern(bytes, at, end));
      at = end + 1;
    }
    return found;
  }

  versions(bytes: Uint8Array): number[] {
    const found: number[] = [];
    for (let at = 0; at + VERSION_BYTES <= bytes.length; at += VERSION_BYTES) {
      if (bytes[at + 8] !== 0) found.push(this.#name(bytes, at + 8, at + VERSION_BYTES));
    }
    return found;
  }

  #name(bytes: Uint8Array, start: number, limit: number): number {
    return this.#intern(bytes, start, this.#end(bytes, start, limit));
  }

  #end(bytes: Uint8Array, start: number, limit: number): number {
    let end = start;
    while (end < limit && bytes[end] !== 0) end++;
    if (end === limit) this.#fail("corrupt", "a symbol's name has no end");
    return end;
  }

  #intern(bytes: Uint8Array, start: number, end: number): number {
    this.#nameBytes += end - start;
    if (end - start > MAX_SYMBOL_BYTES || this.#nameBytes > MAX_NAME_BYTES) {
      this.#fail("limit", `its symbols are longer than ${MAX_NAME_BYTES} bytes, or one is 4096`);
    }
    return this.symbols.intern(bytes, start, end);
  }

  #fail(kind: "corrupt" | "limit", state: string): never {
    throw new FastboopError({
      kind,
      action: `Read the symbols of module "${this.what}"`,
      state,
      hint: "Build and install the module again",
    });
  }
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}
