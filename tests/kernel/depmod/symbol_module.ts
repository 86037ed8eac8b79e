/** Small modules with a symbol table, as kbuild links them: what depmod looks at and nothing else. */
import { elf } from "../fixture_tree.ts";

export interface SymbolModuleParts {
  exports?: readonly string[];
  /** Write `__crc_` symbols too, as with CONFIG_MODVERSIONS. */
  crcs?: boolean;
  needs?: readonly string[];
  /** Undefined, but weak. */
  weakNeeds?: readonly string[];
  /** Names in `__versions`. */
  versions?: readonly string[];
  /** `key=value` of `.modinfo`. */
  modinfo?: readonly string[];
  /** Size of a `.text` before everything else. */
  textBytes?: number;
}

const encoder = new TextEncoder();
const GLOBAL = 0x10;
const WEAK = 0x20;
const ABSOLUTE = 0xfff1;

/** A relocatable ELF64 file. */
export function symbolModule(parts: SymbolModuleParts = {}): Uint8Array<ArrayBuffer> {
  const exports = parts.exports ?? [];
  const symbols: { name: string; info: number; section: number }[] = [
    ...exports.map((name) => ({ name, info: GLOBAL, section: ABSOLUTE })),
    ...(parts.crcs ? exports : []).map((name) => ({
      name: `__crc_${name}`,
      info: GLOBAL,
      section: ABSOLUTE,
    })),
    ...(parts.needs ?? []).map((name) => ({ name, info: GLOBAL, section: 0 })),
    ...(parts.weakNeeds ?? []).map((name) => ({ name, info: WEAK, section: 0 })),
  ];
  const { table, strings } = symbolTable(symbols);
  const modinfo = ["license=GPL", ...(parts.modinfo ?? []), ""].join("\0");
  return elf(62, 1, [], [
    ...(parts.textBytes ? [{ name: ".text", data: new Uint8Array(parts.textBytes).fill(7) }] : []),
    { name: ".modinfo", data: encoder.encode(modinfo) },
    { name: "__ksymtab_strings", data: encoder.encode(exports.map((n) => `${n}\0`).join("")) },
    ...(parts.versions ? [{ name: "__versions", data: versionTable(parts.versions) }] : []),
    { name: ".symtab", data: table },
    { name: ".strtab", data: strings },
  ]);
}

function symbolTable(
  symbols: readonly { name: string; info: number; section: number }[],
): { table: Uint8Array; strings: Uint8Array } {
  const table = new Uint8Array((symbols.length + 1) * 24);
  const view = new DataView(table.buffer);
  let strings = "\0";
  for (const [i, { name, info, section }] of symbols.entries()) {
    const at = (i + 1) * 24;
    view.setUint32(at, strings.length, true);
    view.setUint8(at + 4, info);
    view.setUint16(at + 6, section, true);
    view.setUint32(at + 8, 0x1234 + i, true);
    strings += `${name}\0`;
  }
  return { table, strings: encoder.encode(strings) };
}

function versionTable(names: readonly string[]): Uint8Array {
  const table = new Uint8Array(names.length * 64);
  names.forEach((name, i) => table.set(encoder.encode(name), i * 64 + 8));
  return table;
}
