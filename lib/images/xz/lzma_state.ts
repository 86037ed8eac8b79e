/** What the LZMA decoder keeps from chunk to chunk: probabilities, properties, last distances. */

/** What LZMA carries from chunk to chunk. */
export interface LzmaState {
  readonly probabilities: Uint16Array;
  literalContextBits: number;
  literalPositionMask: number;
  positionMask: number;
  state: number;
  distances: [number, number, number, number];
}

/** Probability of one half, of 11 bits. */
const INITIAL = 1024;
/** Where the literals' probabilities begin, behind those of lzma_chunk.ts. */
export const LITERAL = 1860;
/** lc + lp is 4 at most in LZMA2. */
const COUNT = LITERAL + (0x300 << 4);

export function newLzmaState(): LzmaState {
  return {
    probabilities: new Uint16Array(COUNT),
    literalContextBits: 0,
    literalPositionMask: 0,
    positionMask: 0,
    state: 0,
    distances: [0, 0, 0, 0],
  };
}

/** Forgets everything but the properties. */
export function resetLzmaState(lzma: LzmaState): void {
  lzma.probabilities.fill(INITIAL);
  lzma.state = 0;
  lzma.distances = [0, 0, 0, 0];
}
