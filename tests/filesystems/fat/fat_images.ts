/** FAT images of mkfs.vfat, filled by mtools: neither needs the kernel nor root. */
import assert from "node:assert/strict";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { seededRandom } from "../../smoo/seeded_random.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";

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

/** A FAT12 image of 720 KiB with one file per name, and what changes it afterwards. */
export async function withFiles(
  names: readonly string[],
  body: (bytes: Uint8Array, image: string) => Promise<void>,
): Promise<void> {
  await withTempDir(async (folder) => {
    await makeFat(`${folder}/image`, 720, "-F 12 -s 1 -n VOLUME");
    for (const name of names) {
      const text = new TextEncoder().encode(`${name} `.repeat(1500).slice(0, 1500));
      await Deno.writeFile(`${folder}/content`, text);
      await must("mcopy", ["-i", `${folder}/image`, `${folder}/content`, `::/${name}`]);
    }
    await body(await Deno.readFile(`${folder}/image`), `${folder}/image`);
  });
}

/** Where `wanted` begins; -1 when it does not occur. */
export function indexOf(bytes: Uint8Array, wanted: Uint8Array | string): number {
  const text = typeof wanted === "string" ? new TextEncoder().encode(wanted) : wanted;
  for (let at = 0; at + text.length <= bytes.length; at++) {
    if (text.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

/** Bytes that no two seeds have alike. */
export function noise(sizeBytes: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: sizeBytes }, () => random(256));
}

/** The whole of a file. */
export async function readAll(tree: FileTree, path: string): Promise<Uint8Array> {
  await using reader = await tree.open(path);
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes);
  return bytes;
}
