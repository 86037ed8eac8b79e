/** `cache ls` and `cache prune`: what is kept of images from URLs. */
import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { DEFAULT_CAPACITY_BYTES } from "../sources/disk_cache/disk_cache.ts";
import { evict } from "../sources/disk_cache/evict.ts";
import { HostStorage } from "../sources/disk_cache/host_storage.ts";
import { type CachedSource, listCache } from "../sources/disk_cache/list_cache.ts";
import { readEnvironment } from "./boot_words.ts";
import { cacheDirectory } from "./cache_directory.ts";
import type { Options } from "./command.ts";

export async function runCacheLs(options: Options): Promise<number> {
  const storage = await openStorage();
  const sources = storage === undefined ? [] : await working("List", () => listCache(storage));
  if (options["json"] === true) console.log(JSON.stringify(sources.map(toJson)));
  else {for (const line of sources.length === 0 ? ["nothing is kept"] : table(sources)) {
      console.log(line);
    }}
  return 0;
}

export async function runCachePrune(options: Options): Promise<number> {
  const all = options["all"] === true;
  const max = options["max"] as number | undefined;
  if (all && max !== undefined) {
    throw new FastboopError({
      kind: "usage",
      action: "Prune the cache",
      state: "--all and --max exclude each other",
    });
  }
  const storage = await openStorage();
  if (storage === undefined) return 0;
  const capacityBytes = all ? 0 : max ?? DEFAULT_CAPACITY_BYTES;
  await working("Prune", async () => {
    const taken = async () =>
      (await storage.list()).reduce((sum, { diskBytes }) => sum + diskBytes, 0);
    await storage.sweep();
    const before = await taken();
    if (all) { for (const { name } of await storage.list()) await storage.remove(name); }
    else await evict(storage, { capacityBytes }, new Set(), 0);
    const after = await taken();
    console.log(`freed ${formatSize(before - after)}, kept ${formatSize(after)}`);
  });
  return 0;
}

/** Undefined when nothing was ever cached. */
async function openStorage(): Promise<HostStorage | undefined> {
  const directory = cacheDirectory(readEnvironment());
  if (directory === undefined) {
    throw new FastboopError({
      kind: "not-found",
      action: "Find the cache",
      state: "neither FASTBOOP_CACHE_DIR nor XDG_CACHE_HOME nor HOME holds an absolute path",
    });
  }
  try {
    return await HostStorage.open(directory, { create: false });
  } catch (error) {
    if (error instanceof FastboopError && error.kind === "not-found") return undefined;
    throw error;
  }
}

/** The system's errors as ours. */
async function working<T>(verb: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FastboopError) throw error;
    throw new FastboopError({
      kind: "permission",
      action: `${verb} the cache`,
      state: printable(error instanceof Error ? error.message : String(error)),
      cause: error,
    });
  }
}

function table(sources: readonly CachedSource[]): string[] {
  const rows = [
    ["KEPT", "OF", "LAST USE", "TRACE", "SOURCE"],
    ...sources.map(({ identity, sizeBytes, cachedBytes, usedMs, traceBlocks }) => [
      formatSize(cachedBytes),
      sizeBytes === undefined ? "?" : formatSize(sizeBytes),
      new Date(usedMs).toISOString().slice(0, 16).replace("T", " "),
      String(traceBlocks),
      printable(identity ?? "(only a trace, or damaged)"),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
}

function toJson(source: CachedSource): unknown {
  return {
    ...source,
    identity: source.identity ?? null,
    sizeBytes: source.sizeBytes ?? null,
    usedMs: undefined,
    lastUse: new Date(source.usedMs).toISOString(),
  };
}
