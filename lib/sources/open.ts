/** From what the user wrote to a Reader: a URL or a path. */
import { fileURLToPath } from "node:url";
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { openFile } from "./file.ts";
import { type HttpOptions, openHttp } from "./http.ts";
import { PageCache, type PageCacheOptions } from "./page_cache.ts";
import type { Reader } from "./reader.ts";

export interface OpenSourceOptions extends HttpOptions {
  /** Of the memory cache that every URL gets. */
  cache?: PageCacheOptions;
}

/**
 * Opens a path, a `file:` URL or an `http(s):` URL. URLs are read through a PageCache.
 *
 * @throws {FastboopError} `not-found`, `permission`, `unsupported` for another scheme or kind of file,
 * `source`, `cancelled`.
 */
export async function openSource(spec: string, options: OpenSourceOptions = {}): Promise<Reader> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(spec)?.[1]?.toLowerCase();
  if (scheme === "http" || scheme === "https") {
    return new PageCache(await openHttp(spec, options), options.cache);
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
