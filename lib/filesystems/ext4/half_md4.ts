/**
 * The half-MD4 directory hash of ext4 with a zero seed and unsigned name bytes (s_flags 2).
 *
 * Names are cut into pieces of 32 bytes; each goes through three shortened rounds of MD4.
 * Source: Documentation/filesystems/ext4/directory.rst; RFC 1320 for MD4's functions and constants.
 */

const START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;
const ROUND_CONSTANT = [0, 0x5a827999, 0x6ed9eba1] as const;
/** Order in which the eight words of a piece enter each round. */
const WORD_ORDER = [
  [0, 1, 2, 3, 4, 5, 6, 7],
  [1, 3, 5, 7, 0, 2, 4, 6],
  [3, 7, 2, 6, 1, 5, 0, 4],
] as const;
const SHIFTS = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]] as const;
const PIECE_BYTES = 32;
/** fs/ext4/ext4.h: EXT4_HTREE_EOF, reserved as the end mark of readdir. */
const END_MARK = 0xfffffffe;

/** Hash and minor hash (both u32) of a directory entry's name. */
export interface NameHash {
  readonly hash: number;
  readonly minor: number;
}

/** Hash of `name`, its raw bytes. */
export function halfMd4(name: Uint8Array): NameHash {
  const state = [...START] as [number, number, number, number];
  const words = new Int32Array(8);
  for (let offset = 0; offset < name.length; offset += PIECE_BYTES) {
    packPiece(name, offset, words);
    mixPiece(state, words);
  }
  const hash = (state[1] & ~1) >>> 0;
  return { hash: hash === END_MARK ? END_MARK - 2 : hash, minor: state[2] >>> 0 };
}

/** Bytes big end first; the gap is filled with the number of bytes that were left. */
function packPiece(name: Uint8Array, offset: number, words: Int32Array): void {
  const left = name.length - offset;
  const padding = Math.imul(left & 255, 0x01010101);
  const count = Math.min(left, PIECE_BYTES);
  words.fill(padding);
  for (let word = 0; word * 4 < count; word++) {
    let value = padding;
    const end = Math.min(count, word * 4 + 4);
    for (let i = word * 4; i < end; i++) value = (name[offset + i]! + (value << 8)) | 0;
    words[word] = value;
  }
}

function mixPiece(state: [number, number, number, number], words: Int32Array): void {
  let [a, b, c, d] = state;
  for (let round = 0; round < 3; round++) {
    for (let step = 0; step < 8; step++) {
      const mixed = round === 0
        ? (b & c) | (~b & d)
        : round === 1
        ? (b & c) | (b & d) | (c & d)
        : b ^ c ^ d;
      const sum = (a + mixed + words[WORD_ORDER[round]![step]!]! + ROUND_CONSTANT[round]!) | 0;
      const shift = SHIFTS[round]![step & 3]!;
      const rotated = (sum << shift) | (sum >>> (32 - shift));
      [a, d, c, b] = [d, c, b, rotated];
    }
  }
  state[0] = (state[0] + a) | 0;
  state[1] = (state[1] + b) | 0;
  state[2] = (state[2] + c) | 0;
  state[3] = (state[3] + d) | 0;
}
