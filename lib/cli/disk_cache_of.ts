import type { Environment } from "../boot/environment.ts";
import type { Progress } from "../boot/progress.ts";
import { DiskCache } from "../sources/disk_cache/disk_cache.ts";
import { cacheDirectory } from "./cache_directory.ts";

/** How to open the cache of blocks; undefined when the environment names no place for it. */
export function diskCacheOf(
  env: Environment,
  { warn }: Progress,
): (() => Promise<DiskCache>) | undefined {
  const directory = cacheDirectory(env);
  return directory === undefined ? undefined : () => DiskCache.open(directory, { onWarning: warn });
}
