/** The root image as the user named it -> the Reader of export 0, and what is on it. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { type RootImage, sniffRootImage } from "../images/sniff.ts";
import type { HttpEvent } from "../sources/http.ts";
import { openSource } from "../sources/open.ts";
import type { Reader } from "../sources/reader.ts";
import type { Progress } from "./progress.ts";

/** A phone whose disk is slow waits; a phone whose disk fails is lost. So a dead server is waited for. */
const PATIENCE_MS = 10 * 60_000;

export interface Rootfs extends RootImage {
  readonly reader: Reader;
}

/**
 * Opens the root image and looks at its superblock.
 *
 * @throws {FastboopError} `not-found`, `source`, `permission`; `unsupported` when no root file system
 * lies at its start.
 */
export async function openRootfs(
  spec: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<Rootfs> {
  progress.phase("Opening the root image");
  const reader = await openSource(spec, {
    signal,
    patienceMs: PATIENCE_MS,
    onEvent: (event) => tellHttp(event, progress),
  });
  try {
    const image = await sniffRootImage(reader, { signal });
    if (image === undefined) throw notARoot();
    progress.note(`${image.filesystem}, ${formatSize(reader.sizeBytes)}`);
    return { ...image, reader };
  } catch (error) {
    await reader[Symbol.asyncDispose]();
    throw error;
  }
}

function notARoot(): FastboopError {
  return new FastboopError({
    kind: "unsupported",
    action: "Find a root file system in the image",
    state: "neither an EROFS nor an ext4 superblock lies at its start",
    hint:
      "Unpack containers (xz, gzip, zip, GPT, sparse) first and give the bare file system image",
  });
}

function tellHttp(event: HttpEvent, progress: Progress): void {
  if (event.type === "warning") progress.warn(event.text);
  else if (event.type === "degraded") {
    progress.warn(`the image's server fails (${event.state}); the phone is kept waiting`);
  } else if (event.type === "recovered") progress.note("the image's server answers again");
}
