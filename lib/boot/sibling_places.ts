/** File systems beside the root on its disk, opened one after the other as somebody asks for the next. */
import { printable } from "../bytes/printable.ts";
import type { OpenedImage } from "../filesystems/open_image.ts";
import { FastboopError } from "../errors/errors.ts";
import type { Partition } from "../images/partitions.ts";
import type { KernelPlace } from "../kernel/root_kernel/find_kernel_among.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";

/** A boot partition, an EFI one and some to spare. */
const MAX_FILESYSTEMS = 8;

/** Each is opened once, however often they are gone through. Disposal closes them; the image stays open. */
export class SiblingPlaces implements AsyncIterable<KernelPlace>, AsyncDisposable {
  readonly #image: OpenedImage;
  readonly #signal: AbortSignal;
  readonly #held = new AsyncDisposableStack();
  /** By the index of the partition; undefined where no file system is. */
  readonly #places = new Map<number, KernelPlace | undefined>();

  constructor(image: OpenedImage, signal: AbortSignal) {
    this.#image = image;
    this.#signal = signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<KernelPlace> {
    let left = MAX_FILESYSTEMS;
    for (const partition of this.#image.siblings ?? []) {
      if (left === 0) return;
      const place = this.#places.has(partition.index)
        ? this.#places.get(partition.index)
        : await this.#open(partition);
      this.#places.set(partition.index, place);
      if (place === undefined) continue;
      left--;
      yield place;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync();
  }

  async #open({ index, name: label }: Partition): Promise<KernelPlace | undefined> {
    const name = `partition ${index + 1}${label === "" ? "" : ` "${printable(label)}"`}`;
    try {
      const image = await this.#image.openSibling(index, { signal: this.#signal });
      if (image === undefined) return undefined;
      this.#held.use(image);
      let tree: Promise<FileTree> | undefined;
      return { name, openTree: () => tree ??= image.openTree().then(asMounted) };
    } catch (error) {
      // Whoever looks there decides what one that cannot be read means.
      if (!(error instanceof FastboopError)) throw error;
      return { name, openTree: () => Promise.reject(error) };
    }
  }
}

/**
 * A boot partition is `/boot` to the links on it, which may say so: `vmlinuz -> /boot/vmlinuz-6.1`.
 * One with a `boot` of its own is somebody's root, and its links mean that.
 */
async function asMounted(tree: FileTree): Promise<FileTree> {
  if (await tree.stat("boot") !== undefined) return tree;
  const here = (entry: Entry): Entry =>
    entry.linkTarget?.startsWith("/boot/")
      ? { ...entry, linkTarget: entry.linkTarget.slice("/boot".length) }
      : entry;
  return {
    stat: async (path) => {
      const entry = await tree.stat(path);
      return entry && here(entry);
    },
    list: async (path) => (await tree.list(path)).map(here),
    open: (path, entry) => tree.open(path, entry),
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}
