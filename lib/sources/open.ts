/** From what the user wrote to a Reader: a URL or a path. */
import { fileURLToPath } from "node:url";
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { TracedReader } from "./boot_trace/traced_reader.ts";
import { CachedReader } from "./disk_cache/cached_reader.ts";
import type { DiskCache } from "./disk_cache/disk_cache.ts";
import { openFile } from "./file.ts";
import { type HttpOptions, openHttp } from "./http.ts";
import { PageCache, type PageCacheOptions } from "./page_cache.ts";
import type { Reader } from "./reader.ts";

export interface OpenSourceOptions extends HttpOptions {
  /** Of the memory cache that every URL gets. */
  cache?: PageCacheOptions;
  /** Where what URLs give is kept for the next run, below the memory cache. Default: nowhere. */
  diskCache?: DiskCache;
  /** Whether first uses are noted in the disk cache, and those of the last run fetched ahead. Default off. */
  trace?: "record+replay" | "off";
}

/**
 * Opens a path, a `file:` URL or an `http(s):` URL. URLs are read through a PageCache, and a TracedReader when
 * there is a trace.
 *
 * @throws {FastboopError} `not-found`, `permission`, `unsupported` for another scheme or kind of file,
 * `source`, `cancelled`.
 */
export async function openSource(spec: string, options: OpenSourceOptions = {}): Promise<Reader> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(spec)?.[1]?.toLowerCase();
  if (scheme === "http" || scheme === "https") {
    return await openUrl(spec, options);
  }
  if (scheme === "file") return await openFile(pathOf(spec));
  if (scheme !== undefined && spec.startsWith("//", scheme.length + 1)) {
    throw new FastboopError({
      kind: "unsupported",
      action: `Open a ${scheme}: URL`,
      state: "fastboop reads http, https and file URLs, and paths",
      hint: "Download the image and give its path",
    });
  }
  return await openFile(spec);
}

async function openUrl(url: string, options: OpenSourceOptions): Promise<Reader> {
  const http = await openHttp(url, options);
  const { diskCache } = options;
  const stored = diskCache?.wrap(http) ?? http;
  if (options.trace !== "record+replay" || !(stored instanceof CachedReader)) {
    return new PageCache(stored, options.cache);
  }
  const mayReadAhead = () => !traced.isPrefetching;
  const pages = new PageCache(stored, { ...options.cache, mayReadAhead });
  const traced = await TracedReader.open(pages, stored, diskCache!);
  return traced;
}

function pathOf(spec: string): string {
  try {
    return fileURLToPath(spec);
  } catch {
    throw new FastboopError({
      kind: "not-found",
      action: `Open "${printable(spec)}"`,
      state: "it is no file: URL of this machine",
      hint: "Give the path instead",
    });
  }
}
