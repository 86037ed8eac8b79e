/** The root file system of an image, whatever is around it. */
import { FastboopError } from "../errors/errors.ts";
import type { OpenedImage } from "../filesystems/open_image.ts";
import { type RootImage, sniffRootImage } from "../images/sniff.ts";
import type { FileTree } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";
import type { ImageSources } from "./image_sources.ts";
import type { BootRequest } from "./request.ts";
import { SiblingPlaces } from "./sibling_places.ts";

const CASYNC_INDEX = /\.caibx$/i;

export interface Rootfs extends RootImage {
  /** Export 0. */
  readonly reader: Reader;
  /** Its files, read through `reader`, which disposing of the tree leaves open. */
  openTree(): Promise<FileTree>;
  /** The file systems beside it; present where it is a partition of a disk. */
  openSiblings?(signal: AbortSignal): SiblingPlaces;
}

/**
 * Finds the root file system of an image. One with nothing around it is served straight from `reader`.
 *
 * @throws {FastboopError} `usage` when no partition can be chosen, `unsupported` when there is no root file
 * system, what the containers throw.
 */
export async function openRootfs(
  reader: Reader,
  sources: ImageSources,
  { rootfs, partition }: Pick<BootRequest, "rootfs" | "partition">,
  signal: AbortSignal,
): Promise<Rootfs> {
  const image = partition === undefined ? await sniffRootImage(reader, { signal }) : undefined;
  if (image !== undefined) return { ...image, reader, openTree: () => sources.openTree(reader) };
  // Where its chunks are is told by where the index is.
  const isIndex = CASYNC_INDEX.test(rootfs.replace(/[?#].*$/s, ""));
  const spec = isIndex
    ? { pipeline: { kind: "casync", index: rootfs } as const }
    : { leaf: reader };
  const inner = await sources.openImage(spec, partition === undefined ? {} : { partition });
  return await rootfsOf(inner, sources);
}

/** @throws {FastboopError} `unsupported` when it is none that the phone can mount; the image is closed then. */
export async function rootfsOf(image: OpenedImage, sources: ImageSources): Promise<Rootfs> {
  const { format, blockSizeBytes, reader } = image;
  if ((format === "erofs" || format === "ext4") && blockSizeBytes !== undefined) {
    const openTree = () => sources.openTree(reader);
    const root = { filesystem: format, blockSizeBytes, reader, openTree };
    if (image.siblings === undefined) return root;
    return { ...root, openSiblings: (signal) => new SiblingPlaces(image, signal) };
  }
  await image[Symbol.asyncDispose]();
  throw new FastboopError({
    kind: "unsupported",
    action: "Find a root file system in the image",
    state: `${image.steps.length === 0 ? "it" : `what is inside (${image.steps.join(", ")})`} is ${
      format === undefined ? "nothing that is recognised" : format
    }`,
    hint: "Give an EROFS or ext4 image, in xz, gzip, zstd, zip, tar, sparse or a disk if need be",
  });
}
