/**
 * One physical cluster into data, by algorithm number (Z_EROFS_COMPRESSION_* of fs/erofs/erofs_fs.h).
 *
 * Streams end with the cluster and are padded with zeros in front. What is not known here is refused.
 */
import { decodeLz4Block } from "../../bytes/lz4_block.ts";
import { FastboopError } from "../../errors/errors.ts";
import { damaged } from "../damaged.ts";
import { MAX_DECODED_BYTES } from "./format.ts";
import { decodeMicroLzma } from "./micro_lzma.ts";

/** EROFS allows 1 MiB; room for encoders that round up, far from what a hostile frame may ask for. */
const ZSTD_WINDOW_BITS = 24;

/** What a decoder is told beside its bytes. */
export interface ClusterOptions {
  /** The cluster may hold more than `output` has room for. */
  readonly partial: boolean;
  /** Images from before Linux 5.4 pad LZ4 behind, not in front. */
  readonly paddedInFront: boolean;
}

/** Loaded when it is first needed: most images have none of its formats, and it takes 25 ms. */
function zlib(): typeof import("node:zlib") {
  return process.getBuiltinModule("node:zlib");
}

const NAMES = ["LZ4", "MicroLZMA", "DEFLATE", "Zstandard"];

/** Fills `output` from the cluster `input`; throws `corrupt`, or `unsupported` for the algorithm. */
export function decodeCluster(
  action: () => string,
  algorithm: number,
  input: Uint8Array,
  output: Uint8Array,
  options: ClusterOptions,
): void {
  const name = NAMES[algorithm];
  if (name === undefined) {
    const state = `compression algorithm ${algorithm} is not known here`;
    throw new FastboopError({ kind: "unsupported", action: action(), state });
  }
  let start = 0;
  if (algorithm !== 0 || options.paddedInFront) {
    while (start < input.length && input[start] === 0) start++;
  }
  const stream = input.subarray(start);
  const done = algorithm === 0
    ? decodeLz4(stream, output, options)
    : algorithm === 1
    ? decodeMicroLzma(stream, output)
    : decodeWithZlib(algorithm, stream, output, options.partial);
  if (!done) throw damaged(action(), `a ${name} cluster of ${input.length} bytes is damaged`);
}

function decodeLz4(
  stream: Uint8Array,
  output: Uint8Array,
  { partial, paddedInFront }: ClusterOptions,
): boolean {
  const result = decodeLz4Block(stream, output);
  if (result?.written !== output.length) return false;
  // Where the padding is behind, the block's own end cannot be told from it.
  return result.complete || partial || !paddedInFront;
}

function decodeWithZlib(
  algorithm: number,
  stream: Uint8Array,
  output: Uint8Array,
  partial: boolean,
): boolean {
  const { constants, inflateRawSync, zstdDecompressSync } = zlib();
  const maxOutputLength = partial ? MAX_DECODED_BYTES : Math.max(1, output.length);
  let decoded: Uint8Array;
  try {
    decoded = algorithm === 2 ? inflateRawSync(stream, { maxOutputLength }) : zstdDecompressSync(
      stream,
      { maxOutputLength, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_BITS } },
    );
  } catch {
    return false;
  }
  if (decoded.length < output.length) return false;
  output.set(decoded.length === output.length ? decoded : decoded.subarray(0, output.length));
  return partial || decoded.length === output.length;
}
