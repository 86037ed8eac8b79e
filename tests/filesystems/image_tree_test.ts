/** Bounds of a listing; what else ImageTree does, the tests of each format tell. */
import assert from "node:assert/strict";
import { type ImageInode, ImageTree, type ImageVolume } from "../../lib/filesystems/image_tree.ts";
import { LISTED_BYTES, XATTR_BYTES } from "../../lib/filesystems/limits.ts";
import { ofKind } from "../support/expect_kind.ts";

const COMMON = { uid: 0, gid: 0, linkCount: 1, sizeBytes: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };

/** A root with `count` names of one file, which has `xattrs`. */
function volumeOf(count: number, xattrs: Map<string, Uint8Array>): ImageVolume<ImageInode> {
  const root: ImageInode = { ...COMMON, ref: 0, kind: "directory", mode: 0o755 };
  const file: ImageInode = { ...COMMON, ref: 1, kind: "file", mode: 0o644 };
  const names = new Map(Array.from({ length: count }, (_, i) => [`name ${i}`, 1]));
  const none = () => Promise.reject(new Error("not asked for"));
  return {
    identity: "volume",
    rootRef: 0,
    inode: (ref) => ref === 0 ? root : file,
    names: () => Promise.resolve(names),
    linkTarget: none,
    xattrs: () => xattrs,
    open: none,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("ImageTree counts what attributes take to keep, however short they are", async () => {
  const attributes = 1000;
  const xattrs = new Map<string, Uint8Array>();
  for (let i = 0; i < attributes; i++) xattrs.set(`user.${i + 1000}`, new Uint8Array(1));
  const most = Math.floor(LISTED_BYTES / (attributes * (XATTR_BYTES + "user.1000".length + 1)));
  await using fits = new ImageTree(volumeOf(most, xattrs));
  assert.equal((await fits.list("")).length, most);
  await using tooLarge = new ImageTree(volumeOf(most + 1, xattrs));
  await assert.rejects(tooLarge.list(""), ofKind("limit", /links and attributes/));
});
