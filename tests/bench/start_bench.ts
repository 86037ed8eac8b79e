/** Start-up: what somebody waits for who only asks for help. */
import type { BenchRow } from "./bench.ts";

const ROOT = import.meta.dirname!.replace(/\/tests\/bench$/, "");

export async function bench(): Promise<BenchRow[]> {
  const times: number[] = [];
  for (let run = 0; run < 11; run++) {
    const start = performance.now();
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "main.ts", "--help"],
      cwd: ROOT,
      stdout: "null",
    }).output();
    if (!success) throw new Error("fastboop --help failed");
    times.push(performance.now() - start);
  }
  const median = times.sort((a, b) => a - b)[5]!;
  return [{
    name: "fastboop --help, from source, process start to end",
    figure: `${median.toFixed(0)} ms (median of 11)`,
    target: "<= 120 ms",
    ok: median <= 120,
  }];
}
