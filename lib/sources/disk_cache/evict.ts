/** Removes the least recently used files of a cache until there is room. */
import type { CacheStorage, StoredFile } from "./storage.ts";

export interface CacheLimits {
  readonly capacityBytes: number;
  /** Left free on the disk, as is half of what is free; without it free space does not count. */
  readonly keepFreeBytes?: number;
}

/**
 * Makes room for `wantedBytes` where that is possible; the result is the room there is.
 *
 * Files whose key is in `used` stay. Traces are small and make a boot fast without its blocks: they go last.
 */
export async function evict(
  storage: CacheStorage,
  limits: CacheLimits,
  used: { has(key: string): boolean },
  wantedBytes: number,
): Promise<number> {
  const files = await storage.list();
  let takenBytes = files.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
  const freeBytes = limits.keepFreeBytes === undefined ? undefined : await storage.freeBytes();
  const mostBytes = mostFor(limits, takenBytes, freeBytes);
  const targetBytes = mostBytes - Math.min(wantedBytes, mostBytes / 4);
  for (const { name, diskBytes } of files.sort(byWorth)) {
    if (takenBytes <= targetBytes) break;
    if (used.has(name.slice(0, 64))) continue;
    await storage.remove(name);
    takenBytes -= diskBytes;
  }
  return Math.max(0, mostBytes - takenBytes);
}

/** What the cache may take: its capacity, and never more than half of what is free without it. */
function mostFor(limits: CacheLimits, takenBytes: number, freeBytes: number | undefined): number {
  if (freeBytes === undefined) return limits.capacityBytes;
  const withoutUs = freeBytes + takenBytes;
  const most = Math.min(
    limits.capacityBytes,
    withoutUs / 2,
    withoutUs - (limits.keepFreeBytes ?? 0),
  );
  return Math.max(0, Math.floor(most));
}

function byWorth(a: StoredFile, b: StoredFile): number {
  const isTrace = ({ name }: StoredFile) => name.endsWith(".trace") ? 1 : 0;
  return isTrace(a) - isTrace(b) || a.usedMs - b.usedMs;
}
