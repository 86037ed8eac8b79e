import { printable } from "../../bytes/printable.ts";
import type { Reader } from "../../sources/reader.ts";
import type { TarEntryIndex } from "../pipeline/hints.ts";
import { findTarMember } from "./find_tar_member.ts";

/**
 * Where the file `entry` of a tar archive lies, as a hint for opening it again. `source` stays the caller's.
 *
 * Of a hard link it is the place of the file. `sizeBytes` is the file's, its holes included.
 *
 * @throws {FastboopError} as opening does.
 */
export async function readTarEntryIndex(
  source: Reader,
  entry: string,
  options: { signal?: AbortSignal } = {},
): Promise<TarEntryIndex> {
  const action = `Find "${printable(entry)}" in the tar archive ${source.identity}`;
  const member = await findTarMember(action, source, entry, options.signal);
  return {
    kind: "tar-entry-index",
    entryName: entry,
    headerOffsetBytes: member.headerOffsetBytes,
    dataOffsetBytes: member.dataOffsetBytes,
    sizeBytes: member.sizeBytes,
    entryType: member.type,
  };
}
