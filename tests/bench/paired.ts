/** Child processes measured in turn, so that a busy moment hits all of them. */

/** A program to be measured. */
export interface Contender {
  program: string;
  args: string[];
  /** Runs before each measured run, which it does not count for. */
  prepare?: () => void;
}

/** Medians in milliseconds of the wall time from start to end, after one run that does not count. */
export async function pairedMedians<Name extends string>(
  contenders: Record<Name, Contender>,
  rounds: number,
): Promise<Record<Name, number>> {
  const names = Object.keys(contenders) as Name[];
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const { program, args, prepare } = contenders[name];
      prepare?.();
      const start = performance.now();
      const { success, stderr } = await new Deno.Command(program, { args, stdout: "null" })
        .output();
      const elapsedMs = performance.now() - start;
      if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
      if (round >= 0) times.get(name)!.push(elapsedMs);
    }
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  return Object.fromEntries(names.map((name) => [name, median(times.get(name)!)])) as Record<
    Name,
    number
  >;
}

/** Removes a file that may not be there. */
export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
