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

/** Takes lc, lp and pb from their byte; false when they are none, or more than LZMA2 and liblzma allow. */
export function setLzmaProperties(lzma: LzmaState, byte: number): boolean {
  const lc = byte % 9;
  const lp = Math.floor(byte / 9) % 5;
  if (byte >= 9 * 5 * 5 || lc + lp > 4) return false;
  lzma.literalContextBits = lc;
  lzma.literalPositionMask = (1 << lp) - 1;
  lzma.positionMask = (1 << Math.floor(byte / 45)) - 1;
  return true;
}
