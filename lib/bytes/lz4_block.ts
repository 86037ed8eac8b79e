/**
 * One raw LZ4 block (lz4_Block_format.md of the LZ4 project): sequences of a token, literals and a
 * match in what was decoded before, the last of literals only.
 */

/** Fewest bytes a match copies. */
const MIN_MATCH = 4;
/** Longer runs are moved by the engine, shorter ones are quicker byte by byte. */
const BYTEWISE = 24;

/** How far a block was decoded. */
export interface Lz4Result {
  /** Bytes of the output that are filled. */
  readonly written: number;
  /** Whether the input ended with the last sequence. */
  readonly complete: boolean;
}

/**
 * Decodes `input` until it ends or `output` is full; undefined when the block breaks its format.
 * Matches reach no further back than the start of `output`.
 */
export function decodeLz4Block(input: Uint8Array, output: Uint8Array): Lz4Result | undefined {
  const inputEnd = input.length;
  const outputEnd = output.length;
  let from = 0;
  let to = 0;
  while (from < inputEnd) {
    const token = input[from++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255) {
        if (from >= inputEnd) return undefined;
        literals += more = input[from++]!;
      }
    }
    if (literals > inputEnd - from) return undefined;
    const room = literals < outputEnd - to ? literals : outputEnd - to;
    if (room > BYTEWISE) output.set(input.subarray(from, from + room), to);
    else for (let i = 0; i < room; i++) output[to + i] = input[from + i]!;
    from += literals;
    to += room;
    if (from === inputEnd) return { written: to, complete: room === literals };
    if (to === outputEnd) return { written: to, complete: false };

    if (inputEnd - from < 2) return undefined;
    const distance = input[from]! | (input[from + 1]! << 8);
    from += 2;
    if (distance === 0 || distance > to) return undefined;
    let length = (token & 15) + MIN_MATCH;
    if (length === 15 + MIN_MATCH) {
      let more = 255;
      while (more === 255) {
        if (from >= inputEnd) return undefined;
        length += more = input[from++]!;
      }
    }
    if (length > outputEnd - to) length = outputEnd - to;
    const match = to - distance;
    if (length > BYTEWISE && distance >= length) output.copyWithin(to, match, match + length);
    else for (let i = 0; i < length; i++) output[to + i] = output[match + i]!;
    to += length;
  }
  // A block ends with literals, never behind a match.
  return undefined;
}
