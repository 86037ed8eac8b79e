import assert from "node:assert/strict";
import { openZip } from "../../../lib/filesystems/zip/open_zip.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { zipArchive } from "../../images/zip/zip_archives.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { makeArchiveTree } from "../archive_trees.ts";
import { assertSameTree } from "../compare_trees.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";
import { flips, mutations, outcomeOf, tally, truncations } from "../hostile_images.ts";

const HAS_ZIP = hasTool("zip");

Deno.test({
  name: "openZip() gives the tree that zip packed, with modes, links, owners and times",
  ignore: !HAS_ZIP,
  async fn() {
    await withTempDir(async (folder) => {
      await Deno.mkdir(`${folder}/in`);
      await makeArchiveTree(`${folder}/in`);
      const made = await run("zip", ["-q", "-r", "-y", "../a.zip", "."], { cwd: `${folder}/in` });
      assert.equal(made.code, 0, made.stderr);
      await using tree = await openZip(await openFile(`${folder}/a.zip`));
      const seen = await assertSameTree(tree, `${folder}/in`);
      assert.ok(seen.names >= 14 && seen.bytes > 70_000);
      await Deno.chmod(`${folder}/in/etc/text`, 0o600);
      await assert.rejects(assertSameTree(tree, `${folder}/in`), /etc\/text/);
    });
  },
});

Deno.test("openZip() takes archives without UNIX modes, and refuses what it must", async () => {
  const dos = (record: Uint8Array) => {
    record[5] = 0;
    new DataView(record.buffer).setUint32(38, 1, true);
  };
  const archive = zipArchive([
    { name: "a/b", data: "deep", central: dos },
    { name: "../out", data: "never" },
  ]);
  await using tree = await openZip(new MemoryReader(archive, "archive"));
  assert.deepEqual((await tree.list("")).map(({ name }) => name), ["a"]);
  const entry = await tree.stat("a/b");
  assert.equal(entry!.mode, 0o444);
  assert.equal(entry!.mtimeSeconds, Date.UTC(2024, 0, 1) / 1000);
  const open = (members: Parameters<typeof zipArchive>[0]) =>
    openZip(new MemoryReader(zipArchive(members), "archive"));
  const notText = (record: Uint8Array) => record[record.length - 1] = 0xff;
  await assert.rejects(
    open([{ name: "f", central: notText }]),
    ofKind("unsupported", /UTF-8/),
  );
  await assert.rejects(open([{ name: "f", mode: 0o170644 }]), ofKind("corrupt", /mode/));
  await assert.rejects(
    open([{ name: "l", mode: 0o120777, data: "x".repeat(5000) }]),
    ofKind("limit"),
  );
});

Deno.test("openZip() answers damaged archives with its files or a typed error", async () => {
  const archive = zipArchive([
    { name: "folder/", mode: 0o40755 },
    { name: "folder/file", data: "0123456789" },
    { name: "deflated", data: "text ".repeat(50), deflate: true },
    { name: "link", mode: 0o120777, data: "deflated" },
  ]);
  const whole = await outcomeOf(openZip, archive);
  assert.match(whole, /^[0-9a-f]{40}$/);
  const cut = await tally(openZip, whole, truncations(archive, 1));
  assert.equal(cut.same + cut.different, 0, JSON.stringify(cut));
  const flipped = await tally(openZip, whole, flips(archive, [[0, archive.length]]));
  assert.ok(flipped.error > 200, JSON.stringify(flipped));
  await tally(openZip, whole, mutations(archive, [[0, archive.length]], 11, 1000));
});
