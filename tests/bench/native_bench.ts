/**
 * From a kernel tree to the first block of its modules image, beside programs that do the same.
 *
 * The lab's tree is a real build, and its peer is `make modules_install` with `mkfs.ext4 -d`. Debian's 4,230
 * modules are unpacked into the shape of a build. Its peer is `cp -r` and `mkfs.ext4 -d` alone, without make,
 * strip and depmod: less than any installation; boot_bench.ts has the whole.
 */
import type { BenchRow } from "./bench.ts";
import { unpackDebianBuild } from "./debian_build.ts";
import { type Contender, median, medianRatio, pairedTimes } from "./paired.ts";

const ROUNDS = 5;
const TARGET_MS = 1500;
const CHILD = `${import.meta.dirname}/native_child.ts`;

export async function bench(): Promise<BenchRow[]> {
  const folder = await Deno.makeTempDir({ prefix: "fastboop-bench-" });
  try {
    return [...await labRows(folder), ...await debianRows(folder)];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function labRows(folder: string): Promise<BenchRow[]> {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const tree = `${cache}/fastboop/lab/kernel-x86_64`;
  if (!exists(`${tree}/modules.order`)) return [];
  const to = `${folder}/lab`;
  const install = `make -s -C "$1" modules_install INSTALL_MOD_STRIP=1 INSTALL_MOD_PATH="$2/usr"`;
  const times = await pairedTimes({
    native: native(tree),
    make: shell(`${install} && ${mkfs(64)}`, tree, to),
  }, ROUNDS);
  return [
    row("31 modules of the lab: native / make + mkfs.ext4 -d", times.native, times.make, 0.5),
  ];
}

async function debianRows(folder: string): Promise<BenchRow[]> {
  const tree = `${folder}/tree`;
  await unpackDebianBuild(tree);
  const times = await pairedTimes({
    native: native(tree),
    copy: shell(`mkdir "$2" && cp -r "$1" "$2" && ${mkfs(1024)}`, tree, `${folder}/copy`),
  }, ROUNDS);
  const { stdout } = await new Deno.Command(native(tree).program, native(tree)).output();
  const [rssKib, cpuMs] = new TextDecoder().decode(stdout).trim().split(" ").map(Number);
  const rssMib = rssKib! / 1024;
  const nativeMs = median(times.native);
  return [
    {
      name: "4,230 modules: tree checked, indexed, first block",
      figure: `${nativeMs.toFixed(0)} ms`,
      target: `<= ${TARGET_MS} ms`,
      ok: nativeMs <= TARGET_MS,
    },
    {
      name: "4,230 modules: processor time of that",
      figure: `${cpuMs} ms`,
      target: "none",
      ok: true,
    },
    row("4,230 modules: native / cp -r + mkfs.ext4 -d", times.native, times.copy, 1),
    {
      name: "4,230 modules: peak memory of native",
      figure: `${rssMib.toFixed(0)} MiB`,
      target: "<= 512 MiB",
      ok: rssMib <= 512,
    },
  ];
}

function row(name: string, ours: number[], theirs: number[], target: number): BenchRow {
  const ratio = medianRatio(ours, theirs);
  const figure = `${ratio.toFixed(2)} (${median(ours).toFixed(0)} / ${
    median(theirs).toFixed(0)
  } ms)`;
  return { name, figure, target: `<= ${target.toFixed(2)}`, ok: ratio <= target };
}

function native(tree: string): Contender {
  return { program: Deno.execPath(), args: ["run", "--quiet", "-A", CHILD, tree] };
}

/** A script with the tree as $1 and a folder that is not there yet as $2. */
function shell(script: string, tree: string, to: string): Contender {
  const prepare = () => exists(to) && Deno.removeSync(to, { recursive: true });
  return { program: "sh", args: ["-c", script, "sh", tree, to], prepare };
}

function mkfs(sizeMib: number): string {
  return `/sbin/mkfs.ext4 -q -d "$2" "$2.img" ${sizeMib}M && rm "$2.img"`;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
