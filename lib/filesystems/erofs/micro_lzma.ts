/**
 * MicroLZMA as EROFS stores it: an LZMA1 stream without header, whose first byte, where the range
 * coder's zero stands, is the complement of the properties. The size is known from outside.
 *
 * The output is its own dictionary. Source: the LZMA specification in 7-Zip's lzma.txt; the first byte as
 * documented for lzma_microlzma_decoder in xz's lzma/container.h.
 */
import {
  CHUNK_SLACK_BYTES,
  CHUNK_START_BYTES,
  decodeLzmaChunk,
} from "../../images/xz/lzma_chunk.ts";
import {
  type LzmaState,
  newLzmaState,
  resetLzmaState,
  setLzmaProperties,
} from "../../images/xz/lzma_state.ts";

/** Reused: its tables are larger than most clusters. */
let state: LzmaState | undefined;

/**
 * Fills `output` from the stream in `input`; what follows in the stream is left. False when the stream
 * breaks its format or ends early.
 */
export function decodeMicroLzma(input: Uint8Array, output: Uint8Array): boolean {
  if (input.length < CHUNK_START_BYTES) return false;
  const lzma = state ??= newLzmaState();
  if (!setLzmaProperties(lzma, ~input[0]! & 255)) return false;
  resetLzmaState(lzma);
  const stored = new Uint8Array(input.length + CHUNK_SLACK_BYTES);
  stored.set(input);
  const [end, out] = [input.length, output.length];
  return decodeLzmaChunk(lzma, stored, 0, end, output, 0, out, 0, 2 ** 32 - 1, true);
}
