/** The files of a root file system that may be kernels, by their places and names. */
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import { followPath } from "../firmware/follow_path.ts";

export interface KernelFile {
  /** Where it was found: `boot/vmlinuz`, perhaps a link. */
  readonly shownPath: string;
  /** The same without links. */
  readonly path: string;
  readonly entry: Entry;
  /** The release with modules that its path names. A hint only: the image itself says what it is. */
  readonly named?: string | undefined;
}

/** Names kernels have: vmlinuz of most, Image of arm64, linux of boot loader entries, kernel of Gentoo. */
const NAME = /^(?:(?:vmlinuz|Image|bzImage|zImage|linux|kernel)(?:[-_.].*)?|kernel\d[\w]*\.img)$/;
/** What lies beside kernels under their names: checksums, signatures, settings, folders of headers. */
const BESIDE = /\.(?:hmac|sig|asc|sha\d*|sha\d+sum|map|conf|cfg|txt|dtb|old\.sig)$/;
/** Fedora's kernel for emergencies: never the newest, whatever its release. */
const RESCUE = /rescue/;
const BOOT_ROOTS = ["boot", "efi"];
/** `boot/efi/<machine id>/<release>/linux`: as deep as boot loaders' entries lie. */
const MAX_DEPTH = 4;
const MAX_FOLDERS = 200;
const MAX_FILES = 64;
/** Folders of boot partitions that hold thousands of files and no kernel. */
const NO_KERNELS = /^(?:dtbs?|dtbs?-.*|grub2?|overlays|overlay-user|extlinux|fonts)$/;

/**
 * The candidates, each file once: those of the modules' directories first, then the root's own, then those
 * below `boot` and `efi`, and on a boot partition those below its top, which is what `boot` is elsewhere. Links
 * are followed inside the tree.
 *
 * @param modules release -> directory, as modulesDirectories() gives them.
 * @param rootModules the same of the root, where `tree` is a boot partition beside it.
 */
export async function listKernels(
  tree: FileTree,
  modules: ReadonlyMap<string, string>,
  rootModules?: ReadonlyMap<string, string>,
): Promise<KernelFile[]> {
  const search = new Search(tree, [...modules.keys(), ...rootModules?.keys() ?? []]);
  for (const directory of modules.values()) await search.folder(directory, 0);
  await search.folder("", 0);
  for (const root of BOOT_ROOTS) {
    const at = await followPath(tree, root);
    if (at?.entry.kind === "directory") await search.folder(at.path, MAX_DEPTH);
  }
  if (rootModules !== undefined) await search.folder("", MAX_DEPTH);
  return search.found;
}

/** One file that the user or a profile names. */
export async function namedKernel(tree: FileTree, path: string): Promise<KernelFile | undefined> {
  const shownPath = path.replace(/^\/+/, "");
  const at = await followPath(tree, shownPath);
  return at?.entry.kind === "file" ? { shownPath, path: at.path, entry: at.entry } : undefined;
}

class Search {
  readonly found: KernelFile[] = [];
  readonly #seen = new Set<string>();
  #folders = 0;

  constructor(readonly tree: FileTree, readonly releases: readonly string[]) {}

  async folder(path: string, depth: number): Promise<void> {
    if (this.#folders++ >= MAX_FOLDERS || this.#seen.has(`${path}/`)) return;
    if (depth > 0) this.#seen.add(`${path}/`);
    // A tree of a kernel alone may have no modules and so no such directory.
    if (path !== "" && (await this.tree.stat(path))?.kind !== "directory") return;
    const below: string[] = [];
    for (const entry of await this.tree.list(path)) {
      const at = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.kind === "directory") {
        if (depth > 0 && !NO_KERNELS.test(entry.name)) below.push(at);
      } else if (NAME.test(entry.name) && !BESIDE.test(entry.name) && !RESCUE.test(at)) {
        await this.#add(at, entry);
      }
    }
    for (const folder of below) await this.folder(folder, depth - 1);
  }

  async #add(shownPath: string, listed: Entry): Promise<void> {
    if (this.found.length >= MAX_FILES) return;
    const at = listed.kind === "symlink"
      ? await followPath(this.tree, shownPath)
      : { path: shownPath, entry: listed };
    if (at?.entry.kind !== "file" || RESCUE.test(at.path) || this.#seen.has(at.path)) return;
    this.#seen.add(at.path);
    const named = this.#releaseIn(shownPath) ?? this.#releaseIn(at.path);
    this.found.push({ shownPath, path: at.path, entry: at.entry, named });
  }

  /** The longest one: `6.1.0-9-amd64` of `vmlinuz-6.1.0-9-amd64`, not `6.1.0-9`. */
  #releaseIn(path: string): string | undefined {
    return this.releases.filter((release) => path.includes(release))
      .reduce<string | undefined>(
        (best, r) => best && best.length >= r.length ? best : r,
        undefined,
      );
  }
}
