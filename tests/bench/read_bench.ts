/** Reading images front to back against the formats' own tools, from process start, out of the page cache. */
import { ensureKernelSource } from "../lab/kernel_tree.ts";
import type { BenchRow } from "./bench.ts";
import { type Contender, pairedTimes, ratioRow } from "./paired.ts";

const ROUNDS = 5;
const SIZE_BYTES = 2 ** 30;
const CHILD = `${import.meta.dirname}/read_child.ts`;
const EXTRACT = [
  "run",
  "--quiet",
  "-A",
  `${import.meta.dirname}/../../main.ts`,
  "image",
  "extract",
];
/** Memory, so that the disk is not what is measured. */
const OUT = `/dev/shm/fastboop-bench-${Deno.pid}`;

export async function bench(): Promise<BenchRow[]> {
  const folder = await Deno.makeTempDir({ prefix: "fastboop-bench-" });
  try {
    const tree = `${folder}/tree`;
    await fillTree(await ensureKernelSource(), tree);
    await make("mkfs.erofs", "--quiet", "-zlz4", `${folder}/erofs`, tree);
    await make("mke2fs", "-qFt", "ext4", "-d", tree, `${folder}/ext4`, "2200M");
    await make("sh", "-c", `head -c 400M ${folder}/ext4 | xz -T0 -1 > ${folder}/xz`);
    // Else the disk is still busy with them while the first are read.
    await make("sync");
    const read = (kind: string, file = kind) => ours(kind, `${folder}/${file}`);
    const theirs = (program: string, ...args: string[]) => ({ program, args });
    const erofs = await pairedTimes({
      ours: read("erofs"),
      theirs: theirs("fsck.erofs", "--extract", `${folder}/erofs`),
    }, ROUNDS);
    const extract = await pairedTimes({
      ours: extracting(Deno.execPath(), ...EXTRACT, `${folder}/erofs`, "-C", OUT),
      theirs: extracting("fsck.erofs", `--extract=${OUT}`, `${folder}/erofs`),
    }, 1);
    removeOut();
    const ext4 = await pairedTimes({
      ours: read("ext4"),
      theirs: theirs("sh", "-c", debugfs(folder)),
    }, ROUNDS);
    const xz = await pairedTimes({
      ours: read("xz"),
      pool: read("xz-pool", "xz"),
      one: theirs("xz", "-dc", "-T1", `${folder}/xz`),
      all: theirs("xz", "-dc", "-T0", `${folder}/xz`),
    }, ROUNDS);
    return [
      ratioRow("read 1 GiB of EROFS lz4 / fsck.erofs --extract", erofs.ours, erofs.theirs, 2),
      ratioRow("read 1 GiB of ext4 / debugfs rdump", ext4.ours, ext4.theirs, 1),
      ratioRow("read 400 MiB of xz in one thread / xz -dc -T1", xz.ours, xz.one, 1.5),
      ratioRow("read 400 MiB of xz with the pool / xz -dc -T1", xz.pool, xz.one, 1),
      ratioRow("read 400 MiB of xz with the pool / xz -dc -T0", xz.pool, xz.all),
      ratioRow("image extract of 1 GiB EROFS / fsck.erofs", extract.ours, extract.theirs),
    ];
  } finally {
    removeOut();
    await Deno.remove(folder, { recursive: true });
  }
}

/** debugfs has no way to read without writing. */
function debugfs(folder: string): string {
  return `mkdir ${OUT} && debugfs -R 'rdump / ${OUT}' ${folder}/ext4 2>/dev/null; rm -r ${OUT}`;
}

/** A program that fills OUT, which is removed before it counts. */
function extracting(program: string, ...args: string[]): Contender {
  return { program, args, prepare: emptyOut };
}

function emptyOut(): void {
  removeOut();
  Deno.mkdirSync(OUT);
}

function removeOut(): void {
  try {
    Deno.removeSync(OUT, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function ours(kind: string, path: string): Contender {
  return { program: Deno.execPath(), args: ["run", "--quiet", "-A", CHILD, kind, path] };
}

/** The kernel's sources, as many of them as make 1 GiB. */
async function fillTree(source: string, target: string): Promise<void> {
  let left = SIZE_BYTES;
  const copy = async (from: string, to: string): Promise<void> => {
    await Deno.mkdir(to);
    for await (const { name, isFile, isDirectory } of Deno.readDir(from)) {
      if (left <= 0) return;
      if (isDirectory) await copy(`${from}/${name}`, `${to}/${name}`);
      if (!isFile) continue;
      left -= (await Deno.stat(`${from}/${name}`)).size;
      await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    }
  };
  await copy(source, target);
}

async function make(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}
