/** Damaged inputs for one parser: whatever it is given, it gives a value or a typed error, soon. */
import { FastboopError } from "../../lib/errors/errors.ts";
import { mutations, usedRanges } from "../filesystems/hostile_images.ts";

/** One parser and what it is fed. */
export interface FuzzTarget {
  readonly name: string;
  /** Small inputs that are right; none when the tool that makes them is not there. */
  readonly seeds: () => Promise<Uint8Array[]>;
  /** Parses, and reads what came of it. */
  readonly parse: (bytes: Uint8Array) => Promise<void> | void;
  /** Makes checksums right again, so that what lies behind them is reached too. */
  readonly repair?: (bytes: Uint8Array) => void;
}

/** What the cases led to. */
export interface FuzzTally {
  cases: number;
  accepted: number;
  refused: number;
  slowestMs: number;
}

/** A case that a parser did not stand. */
export class FuzzFailure extends Error {
  constructor(readonly target: string, readonly input: Uint8Array, story: string, cause?: unknown) {
    super(`${target}: ${story}`, { cause });
  }
}

/** Kinds an input from outside may end in. */
const KINDS = ["corrupt", "limit", "unsupported", "not-found", "source", "usage", "tree"];
const CASE_MS = 1000;
const MEMORY_BYTES = 256 << 20;

/**
 * Runs `count` cases with damage that `seed` decides, a third of them cut short too.
 *
 * @throws {FuzzFailure} for an error of another sort, a case of more than a second, or memory that grows.
 */
export async function runCases(
  target: FuzzTarget,
  inputs: readonly Uint8Array[],
  seed: number,
  count: number,
): Promise<FuzzTally> {
  const tally: FuzzTally = { cases: 0, accepted: 0, refused: 0, slowestMs: 0 };
  const before = Deno.memoryUsage().rss;
  for (const [i, input] of inputs.entries()) {
    const share = Math.ceil(count / inputs.length);
    const ranges = usedRanges(input);
    const all: [number, number][] = ranges.length > 0 ? ranges : [[0, input.length]];
    const repair = i % 2 === 0 ? target.repair : undefined;
    for (const { bytes, story } of mutations(input, all, seed + i, share, repair)) {
      const cut = tally.cases % 3 === 0
        ? bytes.subarray(0, tally.cases * 7919 % bytes.length)
        : bytes;
      // A parser may move what it is given to another thread.
      await runCase(target, cut.slice(), `input ${i}, ${story}`, tally);
    }
  }
  const grown = Deno.memoryUsage().rss - before;
  if (grown > MEMORY_BYTES) {
    throw new FuzzFailure(target.name, new Uint8Array(), `memory grew by ${grown} bytes`);
  }
  return tally;
}

async function runCase(
  { name, parse }: FuzzTarget,
  bytes: Uint8Array,
  story: string,
  tally: FuzzTally,
): Promise<void> {
  const kept = bytes.slice();
  const start = performance.now();
  tally.cases++;
  try {
    await parse(bytes);
    tally.accepted++;
  } catch (cause) {
    if (!(cause instanceof FastboopError) || !KINDS.includes(cause.kind)) {
      throw new FuzzFailure(name, kept, `not a typed error: ${story}`, cause);
    }
    tally.refused++;
  }
  const tookMs = performance.now() - start;
  tally.slowestMs = Math.max(tally.slowestMs, tookMs);
  if (tookMs > CASE_MS) throw new FuzzFailure(name, kept, `took ${tookMs} ms: ${story}`);
}
