/**
 * Any image file -> what it is, the innermost bytes, and their files.
 *
 * For a boot the file system image inside an archive is entered; to look at it, an archive is a tree.
 */
import { printable } from "../bytes/printable.ts";
import { cancelled, FastboopError } from "../errors/errors.ts";
import { LeasedReader } from "../images/leased_reader.ts";
import type { Partition } from "../images/partitions.ts";
import type { Siblings } from "../images/siblings.ts";
import { type Format, sniffRootImage } from "../images/sniff.ts";
import {
  formatOf,
  type ListedPartition,
  MAX_DEPTH,
  unwrap,
  type UnwrapOptions,
} from "../images/unwrap.ts";
import type { FileTree } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";
import { MemberReader } from "./member_reader.ts";
import { openTree } from "./open_tree.ts";
import { probeRoot } from "./probe_root.ts";

/** Members of an archive looked into for an image. */
const LOOKED_AT = 4096;
/** The smallest file system: a superblock at 1024. */
const IMAGE_BYTES = 2048;

const ARCHIVES: readonly (Format | undefined)[] = ["tar", "zip", "iso9660"];
/** What a member of an archive can be that is entered for a boot. */
const ENTERED: readonly (Format | undefined)[] = [
  ...["erofs", "ext4", "fat", "iso9660", "gpt", "mbr"] as const,
  ...["android-sparse", "xz", "gzip", "zstd", "tar", "zip"] as const,
];
/** What is read of a partition beside the entered one. */
const FILESYSTEMS: readonly (Format | undefined)[] = ["fat", "ext4", "erofs"];

export interface OpenImageOptions extends UnwrapOptions {
  /** A member of an archive to enter. */
  entry?: string;
}

export interface OpenedImage extends AsyncDisposable {
  /** What was taken off, outermost first. */
  readonly steps: readonly string[];
  /** The innermost bytes. */
  readonly reader: Reader;
  /** Of the innermost bytes; undefined when nothing is recognised. */
  readonly format: Format | undefined;
  /** Of EROFS and ext4. */
  readonly blockSizeBytes?: number;
  /** Of a disk none of whose partitions was entered. */
  readonly partitions?: readonly ListedPartition[];
  /**
   * The other partitions of the disk that was entered last, in the table's order. A table may hold hundreds,
   * so nobody has looked at what is on them.
   */
  readonly siblings?: readonly Partition[];
  /**
   * Its files; belongs to the image and closes with it.
   *
   * @throws {FastboopError} `unsupported` when the format holds none, `corrupt`, `limit`.
   */
  openTree(): Promise<FileTree>;
  /**
   * The file system on one of `siblings`, by the partition's index: FAT, ext4 or EROFS, undefined for anything
   * else. It reads through the same disk, and closes with this image at the latest.
   *
   * @throws {FastboopError} `not-found` when it is none of them, what reading throws, `cancelled`.
   */
  openSibling(index: number, options?: { signal?: AbortSignal }): Promise<OpenedImage | undefined>;
}

/**
 * Opens an image. The result owns `source`; when opening fails it stays the caller's.
 *
 * @throws {FastboopError} `usage` listing the candidates when no partition or member can be chosen;
 * `corrupt`, `limit`, `unsupported`, `not-found`, `source`.
 */
export async function openImage(
  source: Reader,
  options: OpenImageOptions = {},
): Promise<OpenedImage> {
  const lease = new LeasedReader(source);
  const { entry, partition, ...rest } = options;
  let reader: Reader = lease;
  let steps: readonly string[] = [];
  let wanted = entry;
  let siblings: Siblings | undefined;
  try {
    for (;;) {
      const maxDepth = (options.maxDepth ?? MAX_DEPTH) - steps.length;
      // The partition belongs to the outermost disk, wherever that lies.
      const named = partition !== undefined && !steps.some(isPartition);
      const inner = await unwrap(reader, {
        ...{ probeRoot, ...rest, maxDepth },
        ...(named ? { partition } : {}),
      });
      reader = inner.reader;
      steps = [...steps, ...inner.steps];
      const { format } = inner;
      const isEntered = wanted !== undefined || options.purpose !== "inspect";
      if (!ARCHIVES.includes(format) || !isEntered) {
        if (wanted !== undefined) throw noArchive(source, wanted);
        if (partition !== undefined && !steps.some(isPartition)) throw noDisk(source, partition);
        const root = await rootImage(reader, format, options.signal);
        lease.keep();
        siblings = inner.siblings ?? siblings;
        return new Image({ ...inner, steps, ...root, ...(siblings && { siblings }) }, options);
      }
      siblings = inner.siblings ?? siblings;
      const member = await enterArchive(format!, reader, options, wanted);
      reader = member.reader;
      steps = [...steps, `${format} member "${printable(member.path)}"`];
      wanted = undefined;
    }
  } catch (error) {
    await reader[Symbol.asyncDispose]();
    throw error;
  }
}

const isPartition = (step: string) => /^(gpt|mbr) partition /.test(step);

async function rootImage(reader: Reader, format: Format | undefined, signal?: AbortSignal) {
  if (format !== "erofs" && format !== "ext4") return undefined;
  return await sniffRootImage(reader, signal ? { signal } : {});
}

type Found =
  & Pick<OpenedImage, "steps" | "reader" | "format" | "blockSizeBytes" | "partitions">
  & { readonly siblings?: Siblings };

class Image implements OpenedImage {
  readonly steps: readonly string[];
  readonly reader: Reader;
  readonly format: Format | undefined;
  declare readonly blockSizeBytes?: number;
  declare readonly partitions?: readonly ListedPartition[];
  declare readonly siblings?: readonly Partition[];
  readonly #options: OpenImageOptions;
  readonly #siblings: Siblings | undefined;
  readonly #opened: OpenedImage[] = [];
  #isClosed = false;
  #tree: Promise<FileTree> | undefined;

  constructor(found: Found, options: OpenImageOptions) {
    this.steps = found.steps;
    this.reader = found.reader;
    this.format = found.format;
    if (found.blockSizeBytes !== undefined) this.blockSizeBytes = found.blockSizeBytes;
    if (found.partitions !== undefined) this.partitions = found.partitions;
    this.#siblings = found.siblings;
    if (found.siblings !== undefined) this.siblings = found.siblings.partitions;
    this.#options = options;
  }

  openTree(): Promise<FileTree> {
    return this.#tree ??= this.#open();
  }

  async openSibling(
    index: number,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<OpenedImage | undefined> {
    const action = `Open partition ${index + 1} beside ${printable(this.reader.identity)}`;
    const reader = this.#siblings?.open(index);
    if (reader === undefined) {
      throw new FastboopError({ kind: "not-found", action, state: "there is no such partition" });
    }
    const format = await formatOf(reader, signal);
    if (!FILESYSTEMS.includes(format)) return undefined;
    const root = await rootImage(reader, format, signal);
    if (this.#isClosed) throw cancelled(action, signal);
    const sibling = new Image({ reader, steps: [], format, ...root }, this.#options);
    this.#opened.push(sibling);
    return sibling;
  }

  async #open(): Promise<FileTree> {
    const { signal: _, ...options } = this.#options;
    const tree = this.format && await openTree(this.format, new LeasedReader(this.reader), options);
    if (tree) return tree;
    throw new FastboopError({
      kind: "unsupported",
      action: `List the files of ${printable(this.reader.identity)}`,
      state: this.format === undefined
        ? "nothing in it is recognised"
        : `it is ${this.format}, which is not read as files`,
      hint: this.partitions === undefined
        ? "Give an image of a file system, an archive or a disk"
        : "Name a partition",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const sibling of this.#opened.splice(0)) await sibling[Symbol.asyncDispose]();
    const tree = await this.#tree?.catch(() => undefined);
    await tree?.[Symbol.asyncDispose]();
    await this.reader[Symbol.asyncDispose]();
  }
}

interface Member {
  readonly path: string;
  /** Owns the archive. */
  readonly reader: Reader;
}

async function enterArchive(
  format: Format,
  archive: Reader,
  options: OpenImageOptions,
  wanted: string | undefined,
): Promise<Member> {
  // Until a member has been found the archive stays with the caller.
  const lease = new LeasedReader(archive);
  const tree = await openTree(format, lease, options);
  if (tree === undefined) {
    const action = `Open the image in ${printable(archive.identity)}`;
    throw new FastboopError({ kind: "unsupported", action, state: `${format} is not read` });
  }
  try {
    const path = wanted ?? await onlyImage(tree, archive, options);
    const reader = await tree.open(path);
    lease.keep();
    return { path, reader: new MemberReader(reader, tree) };
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}

/** The one member that is an image, or contains one. */
async function onlyImage(
  tree: FileTree,
  archive: Reader,
  { signal }: OpenImageOptions,
): Promise<string> {
  const action = `Find the image in ${printable(archive.identity)}`;
  const found: string[] = [];
  const folders = [""];
  for (let left = LOOKED_AT; folders.length > 0;) {
    const folder = folders.pop()!;
    for (const entry of await tree.list(folder)) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (left-- <= 0) break;
      if (signal?.aborted) throw cancelled(action, signal);
      if (entry.kind === "directory") folders.push(path);
      if (entry.kind !== "file" || entry.sizeBytes < IMAGE_BYTES) continue;
      await using reader = await tree.open(path, entry);
      if (ENTERED.includes(await formatOf(reader, signal))) found.push(path);
    }
  }
  if (found.length === 1) return found[0]!;
  const listed = found.slice(0, 24).map((path) => `"${printable(path)}"`).join(", ");
  throw new FastboopError({
    kind: found.length === 0 ? "unsupported" : "usage",
    action,
    state: found.length === 0
      ? "no member of the archive is a file system or disk image"
      : `${found.length} members are images: ${listed}`,
    hint: found.length === 0 ? "Give the image itself" : "Name one of them",
  });
}

function noArchive(source: Reader, entry: string): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: `Open "${printable(entry)}" of ${printable(source.identity)}`,
    state: "it is no archive",
    hint: "Leave the member out",
  });
}

function noDisk(source: Reader, partition: string): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: `Open partition "${printable(partition)}" of ${printable(source.identity)}`,
    state: "there is no partition table",
    hint: "Leave the partition out",
  });
}
