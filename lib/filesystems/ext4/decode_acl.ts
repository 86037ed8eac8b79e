import { damaged } from "../damaged.ts";

/** fs/ext4/acl.h and include/uapi/linux/posix_acl_xattr.h. */
const DISK_VERSION = 1;
const SYSCALL_VERSION = 2;
const NAMED_USER = 2;
const NAMED_GROUP = 8;
/** ACL_UNDEFINED_ID */
const NOBODY = 0xffffffff;

/**
 * A POSIX ACL from the form on disk (an id only for named users and groups) to that of the system call
 * (an id for every entry).
 */
export function decodeAcl(action: string, disk: Uint8Array): Uint8Array {
  const from = new DataView(disk.buffer, disk.byteOffset, disk.byteLength);
  if (disk.length < 4 || from.getUint32(0, true) !== DISK_VERSION) {
    throw damaged(action, "an ACL is not of version 1");
  }
  const to = new DataView(new ArrayBuffer(4 + 8 * Math.ceil((disk.length - 4) / 4)));
  to.setUint32(0, SYSCALL_VERSION, true);
  let end = 4;
  for (let at = 4; at < disk.length; end += 8) {
    const tag = at + 4 <= disk.length ? from.getUint16(at, true) : 0;
    const named = tag === NAMED_USER || tag === NAMED_GROUP;
    if (at + (named ? 8 : 4) > disk.length) throw damaged(action, "an ACL ends inside an entry");
    to.setUint16(end, tag, true);
    to.setUint16(end + 2, from.getUint16(at + 2, true), true);
    to.setUint32(end + 4, named ? from.getUint32(at + 4, true) : NOBODY, true);
    at += named ? 8 : 4;
  }
  return new Uint8Array(to.buffer, 0, end);
}
