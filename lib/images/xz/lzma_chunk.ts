/**
 * The LZMA decoder (one format, one file): one chunk of compressed data -> bytes appended to the output,
 * which is its dictionary as well.
 *
 * The inner loop is one long function on purpose, and says "decode a bit" over and over: the coder's range
 * and code stay in registers only as locals of one function.
 * Source: the LZMA specification (public domain, 7-zip.org/sdk.html), draft 2015.
 */

import { LITERAL, type LzmaState } from "./lzma_state.ts";

/** Adaptive probabilities, 11 bits each, and where the tables begin. */
const IS_REP = 192;
const IS_REP_G0 = 204;
const IS_REP_G1 = 216;
const IS_REP_G2 = 228;
const IS_REP0_LONG = 240;
const DISTANCE_SLOT = 432;
const DISTANCE_SPECIAL = 688;
const DISTANCE_ALIGN = 816;
const MATCH_LENGTH = 832;
const REP_LENGTH = 1346;
/** Matches from here on are moved by the engine, shorter ones are quicker byte by byte. */
const LONG_BYTES = 64;
/** Bytes of a chunk that the range coder begins with; the first one is the caller's to judge. */
export const CHUNK_START_BYTES = 5;
/** Bytes that must be readable behind a chunk: a symbol takes 48 at most, and is checked afterwards. */
export const CHUNK_SLACK_BYTES = 64;

/**
 * Decodes `input[inStart..inEnd]` into `out[outStart..outEnd]`; false when it is not exactly that.
 *
 * @param dictionaryStart position 0 of the data, negative when its start has left `out`: matches may reach
 * back to here, and no further than `dictionaryBytes`, all of which must still lie in `out`.
 * @param isPart the stream may hold more than is asked for: a last match is cut, the end not looked at.
 */
export function decodeLzmaChunk(
  lzma: LzmaState,
  input: Uint8Array,
  inStart: number,
  inEnd: number,
  out: Uint8Array,
  outStart: number,
  outEnd: number,
  dictionaryStart: number,
  dictionaryBytes: number,
  isPart = false,
): boolean {
  const probs = lzma.probabilities;
  const lc = lzma.literalContextBits;
  const lpMask = lzma.literalPositionMask;
  const pbMask = lzma.positionMask;
  let state = lzma.state;
  let [rep0, rep1, rep2, rep3] = lzma.distances;
  let range = -1;
  let code = input[inStart + 1]! << 24 | input[inStart + 2]! << 16 | input[inStart + 3]! << 8 |
    input[inStart + 4]!;
  let at = inStart + 5;
  let pos = outStart;
  let p = 0;
  let i = 0;
  let bound = 0;
  while (pos < outEnd) {
    if (at > inEnd) return false;
    const posState = (pos - dictionaryStart) & pbMask;
    i = (state << 4) + posState;
    p = probs[i]!;
    bound = Math.imul(range >>> 11, p);
    if ((code >>> 0) < (bound >>> 0)) {
      range = bound;
      probs[i] = p + ((2048 - p) >> 5);
      if ((range & 0xff000000) === 0) {
        range <<= 8;
        code = code << 8 | input[at++]!;
      }
      // A literal.
      const before = pos > dictionaryStart ? out[pos - 1]! : 0;
      const table = LITERAL +
        0x300 * ((((pos - dictionaryStart) & lpMask) << lc) + (before >> (8 - lc)));
      let symbol = 1;
      if (state >= 7) {
        let matched = out[pos - rep0 - 1]!;
        do {
          const matchBit = (matched >> 7) & 1;
          matched <<= 1;
          i = table + ((1 + matchBit) << 8) + symbol;
          p = probs[i]!;
          bound = Math.imul(range >>> 11, p);
          if ((code >>> 0) < (bound >>> 0)) {
            range = bound;
            probs[i] = p + ((2048 - p) >> 5);
            symbol <<= 1;
            if ((range & 0xff000000) === 0) {
              range <<= 8;
              code = code << 8 | input[at++]!;
            }
            if (matchBit !== 0) break;
          } else {
            range = (range - bound) | 0;
            code = (code - bound) | 0;
            probs[i] = p - (p >> 5);
            symbol = symbol << 1 | 1;
            if ((range & 0xff000000) === 0) {
              range <<= 8;
              code = code << 8 | input[at++]!;
            }
            if (matchBit === 0) break;
          }
        } while (symbol < 0x100);
      }
      while (symbol < 0x100) {
        i = table + symbol;
        p = probs[i]!;
        bound = Math.imul(range >>> 11, p);
        if ((code >>> 0) < (bound >>> 0)) {
          range = bound;
          probs[i] = p + ((2048 - p) >> 5);
          symbol <<= 1;
        } else {
          range = (range - bound) | 0;
          code = (code - bound) | 0;
          probs[i] = p - (p >> 5);
          symbol = symbol << 1 | 1;
        }
        if ((range & 0xff000000) === 0) {
          range <<= 8;
          code = code << 8 | input[at++]!;
        }
      }
      out[pos++] = symbol;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    range = (range - bound) | 0;
    code = (code - bound) | 0;
    probs[i] = p - (p >> 5);
    if ((range & 0xff000000) === 0) {
      range <<= 8;
      code = code << 8 | input[at++]!;
    }
    let lengthTable = MATCH_LENGTH;
    let isMatch = false;
    i = IS_REP + state;
    p = probs[i]!;
    bound = Math.imul(range >>> 11, p);
    if ((code >>> 0) < (bound >>> 0)) {
      range = bound;
      probs[i] = p + ((2048 - p) >> 5);
      if ((range & 0xff000000) === 0) {
        range <<= 8;
        code = code << 8 | input[at++]!;
      }
      isMatch = true;
      rep3 = rep2;
      rep2 = rep1;
      rep1 = rep0;
      state = state < 7 ? 7 : 10;
    } else {
      range = (range - bound) | 0;
      code = (code - bound) | 0;
      probs[i] = p - (p >> 5);
      if ((range & 0xff000000) === 0) {
        range <<= 8;
        code = code << 8 | input[at++]!;
      }
      i = IS_REP_G0 + state;
      p = probs[i]!;
      bound = Math.imul(range >>> 11, p);
      if ((code >>> 0) < (bound >>> 0)) {
        range = bound;
        probs[i] = p + ((2048 - p) >> 5);
        if ((range & 0xff000000) === 0) {
          range <<= 8;
          code = code << 8 | input[at++]!;
        }
        i = IS_REP0_LONG + (state << 4) + posState;
        p = probs[i]!;
        bound = Math.imul(range >>> 11, p);
        if ((code >>> 0) < (bound >>> 0)) {
          range = bound;
          probs[i] = p + ((2048 - p) >> 5);
          if ((range & 0xff000000) === 0) {
            range <<= 8;
            code = code << 8 | input[at++]!;
          }
          if (rep0 >= pos - dictionaryStart || rep0 >= dictionaryBytes) return false;
          state = state < 7 ? 9 : 11;
          out[pos] = out[pos - rep0 - 1]!;
          pos++;
          continue;
        }
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probs[i] = p - (p >> 5);
        if ((range & 0xff000000) === 0) {
          range <<= 8;
          code = code << 8 | input[at++]!;
        }
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probs[i] = p - (p >> 5);
        if ((range & 0xff000000) === 0) {
          range <<= 8;
          code = code << 8 | input[at++]!;
        }
        let distance = rep1;
        i = IS_REP_G1 + state;
        p = probs[i]!;
        bound = Math.imul(range >>> 11, p);
        if ((code >>> 0) < (bound >>> 0)) {
          range = bound;
          probs[i] = p + ((2048 - p) >> 5);
        } else {
          range = (range - bound) | 0;
          code = (code - bound) | 0;
          probs[i] = p - (p >> 5);
          if ((range & 0xff000000) === 0) {
            range <<= 8;
            code = code << 8 | input[at++]!;
          }
          distance = rep2;
          i = IS_REP_G2 + state;
          p = probs[i]!;
          bound = Math.imul(range >>> 11, p);
          if ((code >>> 0) < (bound >>> 0)) {
            range = bound;
            probs[i] = p + ((2048 - p) >> 5);
          } else {
            range = (range - bound) | 0;
            code = (code - bound) | 0;
            probs[i] = p - (p >> 5);
            distance = rep3;
            rep3 = rep2;
          }
          rep2 = rep1;
        }
        if ((range & 0xff000000) === 0) {
          range <<= 8;
          code = code << 8 | input[at++]!;
        }
        rep1 = rep0;
        rep0 = distance;
      }
      state = state < 7 ? 8 : 11;
      lengthTable = REP_LENGTH;
    }
    // The length: choice, then a tree of 3, 3 or 8 bits.
    let tree = lengthTable + 2 + (posState << 3);
    let limit = 8;
    let length = 2;
    i = lengthTable;
    p = probs[i]!;
    bound = Math.imul(range >>> 11, p);
    if ((code >>> 0) < (bound >>> 0)) {
      range = bound;
      probs[i] = p + ((2048 - p) >> 5);
    } else {
      range = (range - bound) | 0;
      code = (code - bound) | 0;
      probs[i] = p - (p >> 5);
      if ((range & 0xff000000) === 0) {
        range <<= 8;
        code = code << 8 | input[at++]!;
      }
      i = lengthTable + 1;
      p = probs[i]!;
      bound = Math.imul(range >>> 11, p);
      if ((code >>> 0) < (bound >>> 0)) {
        range = bound;
        probs[i] = p + ((2048 - p) >> 5);
        tree += 128;
        length = 10;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probs[i] = p - (p >> 5);
        tree = lengthTable + 258;
        limit = 256;
        length = 18;
      }
    }
    if ((range & 0xff000000) === 0) {
      range <<= 8;
      code = code << 8 | input[at++]!;
    }
    let node = 1;
    do {
      i = tree + node;
      p = probs[i]!;
      bound = Math.imul(range >>> 11, p);
      if ((code >>> 0) < (bound >>> 0)) {
        range = bound;
        probs[i] = p + ((2048 - p) >> 5);
        node <<= 1;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probs[i] = p - (p >> 5);
        node = node << 1 | 1;
      }
      if ((range & 0xff000000) === 0) {
        range <<= 8;
        code = code << 8 | input[at++]!;
      }
    } while (node < limit);
    length += node - limit;
    if (isMatch) {
      // The distance: a slot of 6 bits, which says how many bits follow and how they are coded.
      tree = DISTANCE_SLOT + ((length < 6 ? length - 2 : 3) << 6);
      node = 1;
      do {
        i = tree + node;
        p = probs[i]!;
        bound = Math.imul(range >>> 11, p);
        if ((code >>> 0) < (bound >>> 0)) {
          range = bound;
          probs[i] = p + ((2048 - p) >> 5);
          node <<= 1;
        } else {
          range = (range - bound) | 0;
          code = (code - bound) | 0;
          probs[i] = p - (p >> 5);
          node = node << 1 | 1;
        }
        if ((range & 0xff000000) === 0) {
          range <<= 8;
          code = code << 8 | input[at++]!;
        }
      } while (node < 64);
      const slot = node - 64;
      if (slot < 4) rep0 = slot;
      else {
        let bits = (slot >> 1) - 1;
        let distance = (2 | (slot & 1)) << bits;
        if (slot < 14) tree = DISTANCE_SPECIAL + distance - slot - 1;
        else {
          let direct = 0;
          for (bits -= 4; bits > 0; bits--) {
            range >>>= 1;
            code = (code - range) | 0;
            const borrow = code >> 31;
            code = (code + (range & borrow)) | 0;
            direct = (direct << 1) + borrow + 1;
            if ((range & 0xff000000) === 0) {
              range <<= 8;
              code = code << 8 | input[at++]!;
            }
          }
          distance += direct << 4;
          bits = 4;
          tree = DISTANCE_ALIGN;
        }
        node = 1;
        for (let bit = 0; bit < bits; bit++) {
          i = tree + node;
          p = probs[i]!;
          bound = Math.imul(range >>> 11, p);
          if ((code >>> 0) < (bound >>> 0)) {
            range = bound;
            probs[i] = p + ((2048 - p) >> 5);
            node <<= 1;
          } else {
            range = (range - bound) | 0;
            code = (code - bound) | 0;
            probs[i] = p - (p >> 5);
            node = node << 1 | 1;
            distance += 1 << bit;
          }
          if ((range & 0xff000000) === 0) {
            range <<= 8;
            code = code << 8 | input[at++]!;
          }
        }
        rep0 = distance;
      }
    }
    // Negative means a distance beyond 2^31, or the end marker, which LZMA2 has not.
    if (rep0 < 0 || rep0 >= pos - dictionaryStart || rep0 >= dictionaryBytes) return false;
    if (length > outEnd - pos) {
      if (!isPart) return false;
      length = outEnd - pos;
    }
    let from = pos - rep0 - 1;
    const end = pos + length;
    if (length >= LONG_BYTES && (rep0 === 0 || rep0 + 1 >= length)) {
      if (rep0 === 0) out.fill(out[from]!, pos, end);
      else out.copyWithin(pos, from, from + length);
      pos = end;
    }
    while (pos < end) out[pos++] = out[from++]!;
  }
  lzma.state = state;
  lzma.distances = [rep0, rep1, rep2, rep3];
  return isPart ? at <= inEnd : at === inEnd && code === 0;
}
