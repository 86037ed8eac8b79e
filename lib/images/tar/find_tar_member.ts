import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { archivePath } from "../archive_path.ts";
import { scanTar, type TarMember } from "./scan_tar.ts";

/** Hard links to hard links that are followed; each names a member before it. */
const LINK_HOPS = 8;

/** The path somebody asks for. @throws {FastboopError} `usage` when it names no member. */
export function entryPath(action: string, entry: string): string {
  const path = archivePath(entry);
  if (path !== undefined && path !== "") return path;
  const state = `"${entry}" is no path inside an archive`;
  throw new FastboopError({ kind: "usage", action, state, hint: "Name a file of the archive" });
}

/**
 * The regular file of that path. Of several the last one counts, as it is what remains when the archive is
 * unpacked; a hard link is followed to the file before it.
 *
 * @throws {FastboopError} `not-found`, `unsupported` when it is no regular file, and as scanning does.
 */
export async function findTarMember(
  action: string,
  source: Reader,
  entry: string,
  signal?: AbortSignal,
): Promise<TarMember> {
  let path = entryPath(action, entry);
  let before = source.sizeBytes;
  for (let hops = 0; hops <= LINK_HOPS; hops++) {
    const found = await lastOf(action, source, path, before, signal);
    if (found === undefined) {
      const state = hops === 0 ? "there is no such member" : `it links to "${path}", which is none`;
      throw new FastboopError({ kind: "not-found", action, state });
    }
    if (found.kind === "file") return found;
    const target = found.linkTarget ?? "";
    if (found.kind !== "hard-link") throw notAFile(action, found.kind, target);
    path = entryPath(action, target);
    before = found.headerOffsetBytes;
  }
  const state = `more than ${LINK_HOPS} hard links follow each other`;
  throw new FastboopError({ kind: "limit", action, state });
}

async function lastOf(
  action: string,
  source: Reader,
  path: string,
  before: number,
  signal?: AbortSignal,
): Promise<TarMember | undefined> {
  let found: TarMember | undefined;
  for await (const member of scanTar(action, source, { signal })) {
    if (member.headerOffsetBytes >= before) break;
    if (member.path !== undefined && archivePath(member.path) === path) found = member;
  }
  return found;
}

function notAFile(action: string, kind: string, target: string): FastboopError {
  const what = kind === "symlink" ? `a symbolic link to "${target}"` : `a ${kind}`;
  return new FastboopError({
    kind: "unsupported",
    action,
    state: `it is ${what}, not a regular file`,
    ...(kind === "symlink" ? { hint: "Name the file it leads to" } : {}),
  });
}
