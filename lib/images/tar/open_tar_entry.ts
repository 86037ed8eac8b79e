/**
 * One file of a tar archive as an image: a window of the archive, so that a read costs what it costs there.
 *
 * Source: pipeline.md 2.5. A hint that fits saves the scan; it also decides when a later member has the
 * same path, which only a scan can see.
 */
import { printable } from "../../bytes/printable.ts";
import type { Reader } from "../../sources/reader.ts";
import type { ContainerOptions } from "../container.ts";
import type { TarEntryIndex } from "../pipeline/hints.ts";
import { entryPath, findTarMember } from "./find_tar_member.ts";
import { indexedMember } from "./indexed_member.ts";
import { openTarMember } from "./open_tar_member.ts";

/**
 * Opens the file `entry` of a tar archive. The reader owns `source` once this has succeeded.
 *
 * @throws {FastboopError} `not-found`, `unsupported` when it is no regular file, `corrupt`, `limit`, `usage`
 * when `entry` is no path.
 */
export async function openTarEntry(
  source: Reader,
  entry: string,
  options: ContainerOptions & { index?: TarEntryIndex } = {},
): Promise<Reader> {
  const action = `Open "${printable(entry)}" of the tar archive ${source.identity}`;
  const { index, signal } = options;
  const path = entryPath(action, entry);
  const member = (index && await indexedMember(action, source, path, index, signal)) ??
    await findTarMember(action, source, entry, signal);
  const lengthBytes = new TextEncoder().encode(entry).length;
  const identity = `tar-entry:(${source.identity}):entry=len:${lengthBytes}:${entry}`;
  return await openTarMember(action, identity, source, member, true, signal);
}
