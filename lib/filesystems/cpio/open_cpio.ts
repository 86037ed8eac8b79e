import { FastboopError } from "../../errors/errors.ts";
import { MemoryReader } from "../../sources/memory.ts";
import type { FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { ArchiveVolume } from "../archive_volume.ts";
import { damaged } from "../damaged.ts";
import { decodeText } from "../decode_name.ts";
import { ImageTree } from "../image_tree.ts";
import { inodeKind } from "../inode_kind.ts";
import type { CpioMember } from "./read_cpio.ts";
import { readInitramfs } from "./read_initramfs.ts";

/** Of the file, and of what it decompresses to. */
const ARCHIVE_BYTES = 256 << 20;

/**
 * Opens a newc archive as a FileTree, or several one after the other as the kernel takes an initramfs, each
 * plain or compressed. The tree owns `reader` and disposes it; when opening fails the reader stays the
 * caller's.
 *
 * The archive is kept in memory: `limit` above 256 MiB, stored or decompressed.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported`.
 */
export async function openCpio(
  reader: Reader,
  options: { signal?: AbortSignal } = {},
): Promise<FileTree> {
  const action = `Open the cpio archive ${reader.identity}`;
  if (reader.sizeBytes > ARCHIVE_BYTES) {
    const state = `it has ${reader.sizeBytes} bytes, more than ${ARCHIVE_BYTES}`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes, options);
  const { members } = readInitramfs(bytes, ARCHIVE_BYTES);
  const volume = new ArchiveVolume(action, reader.identity, reader);
  const firstOfGroup = new Map<string, CpioMember>();
  for (const member of members) addMember(action, volume, member, firstOfGroup);
  return new ImageTree(volume);
}

function addMember(
  action: string,
  volume: ArchiveVolume,
  member: CpioMember,
  firstOfGroup: Map<string, CpioMember>,
): void {
  const { path, data } = member;
  const kind = inodeKind(member.mode & 0o170000);
  if (kind === undefined || member.mode > 0xffff) {
    throw damaged(action, `member "${path}" has the mode 0${member.mode.toString(8)}`);
  }
  if (!member.isUtf8) {
    const state = "a name in it is not valid UTF-8";
    throw new FastboopError({ kind: "unsupported", action, state });
  }
  const isLinked = kind === "file" && member.linkCount > 1;
  const earlier = isLinked ? firstOfGroup.get(member.inode) : undefined;
  // Inode numbers begin anew in each archive; the data of one group is one view.
  const first = earlier?.data === data ? earlier : undefined;
  if (isLinked && first === undefined) firstOfGroup.set(member.inode, member);
  const identity = `${volume.identity}#cpio-member=${path}`;
  volume.add({
    path,
    kind: first === undefined ? kind : "hard-link",
    mode: member.mode & 0o7777,
    uid: member.uid,
    gid: member.gid,
    mtimeSeconds: member.mtimeSeconds,
    mtimeNanoseconds: 0,
    sizeBytes: kind === "file" ? data.length : 0,
    deviceMajor: member.deviceMajor,
    deviceMinor: member.deviceMinor,
    ...(first !== undefined
      ? { linkTarget: first.path }
      : kind === "symlink"
      ? { linkTarget: decodeText(action, `the target of "${path}"`, data) }
      : {}),
    open: () => Promise.resolve(new MemoryReader(data, identity)),
  });
}
