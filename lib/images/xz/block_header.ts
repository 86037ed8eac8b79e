/**
 * The header of one block.
 *
 * ```text
 * size / 4 - 1 | flags | [compressed size] | [plain size] | filter... | zeros | CRC32
 * filter: id, size of its properties, properties
 * ```
 *
 * Source: xz-file-format 1.2.1, 3.1 and 5.3.
 */
import { crc32 } from "node:zlib";
import { BRANCH_FILTERS } from "./branch_filters.ts";
import { brokenXz } from "./broken_xz.ts";
import type { XzFilter } from "./filter_chain.ts";
import { XzNumbers } from "./xz_number.ts";

const DELTA = 0x03;
const LZMA2 = 0x21;
/** Filters that are known and left out, by name. */
const LEFT_OUT: Readonly<Record<number, string>> = { 0x06: "IA-64", 0x0b: "RISC-V" };
/** A window of that size must be kept while a large block is decoded. */
export const MAX_DICTIONARY_BYTES = 256 * 2 ** 20;

export interface XzBlockHeader {
  readonly sizeBytes: number;
  readonly storedDataBytes: number | undefined;
  readonly plainBytes: number | undefined;
  readonly dictionaryBytes: number;
  /** All but LZMA2, in the header's order. */
  readonly filters: readonly XzFilter[];
}

/** Size of a header by its first byte, which is not 0: that one begins the index. */
export function blockHeaderSize(firstByte: number): number {
  return (firstByte + 1) * 4;
}

/**
 * Parses a header that lies whole in `bytes`.
 *
 * @throws {FastboopError} `corrupt`, `unsupported` for filters.
 */
export function parseBlockHeader(bytes: Uint8Array): XzBlockHeader {
  const sizeBytes = blockHeaderSize(bytes[0] ?? 0);
  if (sizeBytes === 4 || bytes.length < sizeBytes) throw brokenXz("a block's header is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const end = sizeBytes - 4;
  if (crc32(bytes.subarray(0, end)) !== view.getUint32(end, true)) {
    throw brokenXz("a checksum does not match");
  }
  const flags = bytes[1]!;
  if ((flags & 0x3c) !== 0) throw brokenXz(`a block has flags ${flags}`, "unsupported");
  const numbers = new XzNumbers(bytes, 2, end);
  const storedDataBytes = (flags & 0x40) !== 0 ? numbers.next() : undefined;
  const plainBytes = (flags & 0x80) !== 0 ? numbers.next() : undefined;
  const filters: XzFilter[] = [];
  for (let left = flags & 3; left > 0; left--) filters.push(parseFilter(numbers));
  const dictionaryBytes = parseLzma2(numbers);
  numbers.padding("a block header's padding");
  return { sizeBytes, storedDataBytes, plainBytes, dictionaryBytes, filters };
}

function parseFilter(numbers: XzNumbers): XzFilter {
  const id = numbers.next();
  const propertyBytes = numbers.next();
  if (id === DELTA) {
    if (propertyBytes !== 1) throw brokenXz("the properties of delta have another size");
    return { kind: "delta", distanceBytes: numbers.byte() + 1 };
  }
  const branch = BRANCH_FILTERS.get(id);
  if (!branch) {
    const name = LEFT_OUT[id] ?? `${id}`;
    throw brokenXz(
      id === LZMA2 ? "LZMA2 is not its last filter" : `it was made with filter ${name}`,
      id === LZMA2 ? "corrupt" : "unsupported",
    );
  }
  if (propertyBytes !== 0 && propertyBytes !== 4) {
    throw brokenXz(`the properties of ${branch.name} have another size`);
  }
  let startOffset = 0;
  for (let i = 0; i < propertyBytes; i++) startOffset += numbers.byte() * 2 ** (8 * i);
  if (startOffset % branch.alignment !== 0) throw brokenXz(`${branch.name} starts in a command`);
  return { kind: "branch", begin: branch.begin, startOffset };
}

function parseLzma2(numbers: XzNumbers): number {
  const id = numbers.next();
  if (id !== LZMA2) throw brokenXz(`its last filter is ${id}, must be LZMA2`, "unsupported");
  if (numbers.next() !== 1) throw brokenXz("the properties of LZMA2 have another size");
  const bits = numbers.byte();
  if (bits > 40) throw brokenXz(`its dictionary has code ${bits}`);
  const dictionaryBytes = bits === 40 ? 2 ** 32 - 1 : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11);
  return dictionaryBytes;
}
