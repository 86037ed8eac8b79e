import { cancelled, FastboopError } from "../../errors/errors.ts";
import type { ContainerOptions } from "../../images/container.ts";
import { openZipMember } from "../../images/zip/open_zip_member.ts";
import { readZipDirectory, type ZipDirectory } from "../../images/zip/read_zip_directory.ts";
import type { ZipEntry } from "../../images/zip/zip_entry.ts";
import type { EntryKind, FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { type ArchiveMember, ArchiveVolume } from "../archive_volume.ts";
import { damaged } from "../damaged.ts";
import { decodeText } from "../decode_name.ts";
import { ImageTree } from "../image_tree.ts";
import { inodeKind } from "../inode_kind.ts";
import { PATH_LIMIT_BYTES } from "../limits.ts";

const UNIX = 3;
/** Of an archive without UNIX modes. */
const PLAIN_MODE = { file: 0o644, directory: 0o755 } as const;
/** FAT's attribute byte. */
const DOS_READ_ONLY = 1;

/**
 * Opens a zip archive as a FileTree. The tree owns `reader` and disposes it; when opening fails the reader
 * stays the caller's.
 *
 * Shape: modes, links and times of UNIX where the archive has them; else 644 and 755, and times without a
 * zone as UTC. Files are as openZipEntry() gives them; a deflated one is decoded as far as it is read. Links are read at
 * opening.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported` for names that are not UTF-8.
 */
export async function openZip(reader: Reader, options: ContainerOptions = {}): Promise<FileTree> {
  const action = `Open the zip archive ${reader.identity}`;
  const directory = await readZipDirectory(action, reader, options.signal);
  const volume = new ArchiveVolume(action, reader.identity, reader);
  // Opening a file later is stopped by whoever reads it.
  const { signal: _, ...lasting } = options;
  for (const entry of directory.entries) {
    const { name } = entry;
    if (name === undefined) {
      const state = "a name in it is not valid UTF-8";
      throw new FastboopError({ kind: "unsupported", action, state });
    }
    const kind = kindOf(action, entry, name);
    const open = openerOf(reader, directory, entry, name, kind === "symlink" ? options : lasting);
    const member = archiveMember(entry, name, kind, open);
    if (kind !== "symlink") volume.add(member);
    else volume.add({ ...member, linkTarget: await readLink(action, entry, open, options) });
  }
  return new ImageTree(volume);
}

function openerOf(
  reader: Reader,
  directory: ZipDirectory,
  entry: ZipEntry,
  name: string,
  options: ContainerOptions,
): () => Promise<Reader> {
  return () => {
    const identity = `${reader.identity}#zip-member=${entry.offsetBytes}`;
    const action = `Open "${name}" of ${reader.identity}`;
    return openZipMember(action, identity, reader, directory, entry, { ...options, owns: false });
  };
}

function kindOf(action: string, entry: ZipEntry, name: string): EntryKind {
  const { madeBy, attributes, sizeBytes } = entry;
  const mode = madeBy === UNIX ? attributes >>> 16 : 0;
  const plain = name.endsWith("/") ? "directory" : "file";
  if ((mode & 0o170000) === 0) return plain;
  const kind = inodeKind(mode);
  if (kind === undefined || (kind === "directory") !== (plain === "directory")) {
    throw damaged(action, `member "${name}" has the mode 0${mode.toString(8)}`);
  }
  // What zip(1) was given through a pipe is a FIFO to it, with data nevertheless.
  return kind === "fifo" && sizeBytes > 0 ? "file" : kind;
}

function archiveMember(
  entry: ZipEntry,
  path: string,
  kind: EntryKind,
  open: () => Promise<Reader>,
): ArchiveMember {
  const unixMode = entry.madeBy === UNIX ? (entry.attributes >>> 16) & 0o7777 : 0;
  const plain = PLAIN_MODE[kind === "directory" ? "directory" : "file"];
  const readOnly = kind === "file" && (entry.attributes & DOS_READ_ONLY) !== 0;
  const hasMode = entry.madeBy === UNIX && entry.attributes >>> 16 !== 0;
  return {
    path,
    kind,
    mode: hasMode ? unixMode : readOnly ? plain & ~0o222 : plain,
    uid: entry.uid,
    gid: entry.gid,
    mtimeSeconds: entry.mtimeSeconds,
    mtimeNanoseconds: 0,
    sizeBytes: kind === "file" ? entry.sizeBytes : 0,
    open,
  };
}

/** A link's target is the data of its member. */
async function readLink(
  action: string,
  entry: ZipEntry,
  open: () => Promise<Reader>,
  { signal }: ContainerOptions,
): Promise<string> {
  if (signal?.aborted) throw cancelled(action, signal);
  if (entry.sizeBytes > PATH_LIMIT_BYTES) {
    const state = `the link "${entry.name}" has ${entry.sizeBytes} bytes`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  await using reader = await open();
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes, signal && { signal });
  return decodeText(action, `the target of "${entry.name}"`, bytes);
}
