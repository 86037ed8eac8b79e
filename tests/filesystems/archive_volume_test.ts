import assert from "node:assert/strict";
import { type ArchiveMember, ArchiveVolume } from "../../lib/filesystems/archive_volume.ts";
import { ImageTree } from "../../lib/filesystems/image_tree.ts";
import { ofKind } from "../support/expect_kind.ts";

function member(path: string, more: Partial<ArchiveMember> = {}): ArchiveMember {
  const plain = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, sizeBytes: 0 };
  return { path, kind: "file", ...plain, ...more };
}

function volumeOf(limits = { entryCount: 100, variableBytes: 1000 }) {
  const archive = { disposed: false, [Symbol.asyncDispose]: () => Promise.resolve() };
  return new ArchiveVolume("Open the archive", "archive", archive, limits);
}

Deno.test("ArchiveVolume bounds its inodes, those it makes up too", () => {
  const volume = volumeOf({ entryCount: 5, variableBytes: 1000 });
  volume.add(member("a/b/c"));
  volume.add(member("d"));
  assert.throws(() => volume.add(member("e")), ofKind("limit", /more than 5 members/));
});

Deno.test("ArchiveVolume bounds names, link targets and attributes together", () => {
  const volume = volumeOf({ entryCount: 100, variableBytes: 230 });
  volume.add(member("0123456789", { kind: "symlink", linkTarget: "0123456789" }));
  volume.add(member("01234", { xattrs: new Map([["a", new Uint8Array(4)]]) }));
  assert.throws(() => volume.add(member("0")), ofKind("limit", /more than 230 bytes/));
});

Deno.test("ArchiveVolume replaces members as unpacking does", async () => {
  const volume = volumeOf();
  volume.add(member("a", { mode: 0o600 }));
  volume.add(member("b", { kind: "hard-link", linkTarget: "./a" }));
  volume.add(member("a", { mode: 0o640 }));
  volume.add(member("folder/in", {}));
  volume.add(member("folder", { kind: "directory", mode: 0o700 }));
  volume.add(member("gone/in", {}));
  volume.add(member("gone", { mode: 0o604 }));
  volume.add(member("./", { kind: "directory", mode: 0o711 }));
  await using tree = new ImageTree(volume);
  const shown = [];
  for (const path of ["", "a", "b", "folder", "folder/in", "gone", "gone/in"]) {
    const entry = await tree.stat(path);
    shown.push(`${path} ${entry?.kind} ${entry?.mode.toString(8)} ${entry?.hardLinkKey}`);
  }
  assert.deepEqual(shown, [
    " directory 711 undefined",
    "a file 640 undefined",
    "b file 600 undefined",
    "folder directory 700 undefined",
    "folder/in file 644 undefined",
    "gone file 604 undefined",
    "gone/in undefined undefined undefined",
  ]);
});
