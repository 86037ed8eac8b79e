/** One tree with everything ext4 can hold that we write. */
import {
  device,
  directory,
  file,
  manyFiles,
  MemoryTree,
  type Node,
  special,
  symlink,
} from "../memory_tree.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** `security.capability` with cap_net_raw+ep, version 2. */
const CAPABILITY = Uint8Array.of(1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

/** user::rw-, user:1000:rwx, group::r--, mask::rwx, other::r-- as getxattr gives it. */
function aclValue(): Uint8Array {
  const entries = [[1, 6, -1], [2, 7, 1000], [4, 4, -1], [0x10, 7, -1], [0x20, 4, -1]] as const;
  const view = new DataView(new ArrayBuffer(4 + entries.length * 8));
  view.setUint32(0, 2, true);
  entries.forEach(([tag, permissions, id], i) => {
    view.setUint16(4 + i * 8, tag, true);
    view.setUint16(6 + i * 8, permissions, true);
    view.setInt32(8 + i * 8, id, true);
  });
  return new Uint8Array(view.buffer);
}

function xattrTree(): Node {
  const selinux = (length: number) =>
    new Map([["security.selinux", bytes("x".repeat(length - 1) + "\0")]]);
  return directory({
    "fits": file("a", { xattrs: selinux(64) }),
    "one-too-many": file("b", { xattrs: selinux(65) }),
    "both": file("c", {
      xattrs: new Map([...selinux(40), ["security.capability", CAPABILITY]]),
    }),
    "acl": file("d", { xattrs: new Map([["system.posix_acl_access", aclValue()]]) }),
    "sorted": file("e", {
      xattrs: new Map([
        ["user.zz", bytes("1")],
        ["user.a", bytes("")],
        ["trusted.overlay.opaque", bytes("y")],
        ["user.bb", bytes("three")],
        ["user.ab", bytes("x".repeat(3000))],
      ]),
    }),
    "link": symlink("fits", { xattrs: new Map([["trusted.note", bytes("on a link")]]) }),
    "device": { ...device("character-device", 1, 3) },
    "folder": directory({}, { xattrs: new Map([["user.on", bytes("a directory")]]) }),
  });
}

function timeTree(): Node {
  const at = (mtimeSeconds: number, mtimeNanoseconds = 0) =>
    file("t", { mtimeSeconds, mtimeNanoseconds });
  return directory({
    "1901": at(-(2 ** 31)),
    "before-1970": at(-7, 250_000_000),
    "now": at(1_795_000_000, 123_456_789),
    "2038": at(2 ** 31 - 1),
    "2038-after": at(2 ** 31),
    "2106": at(2 ** 32 + 5, 1),
    "2446": at(2 ** 34 - 2 ** 31 - 1, 999_999_999),
    "too-late": at(2 ** 40),
    "too-early": at(-(2 ** 40)),
  });
}

function deepTree(depth: number): Node {
  let node = directory({ bottom: file("deep") });
  for (let i = 0; i < depth; i++) node = directory({ [`level-${i}`]: node });
  return node;
}

export function tortureTree(): MemoryTree {
  const sizes = [0, 1, 4095, 4096, 4097, 8192, 100_000, 2 ** 20 + 1];
  const sized = sizes.map((size) =>
    [
      `size-${size}`,
      file(Uint8Array.from({ length: size }, (_, i) => (i * 31 + size) & 255)),
    ] as const
  );
  const link = { hardLinkKey: "k", mtimeSeconds: 7 };
  return new MemoryTree(directory({
    "sizes": directory(new Map(sized)),
    "names": directory({
      [" "]: file(),
      "-rf": file(),
      "new\nline": file(),
      ["\u00e9".repeat(127)]: file(),
      "\u{1f4f1}": file("after U+FFFD in bytes"),
      "\ufffd": file("before"),
      ["n".repeat(255)]: file("longest"),
    }),
    "links": directory({
      "a": file("shared", link),
      "b": directory({ "c": file("shared", link) }),
      "short": symlink("x".repeat(59)),
      "long": symlink("y".repeat(60)),
      "longest": symlink("z".repeat(4095)),
      "one": symlink("."),
    }),
    "special": directory({
      "null": device("character-device", 1, 3),
      "whiteout": device("character-device", 0, 0),
      "big": device("block-device", 259, 70_000),
      "bigger": device("block-device", 4000, 300),
      "fifo": special("fifo"),
      "socket": special("socket"),
    }),
    "modes": directory({
      "suid": file("s", { mode: 0o4755, uid: 70_000, gid: 4_000_000_000 }),
      "sticky": directory({}, { mode: 0o1777, uid: 65_534, gid: 1 }),
      "none": file("n", { mode: 0 }),
    }),
    "xattrs": xattrTree(),
    "times": timeTree(),
    "deep": deepTree(60),
    "empty": directory(),
    "linear": directory(manyFiles(900, (i) => `linear-entry-${i}`)),
    "hashed": directory(manyFiles(3000, (i) => `hashed-entry-${i}-\u00fc`)),
  }));
}
