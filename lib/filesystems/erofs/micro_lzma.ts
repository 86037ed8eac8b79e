/**
 * MicroLZMA as EROFS stores it: an LZMA1 stream without header, whose first byte, where the range
 * coder's zero stands, is the complement of the properties. The size is known from outside.
 *
 * The output is its own dictionary. Source: the LZMA specification in 7-Zip's lzma.txt; the first byte as
 * documented for lzma_microlzma_decoder in xz's lzma/container.h.
 */

const TOP = 2 ** 24;
const PROBABILITY_BITS = 11;
const HALF = 1 << (PROBABILITY_BITS - 1);
const MOVE_BITS = 5;

const STATES = 12;
const POSITION_STATES = 16;
const LENGTH_SIZE = 2 + POSITION_STATES * 8 * 2 + 256;
const LENGTH_LOW = 2;
const LENGTH_MIDDLE = LENGTH_LOW + POSITION_STATES * 8;
const LENGTH_HIGH = LENGTH_MIDDLE + POSITION_STATES * 8;

/** Where each model's probabilities start in the one table. */
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POSITION_STATES;
const IS_REP0 = IS_REP + STATES;
const IS_REP1 = IS_REP0 + STATES;
const IS_REP2 = IS_REP1 + STATES;
const IS_REP0_LONG = IS_REP2 + STATES;
const SLOTS = IS_REP0_LONG + STATES * POSITION_STATES;
const SPECIAL = SLOTS + 4 * 64;
const ALIGN = SPECIAL + 115;
const MATCH_LENGTH = ALIGN + 16;
const REP_LENGTH = MATCH_LENGTH + LENGTH_SIZE;
const LITERALS = REP_LENGTH + LENGTH_SIZE;

/**
 * Fills `output` from the stream in `input`; what follows in the stream is left. False when the stream
 * breaks its format or ends early.
 */
export function decodeMicroLzma(input: Uint8Array, output: Uint8Array): boolean {
  if (input.length < 5) return false;
  const properties = ~input[0]! & 255;
  if (properties >= 9 * 5 * 5) return false;
  const lc = properties % 9;
  const lp = Math.floor(properties / 9) % 5;
  // liblzma takes no more: it bounds the literal models to 12 288.
  if (lc + lp > 4) return false;
  const pb = Math.floor(properties / 45);
  return new Decoder(input, output, lc, lp, pb).run();
}

class Decoder {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  readonly #probabilities: Uint16Array;
  readonly #lc: number;
  readonly #lpMask: number;
  readonly #pbMask: number;
  #from = 5;
  #range = 0xffffffff;
  #code: number;
  #failed = false;

  constructor(input: Uint8Array, output: Uint8Array, lc: number, lp: number, pb: number) {
    this.#input = input;
    this.#output = output;
    this.#lc = lc;
    this.#lpMask = (1 << lp) - 1;
    this.#pbMask = (1 << pb) - 1;
    this.#probabilities = new Uint16Array(LITERALS + (0x300 << (lc + lp))).fill(HALF);
    this.#code = ((input[1]! << 24) | (input[2]! << 16) | (input[3]! << 8) | input[4]!) >>> 0;
  }

  run(): boolean {
    const output = this.#output;
    let state = 0;
    let [rep0, rep1, rep2, rep3] = [0, 0, 0, 0];
    for (let at = 0; at < output.length;) {
      if (this.#failed) return false;
      const positionState = at & this.#pbMask;
      if (this.#bit(IS_MATCH + state * POSITION_STATES + positionState) === 0) {
        output[at] = this.#literal(at, state, rep0);
        at++;
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        continue;
      }
      let length: number;
      if (this.#bit(IS_REP + state) === 0) {
        [rep3, rep2, rep1] = [rep2, rep1, rep0];
        length = this.#length(MATCH_LENGTH, positionState);
        rep0 = this.#distance(length);
        state = state < 7 ? 7 : 10;
      } else {
        if (this.#bit(IS_REP0 + state) === 0) {
          if (this.#bit(IS_REP0_LONG + state * POSITION_STATES + positionState) === 0) {
            if (rep0 >= at) return false;
            output[at] = output[at - rep0 - 1]!;
            at++;
            state = state < 7 ? 9 : 11;
            continue;
          }
        } else if (this.#bit(IS_REP1 + state) === 0) {
          [rep0, rep1] = [rep1, rep0];
        } else if (this.#bit(IS_REP2 + state) === 0) {
          [rep0, rep1, rep2] = [rep2, rep0, rep1];
        } else {
          [rep0, rep1, rep2, rep3] = [rep3, rep0, rep1, rep2];
        }
        length = this.#length(REP_LENGTH, positionState);
        state = state < 7 ? 8 : 11;
      }
      if (rep0 >= at) return false;
      const end = Math.min(at + length + 2, output.length);
      for (let from = at - rep0 - 1; at < end; at++, from++) output[at] = output[from]!;
    }
    return !this.#failed;
  }

  #literal(at: number, state: number, rep0: number): number {
    const before = at > 0 ? this.#output[at - 1]! : 0;
    const model = ((at & this.#lpMask) << this.#lc) + (before >>> (8 - this.#lc));
    const base = LITERALS + 0x300 * model;
    let symbol = 1;
    if (state >= 7) {
      let match = this.#output[at - rep0 - 1]!;
      while (symbol < 0x100) {
        const matchBit = (match >>> 7) & 1;
        match <<= 1;
        const bit = this.#bit(base + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== matchBit) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(base + symbol);
    return symbol & 255;
  }

  #length(base: number, positionState: number): number {
    if (this.#bit(base) === 0) return this.#tree(base + LENGTH_LOW + positionState * 8, 3);
    if (this.#bit(base + 1) === 0) {
      return 8 + this.#tree(base + LENGTH_MIDDLE + positionState * 8, 3);
    }
    return 16 + this.#tree(base + LENGTH_HIGH, 8);
  }

  #distance(length: number): number {
    const slot = this.#tree(SLOTS + Math.min(length, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >>> 1) - 1;
    const base = ((2 | (slot & 1)) << bits) >>> 0;
    if (slot < 14) return base + this.#reverseTree(SPECIAL + base - slot, bits);
    const direct = this.#direct(bits - 4);
    return base + direct * 16 + this.#reverseTree(ALIGN, 4);
  }

  #tree(base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(base + symbol);
    return symbol - (1 << bits);
  }

  #reverseTree(base: number, bits: number): number {
    let symbol = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(base + symbol);
      symbol = (symbol << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  #direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#normalize();
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit) this.#code -= this.#range;
      value = value * 2 + bit;
    }
    return value;
  }

  #bit(index: number): number {
    this.#normalize();
    const probability = this.#probabilities[index]!;
    const bound = (this.#range >>> PROBABILITY_BITS) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      this.#probabilities[index] = probability + ((2048 - probability) >>> MOVE_BITS);
      return 0;
    }
    this.#range -= bound;
    this.#code -= bound;
    this.#probabilities[index] = probability - (probability >>> MOVE_BITS);
    return 1;
  }

  #normalize(): void {
    if (this.#range >= TOP) return;
    if (this.#from >= this.#input.length) this.#failed = true;
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | (this.#input[this.#from++] ?? 0)) >>> 0;
  }
}
