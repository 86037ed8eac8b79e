import { FastboopError } from "../../errors/errors.ts";
import { openTarMember, type TarData } from "../../images/tar/open_tar_member.ts";
import { scanTar, type TarMember } from "../../images/tar/scan_tar.ts";
import type { FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { type ArchiveMember, ArchiveVolume } from "../archive_volume.ts";
import { ImageTree } from "../image_tree.ts";

/**
 * Opens a tar archive as a FileTree. The tree owns `reader` and disposes it; when opening fails the reader
 * stays the caller's.
 *
 * Shape: v7, ustar, GNU and PAX; hard links, devices, sparse files, SCHILY.xattr attributes. All headers are
 * read at opening, data when it is asked for.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported` for names that are not UTF-8.
 */
export async function openTar(
  reader: Reader,
  options: { signal?: AbortSignal } = {},
): Promise<FileTree> {
  const action = `Open the tar archive ${reader.identity}`;
  const volume = new ArchiveVolume(action, reader.identity, reader);
  for await (const member of scanTar(action, reader, options)) {
    const { path, linkTarget } = member;
    const isLink = member.kind === "symlink" || member.kind === "hard-link";
    if (path === undefined || (isLink && linkTarget === undefined)) {
      const state = `a name or link target at byte ${member.headerOffsetBytes} is not valid UTF-8`;
      throw new FastboopError({ kind: "unsupported", action, state });
    }
    volume.add(archiveMember(reader, member, path));
  }
  return new ImageTree(volume);
}

function archiveMember(reader: Reader, member: TarMember, path: string): ArchiveMember {
  const { linkTarget, xattrs } = member;
  return {
    path,
    kind: member.kind,
    mode: member.mode,
    uid: member.uid,
    gid: member.gid,
    mtimeSeconds: member.mtimeSeconds,
    mtimeNanoseconds: member.mtimeNanoseconds,
    sizeBytes: member.sizeBytes,
    deviceMajor: member.deviceMajor,
    deviceMinor: member.deviceMinor,
    ...(linkTarget === undefined ? {} : { linkTarget }),
    ...(xattrs === undefined ? {} : { xattrs }),
    ...(member.kind === "file" ? { open: openerOf(reader, member) } : {}),
  };
}

function openerOf(reader: Reader, member: TarMember): () => Promise<Reader> {
  const { headerOffsetBytes, dataOffsetBytes, storedBytes, sizeBytes, sparse } = member;
  const place = { headerOffsetBytes, dataOffsetBytes, storedBytes, sizeBytes };
  const data: TarData = sparse === undefined ? place : { ...place, sparse };
  return () => {
    const identity = `${reader.identity}#tar-member=${data.headerOffsetBytes}`;
    return openTarMember(`Open ${identity}`, identity, reader, data, false);
  };
}
