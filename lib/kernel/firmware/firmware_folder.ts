/**
 * A modules directory with firmware in a folder of its own: `usr/lib/modules/<release>/firmware/**`. The
 * kernel is told to look there (`firmware_class.path=`), so nothing of the root file system's own firmware
 * is hidden. Files stay where they are; links were followed, owner, mode and times are the image's.
 */
import { compareUtf8 } from "../../bytes/compare.ts";
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import type { FirmwareFile } from "./plan_firmware.ts";

/** Name of the folder in the release's directory. */
export const FIRMWARE_FOLDER = "firmware";

export interface FirmwareFolderOptions {
  /** `usr/lib/modules/<release>` of `inner`. */
  directory: string;
  /** What planFirmware() found in `source`. */
  files: readonly FirmwareFile[];
  source: FileTree;
}

export class FirmwareFolder implements FileTree {
  readonly #inner: FileTree;
  readonly #source: FileTree;
  readonly #directory: string;
  readonly #files = new Map<string, FirmwareFile>();
  readonly #folders = new Map<string, Entry[]>();

  /** Takes over `inner` and the source: disposing of this disposes of both. */
  constructor(inner: FileTree, { directory, files, source }: FirmwareFolderOptions) {
    this.#inner = inner;
    this.#source = source;
    this.#directory = directory;
    for (const file of files) {
      const path = `${directory}/${FIRMWARE_FOLDER}/${file.namePath}`;
      this.#files.set(path, file);
      this.#folder(path.slice(0, path.lastIndexOf("/"))).push(shown(path, file.entry));
    }
    for (const entries of this.#folders.values()) {
      entries.sort((a, b) => compareUtf8(a.name, b.name));
    }
  }

  async stat(path: string): Promise<Entry | undefined> {
    const file = this.#files.get(path);
    if (file !== undefined) return shown(path, file.entry);
    if (this.#folders.has(path) && path !== this.#directory) return shown(path);
    return await this.#inner.stat(path);
  }

  async list(path: string): Promise<Entry[]> {
    const own = this.#folders.get(path) ?? [];
    if (path !== this.#directory) return own.length > 0 ? [...own] : await this.#inner.list(path);
    const entries = await this.#inner.list(path);
    return [...entries.filter(({ name }) => name !== FIRMWARE_FOLDER), ...own]
      .sort((a, b) => compareUtf8(a.name, b.name));
  }

  async open(path: string, entry?: Entry): Promise<Reader> {
    const file = this.#files.get(path);
    if (file !== undefined) return await this.#source.open(file.path, file.entry);
    return await this.#inner.open(path, entry);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
    await this.#source[Symbol.asyncDispose]();
  }

  /** The entries of a folder, which is made with all between it and the release's directory. */
  #folder(path: string): Entry[] {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const entries: Entry[] = [];
    this.#folders.set(path, entries);
    if (path !== this.#directory) {
      this.#folder(path.slice(0, path.lastIndexOf("/"))).push(shown(path));
    }
    return entries;
  }
}

/** A file when its entry is given, else a folder. */
function shown(path: string, file?: Entry): Entry {
  return {
    name: path.slice(path.lastIndexOf("/") + 1),
    kind: file === undefined ? "directory" : "file",
    mode: file === undefined ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: file?.sizeBytes ?? 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    ...(file?.stamp === undefined ? {} : { stamp: file.stamp }),
  };
}
