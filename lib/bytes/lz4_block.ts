/**
 * One raw LZ4 block (lz4_Block_format.md of the LZ4 project): sequences of a token, literals and a
 * match in what was decoded before, the last of literals only.
 */
import { alignUp } from "./align.ts";
import { lz4Module, SLACK_BYTES } from "./lz4_module.ts";

/** How far a block was decoded. */
export interface Lz4Result {
  /** Bytes of the output that are filled. */
  readonly written: number;
  /** Whether the input ended with the last sequence. */
  readonly complete: boolean;
}

/** Input and output of the decoder; it grows to the largest pair, and views of it then begin anew. */
const PAGE_BYTES = 65536;
const memory = new WebAssembly.Memory({ initial: 4 });
let bytes = new Uint8Array(memory.buffer);
let decode: ((from: number, fromEnd: number, start: number, end: number) => number) | undefined;

/**
 * Decodes `input` until it ends or `output` is full; undefined when the block breaks its format.
 * Matches reach no further back than the start of `output`.
 */
export function decodeLz4Block(input: Uint8Array, output: Uint8Array): Lz4Result | undefined {
  decode ??= instantiate();
  const start = alignUp(input.length + SLACK_BYTES, 16);
  const needed = start + output.length + SLACK_BYTES;
  if (needed > bytes.length) {
    memory.grow(Math.ceil((needed - bytes.length) / PAGE_BYTES));
    bytes = new Uint8Array(memory.buffer);
  }
  bytes.set(input);
  const result = decode(0, input.length, start, start + output.length);
  if (result < 0) return undefined;
  const written = result >>> 1;
  output.set(bytes.subarray(start, start + written));
  return { written, complete: (result & 1) !== 0 };
}

function instantiate(): NonNullable<typeof decode> {
  const module = new WebAssembly.Module(lz4Module());
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports.decode as NonNullable<typeof decode>;
}
