import { FastboopError } from "../../errors/errors.ts";
import { damaged } from "../damaged.ts";
import { DIRECTORY_NAMES } from "../limits.ts";
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import { MemoryReader } from "../../sources/memory.ts";
import type { Reader } from "../../sources/reader.ts";
import { LISTED_ENTRIES, type MainCalls, WHOLE_FILE_BYTES, type WorkerCalls } from "./calls.ts";
import type { Peer } from "./peer.ts";
import { RemoteReader } from "./remote_reader.ts";

/** A FileTree in the image worker. Entries carry no stamp: an image does not change under its reader. */
export class RemoteTree implements FileTree {
  readonly #peer: Peer<WorkerCalls, MainCalls>;
  readonly #id: number;

  constructor(peer: Peer<WorkerCalls, MainCalls>, id: number) {
    this.#peer = peer;
    this.#id = id;
  }

  async stat(path: string): Promise<Entry | undefined> {
    return (await this.#peer.call("stat", { id: this.#id, path })).value;
  }

  async list(path: string): Promise<Entry[]> {
    const entries: Entry[] = [];
    let { value } = await this.#peer.call("list", { id: this.#id, path });
    for (;;) {
      const isTooLong = value.entries.length > LISTED_ENTRIES ||
        entries.length + value.entries.length > DIRECTORY_NAMES;
      if (isTooLong) throw damaged(`List "${path}"`, "the directory does not end");
      entries.push(...value.entries);
      if (value.more === undefined) return entries;
      ({ value } = await this.#peer.call("listMore", { id: value.more }));
    }
  }

  async open(path: string): Promise<Reader> {
    const { value, bytes } = await this.#peer.call("openFile", { id: this.#id, path });
    if (bytes === undefined) return new RemoteReader(this.#peer, value);
    const { sizeBytes, identity } = value;
    const isWhole = bytes instanceof Uint8Array && bytes.length === sizeBytes;
    if (!isWhole || sizeBytes > WHOLE_FILE_BYTES) {
      const state = `${sizeBytes} bytes were to come along`;
      throw new FastboopError({ kind: "internal", action: `Open "${path}"`, state });
    }
    return new MemoryReader(bytes, identity);
  }

  /** The tree belongs to its image, which closes it. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
