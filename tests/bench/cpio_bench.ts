/** The newc archive of a tree against find | cpio, from process start, into a file. */
import type { BenchRow } from "./bench.ts";
import { benchTree } from "./bench_tree.ts";
import { median, medianRatio, pairedTimes, removeFile } from "./paired.ts";

const ROUNDS = 9;

export async function bench(): Promise<BenchRow[]> {
  const source = await benchTree();
  const folder = await Deno.makeTempDir({ prefix: "fastboop-bench-" });
  try {
    const target = `${folder}/archive`;
    const prepare = () => removeFile(target);
    const script = 'cd "$1" && find . -mindepth 1 -print0 | cpio --null -o -H newc --quiet > "$2"';
    const { ours, cpio } = await pairedTimes({
      ours: {
        program: Deno.execPath(),
        args: [
          "run",
          "--quiet",
          "-A",
          `${import.meta.dirname}/image_child.ts`,
          "cpio",
          source,
          target,
        ],
        prepare,
      },
      cpio: { program: "sh", args: ["-c", script, "sh", source, target], prepare },
    }, ROUNDS);
    const ratio = medianRatio(ours, cpio);
    return [{
      name: "cpio of the modules to a file / find | cpio",
      figure: `${ratio.toFixed(2)} (${median(ours).toFixed(0)} / ${median(cpio).toFixed(0)} ms)`,
      target: "< 1.00",
      ok: ratio < 1,
    }];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
