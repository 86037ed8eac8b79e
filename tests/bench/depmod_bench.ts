/** `modules depmod` against depmod -a on Debian's modules, as packaged (.ko.xz) and uncompressed. */
import type { BenchRow } from "./bench.ts";
import { benchTree } from "./bench_tree.ts";
import { median, medianRatio, pairedTimes } from "./paired.ts";

const ROUNDS = 5;
const RATIO = 1;
const MEMORY_MIB = 512;
const CHILD = `${import.meta.dirname}/depmod_child.ts`;

export async function bench(): Promise<BenchRow[]> {
  const source = await benchTree();
  const release = source.slice(source.lastIndexOf("/") + 1);
  const folder = await Deno.makeTempDir({ prefix: "fastboop-bench-" });
  try {
    const rows: BenchRow[] = [];
    for (const kind of ["xz", "plain"]) {
      const root = `${folder}/${kind}`;
      await Deno.mkdir(`${root}/lib/modules`, { recursive: true });
      await run("cp", ["-r", source, `${root}/lib/modules/${release}`]);
      if (kind === "plain") {
        await run("find", [root, "-name", "*.ko.xz", "-exec", "xz", "-d", "{}", "+"]);
      }
      rows.push(...await measured(kind, root, release, `${folder}/output`));
    }
    return rows;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function measured(
  kind: string,
  root: string,
  release: string,
  output: string,
): Promise<BenchRow[]> {
  const tree = `${root}/lib/modules/${release}`;
  const ours = { program: Deno.execPath(), args: ["run", "--quiet", "-A", CHILD, tree, output] };
  const theirs = { program: "/sbin/depmod", args: ["-a", "-b", root, release] };
  const times = await pairedTimes({ ours, theirs }, ROUNDS);
  const ratio = medianRatio(times.ours, times.theirs);
  const peakKib = Number(await run(ours.program, ours.args));
  const [a, b] = [median(times.ours).toFixed(0), median(times.theirs).toFixed(0)];
  return [
    {
      name: `modules depmod, ${kind} modules / depmod -a`,
      figure: `${ratio.toFixed(2)} (${a} / ${b} ms)`,
      target: `<= ${RATIO.toFixed(2)}`,
      ok: ratio <= RATIO,
    },
    {
      name: `modules depmod, ${kind} modules: peak memory`,
      figure: `${(peakKib / 1024).toFixed(0)} MiB`,
      target: `<= ${MEMORY_MIB} MiB`,
      ok: peakKib / 1024 <= MEMORY_MIB,
    },
  ];
}

async function run(program: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
