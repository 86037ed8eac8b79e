import type { FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { SMALL_FILE_BYTES, type SmallFile } from "./calls.ts";
import type { Parcel } from "./peer.ts";

/**
 * Several small files in one array that can be moved.
 *
 * Where one fails, none come: whoever opens it by itself is told. Reads without a signal share pages.
 */
export async function readSmallFiles(
  tree: FileTree,
  paths: readonly string[],
): Promise<Parcel<(SmallFile | undefined)[]>> {
  const opened = await Promise.allSettled(paths.map((path) => openSmall(tree, path)));
  const readers = opened.map((one) => one.status === "fulfilled" ? one.value : undefined);
  const bytes = new Uint8Array(readers.reduce((sum, reader) => sum + (reader?.sizeBytes ?? 0), 0));
  let end = 0;
  const reads = await Promise.allSettled(readers.map((reader) => {
    return reader?.readAt(0, bytes.subarray(end, end += reader.sizeBytes));
  }));
  for (const reader of readers) await reader?.[Symbol.asyncDispose]();
  if (reads.some(({ status }) => status === "rejected")) return { value: [] };
  const value = readers.map((reader) => {
    return reader && { sizeBytes: reader.sizeBytes, identity: reader.identity };
  });
  return { value, bytes };
}

async function openSmall(tree: FileTree, path: string): Promise<Reader | undefined> {
  const reader = await tree.open(path);
  if (reader.sizeBytes <= SMALL_FILE_BYTES) return reader;
  await reader[Symbol.asyncDispose]();
}
