import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { encodeCpio } from "../../../lib/filesystems/cpio/encode_cpio.ts";
import { openCpio } from "../../../lib/filesystems/cpio/open_cpio.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { concat } from "../../images/android_sparse/sparse_images.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { makeArchiveTree } from "../archive_trees.ts";
import { assertSameTree } from "../compare_trees.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";
import { flips, outcomeOf, tally, truncations } from "../hostile_images.ts";

const HAS_CPIO = hasTool("cpio");
const encoder = new TextEncoder();
const open = (bytes: Uint8Array) => openCpio(new MemoryReader(bytes, "archive"));

Deno.test({
  name: "openCpio() gives the tree that cpio packed, plain and compressed",
  ignore: !HAS_CPIO,
  async fn() {
    await withTempDir(async (folder) => {
      await Deno.mkdir(`${folder}/in`);
      await makeArchiveTree(`${folder}/in`, { long: true, special: true });
      const shell = "find . | cpio --quiet -o -H newc > ../a.cpio";
      const made = await run("sh", ["-c", shell], { cwd: `${folder}/in` });
      assert.equal(made.code, 0, made.stderr);
      const archive = await Deno.readFile(`${folder}/a.cpio`);
      for (const bytes of [archive, gzipSync(archive)]) {
        await using tree = await open(bytes);
        const seen = await assertSameTree(tree, `${folder}/in`);
        assert.ok(seen.names > 20 && seen.bytes > 70_000);
      }
      await Deno.chmod(`${folder}/in/etc/text`, 0o600);
      await using tree = await open(archive);
      await assert.rejects(assertSameTree(tree, `${folder}/in`), /etc\/text/);
    });
  },
});

const file = (path: string, text: string, more = {}) => {
  return { path, mode: 0o100644, data: encoder.encode(text), ...more };
};

Deno.test("openCpio() lets a later archive replace, and keeps inode numbers apart", async () => {
  const links = { linkGroup: 1, linkCount: 2 };
  const first = concat(
    encodeCpio([file("a", "", links), file("b", "one", links), file("c", "old")]),
  );
  const second = concat(
    encodeCpio([file("d", "", links), file("e", "two", links), file("c", "new")]),
  );
  await using tree = await open(concat([first, new Uint8Array(512), second]));
  const textOf = async (path: string) => {
    await using reader = await tree.open(path);
    const bytes = new Uint8Array(reader.sizeBytes);
    await reader.readAt(0, bytes);
    return new TextDecoder().decode(bytes);
  };
  const texts = await Promise.all(["a", "b", "c", "d", "e"].map(textOf));
  assert.deepEqual(texts, ["one", "one", "new", "two", "two"]);
  const keys = await Promise.all(["a", "b", "d", "e"].map(async (path) => {
    return (await tree.stat(path))!.hardLinkKey;
  }));
  assert.equal(keys[0], keys[1]);
  assert.equal(keys[2], keys[3]);
  assert.notEqual(keys[0], keys[2]);
});

Deno.test("openCpio() keeps empty files of two archives apart, and links those of one", async () => {
  const links = { linkGroup: 1, linkCount: 2 };
  const first = encodeCpio([file("a", "", links), file("b", "", links)]);
  const second = encodeCpio([
    file("c", "", { ...links, mode: 0o100600 }),
    file("d", "", { ...links, mode: 0o100600 }),
  ]);
  await using tree = await open(concat([...first, ...second]));
  const [a, b, c, d] = await tree.list("");
  assert.deepEqual([a, b, c, d].map((entry) => entry!.mode), [0o644, 0o644, 0o600, 0o600]);
  assert.equal(a!.hardLinkKey, b!.hardLinkKey);
  assert.equal(c!.hardLinkKey, d!.hardLinkKey);
  assert.notEqual(a!.hardLinkKey, c!.hardLinkKey);
});

Deno.test("openCpio() takes every name of UTF-8 and refuses others", async () => {
  const archive = concat(encodeCpio([file("\ufeffmark", "1"), file("\ufffd", "2")]));
  await using tree = await open(archive);
  assert.deepEqual((await tree.list("")).map(({ name }) => name), ["\ufeffmark", "\ufffd"]);
  archive[archive.indexOf(0xbf) - 1] = 0x20;
  await assert.rejects(open(archive), ofKind("unsupported", /UTF-8/));
});

Deno.test("openCpio() answers damaged archives with its files or a typed error", async () => {
  const archive = concat(encodeCpio([
    { path: "folder", mode: 0o40755 },
    file("folder/file", "0123456789"),
    { path: "link", mode: 0o120777, data: encoder.encode("folder/file") },
  ]));
  await assert.rejects(open(new Uint8Array(3)), ofKind("corrupt"));
  const whole = await outcomeOf(openCpio, archive);
  assert.match(whole, /^[0-9a-f]{40}$/);
  const cut = await tally(openCpio, whole, truncations(archive.subarray(0, -4), 4));
  assert.equal(cut.same, 0, JSON.stringify(cut));
  const flipped = await tally(openCpio, whole, flips(archive, [[0, archive.length]]));
  assert.ok(flipped.error > 100, JSON.stringify(flipped));
});
