/** A look at one candidate: whose kernel it is and of which release, reading no more than that takes. */
import type { FileTree } from "../../sources/file_tree.ts";
import type { Arch } from "../arch.ts";
import { BZIMAGE_HEADER_BYTES, parseBzImageHeader } from "../bzimage.ts";
import { type KernelImage, MAX_KERNEL_BYTES, unwrapKernelImage } from "../image_format.ts";
import { parseKernelRelease } from "../kernel_release.ts";
import type { UnpackBudget } from "../decompress_kernel.ts";
import { refuseOtherMachine } from "../kernel_machine.ts";
import { readTreeFile } from "../read_tree_file.ts";
import type { KernelFile } from "./list_kernels.ts";

export interface SeenKernel {
  readonly file: KernelFile;
  /** By the image itself. */
  readonly release: string;
  /** Reads the rest, where the release was told by the header. */
  readonly load: () => Promise<KernelImage>;
}

/**
 * An x86 image tells its release in its header; of an arm64 image the whole is read, for its release stands
 * somewhere in the kernel.
 *
 * @param budget what is read and unpacked for the look is taken from it.
 * @throws {FastboopError} `unsupported` for another machine's kernel or a format that is not read,
 * `corrupt`, `limit`, and what reading throws.
 */
export async function lookAtKernel(
  tree: FileTree,
  file: KernelFile,
  arch: Arch,
  budget: UnpackBudget,
  signal: AbortSignal | undefined,
): Promise<SeenKernel> {
  const what = `"${file.shownPath}"`;
  const options = signal === undefined ? {} : { signal };
  const read = ({ path, entry }: KernelFile, mostBytes: number) =>
    readTreeFile(tree, path, mostBytes, { entry, ...options });
  const { head, sizeBytes } = await readHead(tree, file, options);
  refuseOtherMachine(head, arch, what);
  if (arch === "x86_64") {
    const { release } = parseBzImageHeader(head, sizeBytes, what);
    const load = async () => unwrapKernelImage(await read(file, MAX_KERNEL_BYTES), arch, what);
    return { file, release: parseKernelRelease(release, what), load };
  }
  const stored = await read(file, Math.min(MAX_KERNEL_BYTES, budget.leftBytes));
  budget.leftBytes -= stored.length;
  const image = unwrapKernelImage(stored, arch, what, budget);
  const release = parseKernelRelease(image.release, what);
  return { file, release, load: () => Promise.resolve(image) };
}

async function readHead(
  tree: FileTree,
  { path, entry }: KernelFile,
  options: { signal?: AbortSignal },
): Promise<{ head: Uint8Array; sizeBytes: number }> {
  await using reader = await tree.open(path, entry);
  const head = new Uint8Array(Math.min(reader.sizeBytes, BZIMAGE_HEADER_BYTES));
  await reader.readAt(0, head, options);
  return { head, sizeBytes: reader.sizeBytes };
}
