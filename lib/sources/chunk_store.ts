/** A folder of content-addressed chunks, on a server or on this machine. */
import { fileURLToPath } from "node:url";
import { FastboopError } from "../errors/errors.ts";
import { systemClock } from "./clock.ts";
import { openFile } from "./file.ts";
import { lookupAddresses } from "./http.ts";
import { HTTP_LIMITS } from "./http_retry.ts";
import { HttpWhole, type HttpWholeParts } from "./http_whole.ts";

/**
 * Bytes of a file of the store; undefined when there is none of that path, which is relative.
 *
 * @throws {FastboopError} `limit` when it is larger than `limitBytes`, `source`, `permission`, `cancelled`.
 */
export type ChunkStore = (
  path: string,
  options: { limitBytes: number; signal?: AbortSignal },
) => Promise<Uint8Array | undefined>;

/**
 * The store at an http(s) URL, a `file:` URL or a path. Nothing is asked before the first chunk is.
 *
 * @throws {FastboopError} `unsupported` for another scheme, `not-found` for a file URL of no path.
 */
export function openChunkStore(
  location: string,
  parts: Partial<Omit<HttpWholeParts, "send">> = {},
): ChunkStore {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined) return folderStore(location);
  const action = "Open a chunk store";
  if (!URL.canParse(location)) {
    throw new FastboopError({ kind: "not-found", action, state: "its URL cannot be read" });
  }
  if (scheme === "file") return folderStore(pathOf(action, location));
  if (scheme !== "http" && scheme !== "https") {
    const state = `a ${scheme}: URL; http, https, file URLs and paths are read`;
    throw new FastboopError({ kind: "unsupported", action, state });
  }
  const server = new HttpWhole(new URL(location), {
    lookup: lookupAddresses,
    clock: systemClock,
    limits: HTTP_LIMITS,
    random: Math.random,
    ...parts,
    send: fetch,
  });
  return (path, { limitBytes, signal }) => server.get(path, limitBytes, signal);
}

function folderStore(folder: string): ChunkStore {
  return async (path, { limitBytes, signal }) => {
    try {
      await using file = await openFile(`${folder}/${path}`);
      if (file.sizeBytes > limitBytes) {
        const state = `it has ${file.sizeBytes} bytes, more than ${limitBytes}`;
        throw new FastboopError({ kind: "limit", action: `Read "${path}"`, state });
      }
      const bytes = new Uint8Array(file.sizeBytes);
      await file.readAt(0, bytes, signal === undefined ? {} : { signal });
      return bytes;
    } catch (error) {
      if (error instanceof FastboopError && error.kind === "not-found") return undefined;
      throw error;
    }
  };
}

function pathOf(action: string, location: string): string {
  try {
    return fileURLToPath(location);
  } catch {
    const state = "it is no file: URL of this machine";
    throw new FastboopError({ kind: "not-found", action, state });
  }
}
