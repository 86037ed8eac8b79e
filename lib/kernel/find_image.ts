/** The newest boot image of a build that is whole. */
import { FastboopError } from "../errors/errors.ts";
import { type Arch, ARCHES } from "./arch.ts";
import { type KernelImage, MAX_KERNEL_BYTES, unwrapKernelImage } from "./image_format.ts";
import type { MissingPiece } from "./missing_piece.ts";
import type { TreeFiles } from "./tree_files.ts";

export interface FoundImage {
  readonly path: string;
  readonly image: KernelImage;
}

/**
 * Looks at every image format of the architecture below `arch/<arch>/boot`; `vmlinux` is never one. An
 * image older than the `vmlinux` it is made of, or a `vmlinux` older than its objects, is a build that
 * was cut short.
 */
export async function findImage(
  files: TreeFiles,
  outDir: string,
  arch: Arch,
): Promise<FoundImage | MissingPiece> {
  const { directory, images, imageTarget } = ARCHES[arch];
  const boot = `arch/${directory}/boot`;
  const missing = (text: string): MissingPiece => ({
    text: `kernel image: ${text}`,
    targets: [imageTarget],
  });
  const candidates: { name: string; mtimeMs: number }[] = [];
  for (const name of images) {
    const facts = await files.stat(`${outDir}/${boot}/${name}`);
    if (facts?.kind === "file") candidates.push({ name, mtimeMs: facts.mtimeMs });
  }
  if (candidates.length === 0) {
    const wanted = images.length === 1 ? images[0]! : `{${images.join(",")}}`;
    return missing(`no ${boot}/${wanted}`);
  }
  candidates.sort((a, b) => b.mtimeMs - a.mtimeMs);
  const newest = candidates[0]!;
  const stale = await staleness(files, outDir, newest.mtimeMs);
  if (stale !== undefined) return missing(`${boot}/${newest.name} is out of date: ${stale}`);

  const reasons: string[] = [];
  for (const { name } of candidates) {
    const path = `${outDir}/${boot}/${name}`;
    try {
      const bytes = await files.read(path, MAX_KERNEL_BYTES);
      if (bytes) return { path, image: unwrapKernelImage(bytes, arch, `"${boot}/${name}"`) };
    } catch (error) {
      if (!(error instanceof FastboopError) || error.kind === "permission") throw error;
      reasons.push(`${name}: ${error.state}`);
    }
  }
  return missing(`none in ${boot} can be used: ${reasons.join("; ")}`);
}

async function staleness(
  files: TreeFiles,
  outDir: string,
  imageMtimeMs: number,
): Promise<string | undefined> {
  const linked = await files.stat(`${outDir}/vmlinux`);
  if (linked === undefined) return undefined;
  if (linked.mtimeMs > imageMtimeMs) return "vmlinux is newer";
  const objects = await files.stat(`${outDir}/vmlinux.a`);
  return objects && objects.mtimeMs > linked.mtimeMs
    ? "vmlinux.a is newer than vmlinux"
    : undefined;
}
