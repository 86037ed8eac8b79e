/**
 * The blocks of one source that are on disk.
 *
 * Invariants: no byte is given out whose checksum was not right; nothing here rejects: a disk that fails is a
 * cache that holds nothing. Several stores, in several programs, may work on one file at a time: all of them
 * write the same bytes to the same places.
 */
import {
  BLOCK_BYTES,
  blockChecksum,
  type BlockLayout,
  clearEntry,
  encodeHeader,
  ENTRY_BYTES,
  getEntry,
  setEntry,
} from "./block_format.ts";
import { readLayout } from "./read_layout.ts";
import type { CacheStorage, StoredBytes } from "./storage.ts";

/** What a store asks of the cache it belongs to. */
export interface StoreHost {
  readonly storage: CacheStorage;
  /** Whether so many bytes may be written; counts them as written. */
  admit(sizeBytes: number): Promise<boolean>;
  warn(error: unknown): void;
  release(key: string): void;
}

const TOUCH_MS = 10 * 60_000;
const TOUCH_WRITTEN_BYTES = 64 << 20;

export class BlockStore {
  readonly layout: BlockLayout;
  readonly #host: StoreHost;
  readonly #file: StoredBytes | undefined;
  readonly #table: DataView<ArrayBuffer>;
  readonly #pending = new Set<Promise<unknown>>();
  #writable: boolean;
  #touchedMs = performance.now();
  #writtenBytes = 0;

  private constructor(
    host: StoreHost,
    layout: BlockLayout,
    file: StoredBytes | undefined,
    table: Uint8Array<ArrayBuffer>,
  ) {
    this.#host = host;
    this.layout = layout;
    this.#file = file;
    this.#writable = file !== undefined;
    this.#table = new DataView(table.buffer);
  }

  /** Opens the source's file or begins one. */
  static async open(host: StoreHost, layout: BlockLayout): Promise<BlockStore> {
    const table = new Uint8Array(layout.blockCount * ENTRY_BYTES);
    let file: StoredBytes | undefined;
    try {
      file = await openFile(host.storage, layout);
      await file.read(layout.tableOffsetBytes, table);
      await file.touch();
      return new BlockStore(host, layout, file, table);
    } catch (error) {
      await file?.close();
      host.warn(error);
      return new BlockStore(host, layout, undefined, table.fill(0));
    }
  }

  /** Whether the table tells of a block; its bytes may still turn out to be lost. */
  has(block: number): boolean {
    return getEntry(this.#table, block) !== undefined;
  }

  /** Looks for blocks that another program has stored since. */
  async refresh(first: number, count: number): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    const fresh = new Uint8Array(count * ENTRY_BYTES);
    const offsetBytes = this.layout.tableOffsetBytes + first * ENTRY_BYTES;
    await this.#run(async () => void await file.read(offsetBytes, fresh));
    const view = new DataView(fresh.buffer);
    for (let i = 0; i < count; i++) {
      const checksum = getEntry(view, i);
      if (checksum !== undefined) setEntry(this.#table, first + i, checksum);
    }
  }

  /** Reads whole blocks; the result is those that are not there, whose part of `into` means nothing. */
  async read(first: number, count: number, into: Uint8Array): Promise<number[]> {
    const file = this.#file;
    const all = Array.from({ length: count }, (_, i) => first + i);
    if (file === undefined) return all;
    const entries = all.map((block) => getEntry(this.#table, block));
    const offsetBytes = this.layout.dataOffsetBytes + first * BLOCK_BYTES;
    const done = await this.#run(async () => await file.read(offsetBytes, into)) ?? 0;
    const lost = all.filter((block, i) => {
      const start = i * BLOCK_BYTES;
      const bytes = into.subarray(start, start + BLOCK_BYTES);
      return start + bytes.length > done ||
        blockChecksum(this.layout, block, bytes) !== entries[i];
    });
    for (const block of lost) clearEntry(this.#table, block);
    if (performance.now() - this.#touchedMs > TOUCH_MS) await this.#touch();
    return lost;
  }

  /** Stores whole blocks if there is room. */
  async write(first: number, bytes: Uint8Array): Promise<void> {
    const file = this.#file;
    if (file === undefined || !this.#writable || !await this.#host.admit(bytes.length)) return;
    const count = Math.ceil(bytes.length / BLOCK_BYTES);
    const entries = new DataView(new ArrayBuffer(count * ENTRY_BYTES));
    for (let i = 0; i < count; i++) {
      const block = bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
      setEntry(entries, i, blockChecksum(this.layout, first + i, block));
    }
    const { dataOffsetBytes, tableOffsetBytes } = this.layout;
    const stored = await this.#run(async () => {
      await file.write(dataOffsetBytes + first * BLOCK_BYTES, bytes);
      await file.write(tableOffsetBytes + first * ENTRY_BYTES, new Uint8Array(entries.buffer));
      return true;
    });
    if (stored === undefined) {
      this.#writable = false; // a disk that is full now is not asked again for every block
      return;
    }
    for (let i = 0; i < count; i++) setEntry(this.#table, first + i, getEntry(entries, i)!);
    this.#writtenBytes += bytes.length;
    if (this.#writtenBytes >= TOUCH_WRITTEN_BYTES) await this.#touch();
  }

  /** Also notices that the file was evicted: then nobody would ever read what is written to it. */
  async #touch(): Promise<void> {
    this.#touchedMs = performance.now();
    this.#writtenBytes = 0;
    const isLinked = await this.#run(() => this.#file!.touch());
    if (isLinked === false) this.#writable = false;
  }

  /** Undefined when it failed. */
  async #run<T>(work: () => Promise<T>): Promise<T | undefined> {
    const running = work().catch((error) => {
      this.#host.warn(error);
      return undefined;
    });
    this.#pending.add(running);
    const result = await running;
    this.#pending.delete(running);
    return result;
  }

  async close(): Promise<void> {
    this.#writable = false;
    await Promise.all(this.#pending);
    await this.#file?.close();
    this.#host.release(this.layout.key);
  }
}

async function openFile(storage: CacheStorage, layout: BlockLayout): Promise<StoredBytes> {
  const name = `${layout.key}.blocks`;
  // Once more when the file was damaged, or evicted between its making and its opening.
  for (let attempt = 0; attempt < 3; attempt++) {
    const file = await storage.open(name);
    if (file !== undefined) {
      const found = await readLayout(file).catch(async (error) => {
        await file.close();
        throw error;
      });
      if (found?.identity === layout.identity && found.sizeBytes === layout.sizeBytes) return file;
      await file.close();
      await storage.remove(name);
    }
    await storage.create(name, encodeHeader(layout));
  }
  throw new Error("the file of a source could not be made");
}
