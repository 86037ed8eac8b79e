import { damaged } from "../damaged.ts";
import { DIRECTORY_NAMES } from "../limits.ts";
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { LISTED_ENTRIES, type MainCalls, SMALL_FILE_BYTES, type WorkerCalls } from "./calls.ts";
import { isEntry } from "./is_entry.ts";
import { malformed } from "./malformed.ts";
import type { Peer } from "./peer.ts";
import { RemoteReader } from "./remote_reader.ts";
import { SmallFiles } from "./small_files.ts";

/** A FileTree in the image worker. Entries carry no stamp: an image does not change under its reader. */
export class RemoteTree implements FileTree {
  readonly #peer: Peer<WorkerCalls, MainCalls>;
  readonly #id: number;
  readonly #small: SmallFiles;

  constructor(peer: Peer<WorkerCalls, MainCalls>, id: number) {
    this.#peer = peer;
    this.#id = id;
    this.#small = new SmallFiles(peer, id);
  }

  async stat(path: string): Promise<Entry | undefined> {
    const { value } = await this.#peer.call("stat", { id: this.#id, path });
    if (value !== undefined && !isEntry(value)) throw malformed(`Look at "${path}"`);
    return value;
  }

  async list(path: string): Promise<Entry[]> {
    const action = `List "${path}"`;
    const entries: Entry[] = [];
    let { value } = await this.#peer.call("list", { id: this.#id, path });
    for (;;) {
      const part = value?.entries;
      if (!Array.isArray(part)) throw malformed(action);
      const isTooLong = part.length > LISTED_ENTRIES ||
        entries.length + part.length > DIRECTORY_NAMES;
      if (isTooLong) throw damaged(action, "the directory does not end");
      if (!part.every(isEntry)) throw malformed(action);
      entries.push(...part);
      if (value.more === undefined) return entries;
      // Else the parts could go on for ever.
      if (part.length < LISTED_ENTRIES) throw malformed(action);
      ({ value } = await this.#peer.call("listMore", { id: value.more }));
    }
  }

  async open(path: string, entry?: Entry): Promise<Reader> {
    const isSmall = entry === undefined || entry.sizeBytes <= SMALL_FILE_BYTES;
    const file = isSmall ? await this.#small.open(path) : undefined;
    if (file !== undefined) return file;
    const { value } = await this.#peer.call("openFile", { id: this.#id, path });
    return new RemoteReader(this.#peer, value);
  }

  /** The tree belongs to its image, which closes it. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
