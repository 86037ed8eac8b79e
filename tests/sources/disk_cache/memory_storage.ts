/** A cache directory in memory that fails when a test says so, and can lose power. */
import type {
  CacheStorage,
  StoredBytes,
  StoredFile,
} from "../../../lib/sources/disk_cache/storage.ts";

/** One write that the disk may not have got yet. */
export interface LoggedWrite {
  readonly name: string;
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

interface Content {
  bytes: Uint8Array;
  usedMs: number;
  isLinked: boolean;
}

export class MemoryStorage implements CacheStorage {
  readonly files = new Map<string, Content>();
  readonly writes: LoggedWrite[] = [];
  /** Asked before every call; what it throws is what the disk says. */
  fault: (call: "open" | "read" | "write" | "touch" | "create" | "list") => void = () => {};
  free: number | undefined;
  calls = 0;
  openFiles = 0;
  #clock = 1;

  // deno-lint-ignore require-await
  async list(): Promise<StoredFile[]> {
    this.fault("list");
    return [...this.files].map(([name, { bytes, usedMs }]) => {
      return { name, diskBytes: bytes.length, usedMs };
    });
  }

  // deno-lint-ignore require-await
  async open(name: string): Promise<StoredBytes | undefined> {
    this.fault("open");
    const content = this.files.get(name);
    if (content === undefined) return undefined;
    this.openFiles++;
    return new MemoryFile(this, name, content, () => this.#clock++);
  }

  async create(name: string, bytes: Uint8Array): Promise<void> {
    this.fault("create");
    if (!this.files.has(name)) await this.replace(name, bytes);
  }

  async replace(name: string, bytes: Uint8Array): Promise<void> {
    this.fault("create");
    await this.remove(name);
    this.files.set(name, { bytes: bytes.slice(), usedMs: this.#clock++, isLinked: true });
  }

  // deno-lint-ignore require-await
  async remove(name: string): Promise<void> {
    const content = this.files.get(name);
    if (content) content.isLinked = false;
    this.files.delete(name);
  }

  async sweep(): Promise<void> {}

  // deno-lint-ignore require-await
  async freeBytes(): Promise<number | undefined> {
    return this.free;
  }
}

class MemoryFile implements StoredBytes {
  constructor(
    readonly storage: MemoryStorage,
    readonly name: string,
    readonly content: Content,
    readonly tick: () => number,
  ) {}

  // deno-lint-ignore require-await
  async read(offsetBytes: number, into: Uint8Array): Promise<number> {
    this.storage.fault("read");
    this.storage.calls++;
    const found = this.content.bytes.subarray(offsetBytes, offsetBytes + into.length);
    into.set(found);
    return found.length;
  }

  // deno-lint-ignore require-await
  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    this.storage.fault("write");
    this.storage.writes.push({ name: this.name, offsetBytes, bytes: bytes.slice() });
    this.content.bytes = written(this.content.bytes, offsetBytes, bytes);
    this.content.usedMs = this.tick();
  }

  // deno-lint-ignore require-await
  async touch(): Promise<boolean> {
    this.storage.fault("touch");
    this.content.usedMs = this.tick();
    return this.content.isLinked;
  }

  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.storage.openFiles--;
  }
}

/** The bytes after a write; a hole reads as zeros. */
export function written(old: Uint8Array, offsetBytes: number, bytes: Uint8Array): Uint8Array {
  const end = offsetBytes + bytes.length;
  const grown = end > old.length ? new Uint8Array(end) : old;
  if (grown !== old) grown.set(old);
  grown.set(bytes, offsetBytes);
  return grown;
}
