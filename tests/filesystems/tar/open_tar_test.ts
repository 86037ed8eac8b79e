import assert from "node:assert/strict";
import { openTar } from "../../../lib/filesystems/tar/open_tar.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { paxRecord, tarArchive } from "../../images/tar/tar_archives.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { makeArchiveTree, writeSparse } from "../archive_trees.ts";
import { assertSameTree } from "../compare_trees.ts";
import { run, withTempDir } from "../foreign_tools.ts";
import { flips, mutations, outcomeOf, tally, truncations } from "../hostile_images.ts";
import { makeRichTree } from "../rich_tree.ts";

const FORMATS: [format: string, long: boolean][] = [
  ["v7", false],
  ["ustar", false],
  ["oldgnu", true],
  ["gnu", true],
  ["posix", true],
];
const ALL = ["--xattrs", "--xattrs-include=*"];

async function tar(args: string[]): Promise<void> {
  const { code, stderr } = await run("tar", args);
  assert.equal(code, 0, stderr);
}

Deno.test("openTar() gives what tar packed, in each of its formats", async (t) => {
  for (const [format, long] of FORMATS) {
    await t.step(format, async () => {
      await withTempDir(async (folder) => {
        await Deno.mkdir(`${folder}/in`);
        await makeArchiveTree(`${folder}/in`, { long, special: format !== "v7" });
        if (long) writeSparse(`${folder}/in/holes`, 300_000, [0, 100_000, 299_000]);
        await run("touch", ["-d", "1960-01-01T00:00:00Z", `${folder}/in/etc`]);
        const when = long ? ["-S"] : ["--mtime=@1000"];
        await tar([
          `--format=${format}`,
          ...when,
          "-cf",
          `${folder}/a`,
          "-C",
          `${folder}/in`,
          ".",
        ]);
        await Deno.mkdir(`${folder}/out`);
        await tar(["-xpf", `${folder}/a`, "-C", `${folder}/out`]);
        await using tree = await openTar(await openFile(`${folder}/a`));
        const seen = await assertSameTree(tree, `${folder}/out`);
        assert.ok(seen.names >= 14 && seen.bytes > 70_000);
      });
    });
  }
});

Deno.test("openTar() gives a tree with all there is, attributes and nanoseconds too", async () => {
  await withTempDir(async (folder) => {
    await Deno.mkdir(`${folder}/in`);
    await makeRichTree(`${folder}/in`);
    await tar(["--format=posix", "-S", ...ALL, "-cf", `${folder}/a`, "-C", `${folder}/in`, "."]);
    await using tree = await openTar(await openFile(`${folder}/a`));
    const seen = await assertSameTree(tree, `${folder}/in`);
    assert.ok(seen.names > 1700 && seen.attributes > 10);
    // The comparison itself: one byte of one file.
    const text = `${folder}/in/data/text-5000`;
    const { mtime } = await Deno.stat(text);
    const bytes = await Deno.readFile(text);
    bytes[4321]! ^= 1;
    await Deno.writeFile(text, bytes);
    await Deno.utime(text, mtime!, mtime!);
    await assert.rejects(assertSameTree(tree, `${folder}/in`), /text-5000/);
  });
});

Deno.test("openTar() makes up parents, replaces, follows parents that are links", async () => {
  const archive = tarArchive(
    { name: "a/b/c", data: "deep" },
    { name: "usr/lib/", type: "5" },
    { name: "lib", type: "2", link: "/usr/../../usr/lib" },
    { name: "lib/module", data: "followed" },
    { name: "../../etc/passwd", data: "never" },
    { name: "/absolute", data: "inside" },
    { name: "a/b/c", data: "replaced" },
    { name: "hard", type: "1", link: "/a/b/c" },
    { name: "a", type: "5" },
  );
  await using tree = await openTar(new MemoryReader(archive, "archive"));
  const names = async (path: string) => (await tree.list(path)).map(({ name }) => name);
  assert.deepEqual(await names(""), ["a", "absolute", "hard", "lib", "usr"]);
  assert.deepEqual(await names("usr/lib"), ["module"]);
  assert.equal((await tree.stat("a/b"))!.mode, 0o755);
  assert.equal((await tree.stat("a/b/c"))!.hardLinkKey, (await tree.stat("hard"))!.hardLinkKey);
  await using file = await tree.open("hard");
  assert.equal(file.sizeBytes, 8);
  const refused: [Parameters<typeof tarArchive>[0][], string, RegExp?][] = [
    [[{ name: "f" }, { name: "f/g" }], "corrupt", /no directory/],
    [[{ name: "l", type: "2", link: "l" }, { name: "l/g" }], "corrupt", /too many links/],
    [[{ name: "h", type: "1", link: "gone" }], "corrupt", /not there/],
    [[{ name: "d", type: "5" }, { name: "h", type: "1", link: "d" }], "corrupt", /not there/],
    [[{ name: "x", type: "L", data: "a/".repeat(63) + "b" }, { name: "y" }], "ok"],
    [[{ name: "x", type: "L", data: "n".repeat(255) }, { name: "y" }], "ok"],
    [[{ name: "x", type: "L", data: "a/".repeat(64) + "b" }, { name: "y" }], "limit", /deeper/],
    [[{ name: "x", type: "L", data: "n".repeat(256) }, { name: "y" }], "limit", /longer than 255/],
    [[{ name: "x", type: "L", data: "a/".repeat(3000) }, { name: "y" }], "limit", /4095/],
    [[{ name: "x", patch: (block) => block.set([0xff], 0) }], "unsupported", /UTF-8/],
    [[{ name: "x", type: "x", data: paxRecord("path", "a\0b") }, { name: "y" }], "corrupt", /NUL/],
  ];
  for (const [members, kind, state] of refused) {
    const opened = openTar(new MemoryReader(tarArchive(...members), "archive"));
    if (kind === "ok") await opened;
    else await assert.rejects(opened, ofKind(kind as "corrupt", state));
  }
});

Deno.test("openTar() answers damaged archives with its files or a typed error", async () => {
  const archive = tarArchive(
    { name: "./", type: "5" },
    {
      name: "x",
      type: "x",
      data: paxRecord("SCHILY.xattr.user.a", "b") + paxRecord("mtime", "7.25"),
    },
    { name: "folder/file", data: "0123456789" },
    { name: "hard", type: "1", link: "folder/file" },
    { name: "link", type: "2", link: "folder/file" },
    { name: "null", type: "3" },
  );
  const whole = await outcomeOf(openTar, archive);
  assert.match(whole, /^[0-9a-f]{40}$/);
  const cut = await tally(openTar, whole, truncations(archive.subarray(0, -1023), 32));
  assert.equal(cut.same + cut.different, 0, JSON.stringify(cut));
  const flipped = await tally(openTar, whole, flips(archive, [[0, archive.length - 1024]]));
  assert.ok(flipped.error > 500, JSON.stringify(flipped));
  await tally(openTar, whole, mutations(archive, [[0, archive.length]], 11, 3000));
});
