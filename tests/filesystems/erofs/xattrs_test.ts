import assert from "node:assert/strict";
import { readXattrs } from "../../../lib/filesystems/erofs/xattrs.ts";
import { XATTR_LIST_BYTES } from "../../../lib/filesystems/limits.ts";
import { ofKind } from "../../support/expect_kind.ts";

const USER = 1;
const NO_SHARED = { offset: 0, read: () => Promise.resolve(), longPrefixes: [] };

/** The area behind an inode with these attributes, all of `user.` and without value. */
function bodyOf(names: readonly string[]): Uint8Array {
  const entries = names.map((name) => {
    const entry = new Uint8Array(4 + Math.ceil(name.length / 4) * 4);
    entry.set([name.length, USER]);
    entry.set(new TextEncoder().encode(name), 4);
    return entry;
  });
  const body = new Uint8Array(12 + entries.reduce((sum, { length }) => sum + length, 0));
  let at = 12;
  for (const entry of entries) {
    body.set(entry, at);
    at += entry.length;
  }
  return body;
}

Deno.test("readXattrs() reads as many names as a kernel can list, and no more", async () => {
  // "user.", 122 letters and a NUL are 128 bytes.
  const names = Array.from({ length: XATTR_LIST_BYTES / 128 }, (_, i) => String(i).padStart(122));
  const read = (list: readonly string[]) => readXattrs("Read it", bodyOf(list), NO_SHARED);
  assert.deepEqual([...(await read(names)).keys()], names.map((name) => `user.${name}`));
  await assert.rejects(read([...names, "x"]), ofKind("limit", /65536/));
});
