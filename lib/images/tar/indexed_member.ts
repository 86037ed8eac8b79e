import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { archivePath } from "../archive_path.ts";
import type { TarEntryIndex } from "../pipeline/hints.ts";
import { scanTar, type TarMember } from "./scan_tar.ts";
import { TAR_BLOCK_BYTES } from "./tar_header.ts";

/** How far before a header its long name or PAX records are looked for. */
const LOOK_BACK_BYTES = 16 << 10;
const METADATA_TYPES = new Set([..."xXLK"].map((type) => type.charCodeAt(0)));

/**
 * The member a hint speaks of when it is there: its header, or the headers of long names and PAX records right
 * before it, give the path, the type, the place and the size of the hint. Else undefined.
 */
export async function indexedMember(
  action: string,
  source: Reader,
  path: string,
  index: TarEntryIndex,
  signal?: AbortSignal,
): Promise<TarMember | undefined> {
  const { headerOffsetBytes } = index;
  const fitsSource = Number.isSafeInteger(headerOffsetBytes) && headerOffsetBytes >= 0 &&
    headerOffsetBytes % TAR_BLOCK_BYTES === 0 &&
    headerOffsetBytes + TAR_BLOCK_BYTES <= source.sizeBytes;
  if (!fitsSource) return undefined;
  const startBytes = Math.max(0, headerOffsetBytes - LOOK_BACK_BYTES);
  const before = new Uint8Array(headerOffsetBytes - startBytes);
  await source.readAt(startBytes, before, signal === undefined ? {} : { signal });
  for (let at = headerOffsetBytes; at >= startBytes; at -= TAR_BLOCK_BYTES) {
    const begins = at === headerOffsetBytes || METADATA_TYPES.has(before[at - startBytes + 156]!);
    const member = begins ? await firstMember(action, source, at, signal) : undefined;
    if (member !== undefined && fits(member, path, index)) return member;
  }
  return undefined;
}

async function firstMember(
  action: string,
  source: Reader,
  startBytes: number,
  signal?: AbortSignal,
): Promise<TarMember | undefined> {
  try {
    for await (const member of scanTar(action, source, { signal, startBytes })) return member;
  } catch (error) {
    // Bytes that are no header at all are what most places before a header hold.
    const isFormat = error instanceof FastboopError &&
      ["corrupt", "limit", "unsupported"].includes(error.kind);
    if (!isFormat) throw error;
  }
  return undefined;
}

function fits(member: TarMember, path: string, index: TarEntryIndex): boolean {
  return member.kind === "file" && member.path !== undefined && archivePath(member.path) === path &&
    member.type === index.entryType && member.sizeBytes === index.sizeBytes &&
    member.headerOffsetBytes === index.headerOffsetBytes &&
    member.dataOffsetBytes === index.dataOffsetBytes;
}
