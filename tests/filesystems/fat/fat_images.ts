/** FAT images of mkfs.vfat, filled by mtools: neither needs the kernel nor root. */
import assert from "node:assert/strict";
import { hasTool, run } from "../foreign_tools.ts";

export const HAS_FAT_TOOLS = hasTool("mkfs.vfat") && hasTool("mcopy") && hasTool("mmd");

/** Settings under which mtools take names as UTF-8 and times as UTC. */
const SETTINGS = ["LC_ALL=C.UTF-8", "TZ=UTC", "MTOOLS_SKIP_CHECK=1"];

/** Runs a tool that must succeed. */
export async function must(program: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run("env", [...SETTINGS, program, ...args]);
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

/** An empty image; `words` are options of mkfs.vfat. */
export async function makeFat(path: string, sizeKib: number, words: string): Promise<void> {
  await must("mkfs.vfat", [
    "--invariant",
    ...words.split(" ").filter((word) => word !== ""),
    "-C",
    path,
    String(sizeKib),
  ]);
}

/** Copies a host directory's content into the image's root. */
export async function fillFat(path: string, folder: string): Promise<void> {
  const names = [];
  for await (const { name } of Deno.readDir(folder)) names.push(`${folder}/${name}`);
  await must("mcopy", ["-i", path, "-s", "-m", ...names.sort(), "::/"]);
}

/**
 * A FAT32 of few clusters, which mtools take for a FAT16, and so cannot fill. fsck.fat reads it as the
 * kernel does: of a chain that nothing refers to it makes the file FSCK0000.REC of two clusters.
 */
export async function makeSmallFat32(path: string): Promise<void> {
  await makeFat(path, 600, "-F 32 -s 1 -R 4 -n SMALL");
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  const fatBytes = view.getUint32(36, true) * 512;
  for (const fat of [4 * 512, 4 * 512 + fatBytes]) {
    view.setUint32(fat + 4 * 9, 5, true);
    view.setUint32(fat + 4 * 5, 0x0fffffff, true);
  }
  const data = 4 * 512 + 2 * fatBytes - 2 * 512;
  bytes.fill(0x41, data + 9 * 512, data + 10 * 512);
  bytes.fill(0x42, data + 5 * 512, data + 6 * 512);
  await Deno.writeFile(path, bytes);
  const { code, stdout } = await run("fsck.fat", ["-a", "-f", path]);
  assert.equal(code, 1, stdout);
}
