/** What a cache directory holds, source by source. */
import { TRACE_HEADER_BYTES } from "../boot_trace/trace_format.ts";
import { type BlockLayout, ENTRY_BYTES, getEntry, runBytes } from "./block_format.ts";
import { readLayout } from "./read_layout.ts";
import type { CacheStorage, StoredBytes, StoredFile } from "./storage.ts";

export interface CachedSource {
  /** Names its files. */
  readonly key: string;
  /** Undefined when only a trace is left, or the file is damaged. */
  readonly identity: string | undefined;
  readonly sizeBytes: number | undefined;
  /** Of the source, as far as the file claims to have it. */
  readonly cachedBytes: number;
  /** What its files take on disk. */
  readonly diskBytes: number;
  /** In milliseconds since 1970. */
  readonly usedMs: number;
  /** Blocks of the boot trace. */
  readonly traceBlocks: number;
}

/** Lists the sources, the last used first. Rejects with the system's errors. */
export async function listCache(storage: CacheStorage): Promise<CachedSource[]> {
  const byKey = Map.groupBy(await storage.list(), ({ name }) => name.slice(0, 64));
  const sources: CachedSource[] = [];
  for (const [key, files] of byKey) sources.push(await describe(storage, key, files));
  return sources.sort((a, b) => b.usedMs - a.usedMs);
}

async function describe(
  storage: CacheStorage,
  key: string,
  files: StoredFile[],
): Promise<CachedSource> {
  const held = await read(storage, `${key}.blocks`, readBlocks);
  const traceBlocks = await read(storage, `${key}.trace`, readTraceLength);
  return {
    key,
    identity: held?.layout.identity,
    sizeBytes: held?.layout.sizeBytes,
    cachedBytes: held?.cachedBytes ?? 0,
    diskBytes: files.reduce((sum, { diskBytes }) => sum + diskBytes, 0),
    usedMs: Math.max(...files.map(({ usedMs }) => usedMs)),
    traceBlocks: traceBlocks ?? 0,
  };
}

/** Undefined when there is no such file. */
async function read<T>(
  storage: CacheStorage,
  name: string,
  what: (file: StoredBytes) => Promise<T>,
): Promise<T | undefined> {
  const file = await storage.open(name, { readOnly: true });
  if (file === undefined) return undefined;
  try {
    return await what(file);
  } finally {
    await file.close();
  }
}

async function readBlocks(
  file: StoredBytes,
): Promise<{ layout: BlockLayout; cachedBytes: number } | undefined> {
  const layout = await readLayout(file);
  if (layout === undefined) return undefined;
  const table = new DataView(new ArrayBuffer(layout.blockCount * ENTRY_BYTES));
  await file.read(layout.tableOffsetBytes, new Uint8Array(table.buffer));
  let cachedBytes = 0;
  for (let block = 0; block < layout.blockCount; block++) {
    if (getEntry(table, block) !== undefined) cachedBytes += runBytes(layout, block, 1);
  }
  return { layout, cachedBytes };
}

async function readTraceLength(file: StoredBytes): Promise<number> {
  const header = new Uint8Array(TRACE_HEADER_BYTES);
  const isWhole = await file.read(0, header) === header.length;
  return isWhole ? new DataView(header.buffer).getUint32(56, true) : 0;
}
