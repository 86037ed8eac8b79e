/** Child processes measured in turn, so that a busy moment hits all of them. */

import type { BenchRow } from "./bench.ts";

/** A program to be measured. */
export interface Contender {
  program: string;
  args: string[];
  /** Runs before each measured run, which it does not count for. */
  prepare?: () => void;
}

/** Wall times in milliseconds from start to end by round, after one round that does not count. */
export async function pairedTimes<Name extends string>(
  contenders: Record<Name, Contender>,
  rounds: number,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const { program, args, prepare } = contenders[name];
      prepare?.();
      const start = performance.now();
      const { success, stderr } = await new Deno.Command(program, { args, stdout: "null" })
        .output();
      const elapsedMs = performance.now() - start;
      if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
      if (round >= 0) times[name].push(elapsedMs);
    }
  }
  return times;
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** The middle of the ratios that each round gave, which a slow spell of the machine moves little. */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((time, round) => time / theirs[round]!));
}

/** Ours beside a peer's: the ratio of paired rounds, and both medians. */
export function ratioRow(
  name: string,
  ours: readonly number[],
  theirs: readonly number[],
  target = Infinity,
): BenchRow {
  const ratio = medianRatio(ours, theirs);
  return {
    name,
    figure: `${ratio.toFixed(2)} (${median(ours).toFixed(0)} / ${median(theirs).toFixed(0)} ms)`,
    target: target === Infinity ? "none" : `<= ${target.toFixed(2)}`,
    ok: ratio <= target,
  };
}

/** Removes a file that may not be there. */
export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
