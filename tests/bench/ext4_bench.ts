/** The modules image against mkfs.ext4 -d on the same tree, from process start. */
import { DirectoryTree } from "../../lib/sources/directory.ts";
import { layoutExt4 } from "../../lib/filesystems/ext4/layout.ts";
import type { BenchRow } from "./bench.ts";
import { benchTree } from "./bench_tree.ts";
import { pairedTimes, ratioRow, removeFile } from "./paired.ts";

const ROUNDS = 9;
const FIRST_BLOCK_RATIO = 0.35;
const STREAM_RATIO = 0.6;
const CHILD = `${import.meta.dirname}/image_child.ts`;

export async function bench(): Promise<BenchRow[]> {
  const source = await benchTree();
  const { sizeBytes, inodes } = await layoutExt4(new DirectoryTree(source));
  const folder = await Deno.makeTempDir({ prefix: "fastboop-bench-" });
  try {
    const target = `${folder}/image`;
    const prepare = () => removeFile(target);
    const ours = (...args: string[]) => ({
      program: Deno.execPath(),
      args: ["run", "--quiet", "-A", CHILD, ...args],
      prepare,
    });
    // mkfs has to be told a size; half as much again is room for its journal and reserve.
    const size = `${Math.ceil(sizeBytes * 1.5 / 2 ** 20)}M`;
    const mkfs = (...options: string[]) => ({
      program: "/sbin/mkfs.ext4",
      args: ["-q", ...options, "-d", source, target, size],
      prepare,
    });
    const times = await pairedTimes({
      first: ours("first-block", source),
      stream: ours("ext4", source, target),
      mkfs: mkfs(),
      leanMkfs: mkfs("-b", "4096", "-m", "0", "-O", "^has_journal"),
    }, ROUNDS);
    return [
      ratioRow(
        `ext4 of ${inodes.length} inodes: first block / mkfs.ext4 -d`,
        times.first,
        times.mkfs,
        FIRST_BLOCK_RATIO,
      ),
      await writtenBytes(source),
      ratioRow("ext4 to a file / mkfs.ext4 -d", times.stream, times.mkfs, STREAM_RATIO),
      // For the record: mkfs at its fastest, without what it adds by default.
      ratioRow("ext4 first block / the same without journal", times.first, times.leanMkfs),
      ratioRow("ext4 to a file / the same without journal", times.stream, times.leanMkfs),
    ];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function writtenBytes(source: string): Promise<BenchRow> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", CHILD, "first-block", source],
  }).output();
  const written = new TextDecoder().decode(stdout).trim();
  return {
    name: "ext4 bytes written to storage until the first block",
    figure: written,
    target: "0",
    ok: written === "0",
  };
}
