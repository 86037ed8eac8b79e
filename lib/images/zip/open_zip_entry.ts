import { printable } from "../../bytes/printable.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { archivePath } from "../archive_path.ts";
import type { ContainerOptions } from "../container.ts";
import { openZipMember } from "./open_zip_member.ts";
import { readZipDirectory } from "./read_zip_directory.ts";
import type { ZipEntry } from "./zip_entry.ts";

/**
 * One file of a zip archive as an image. The reader owns `source` once this has succeeded.
 *
 * A stored file is a window, a deflated one is decoded as far as it is read, into `options.spill` or
 * 256 MiB of memory.
 *
 * @throws {FastboopError} `not-found`, `unsupported` for encryption, other methods, several disks and what is
 * no regular file, `corrupt`, `limit`, `usage` when `entry` is no path.
 */
export async function openZipEntry(
  source: Reader,
  entry: string,
  options: ContainerOptions = {},
): Promise<Reader> {
  const action = `Open "${printable(entry)}" of the zip archive ${source.identity}`;
  const path = archivePath(entry);
  if (path === undefined || path === "") {
    throw new FastboopError({ kind: "usage", action, state: "it is no path inside an archive" });
  }
  const directory = await readZipDirectory(action, source, options.signal);
  const found = directory.entries.filter(({ name }) => {
    return name !== undefined && archivePath(name) === path;
  });
  if (found.length > 1) {
    const state = `its names "${found[0]!.name}" and "${found[1]!.name}" are one path`;
    throw new FastboopError({ kind: "corrupt", action, state });
  }
  const member = found[0];
  if (member === undefined) {
    throw new FastboopError({ kind: "not-found", action, state: "there is no such member" });
  }
  checkIsFile(action, member);
  const lengthBytes = new TextEncoder().encode(entry).length;
  const identity = `zip-entry:(${source.identity}):entry=len:${lengthBytes}:${entry}`;
  return await openZipMember(action, identity, source, directory, member, {
    ...options,
    owns: true,
  });
}

const UNIX = 3;
const TYPE_MASK = 0o170000;
/** What zip(1) was given through a pipe is a FIFO to it, with data nevertheless. */
const WITHOUT_DATA = [0o040000, 0o120000, 0o020000, 0o060000, 0o140000];

function checkIsFile(action: string, { name, madeBy, attributes }: ZipEntry): void {
  const type = madeBy === UNIX ? (attributes >>> 16) & TYPE_MASK : 0;
  if (!name!.endsWith("/") && !WITHOUT_DATA.includes(type)) return;
  const state = "it is no regular file";
  throw new FastboopError({ kind: "unsupported", action, state });
}
