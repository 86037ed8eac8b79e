/** Both writers and the walk, judged by cpio(1). */
import assert from "node:assert/strict";
import { concat } from "../../../lib/bytes/concat.ts";
import { cpioEntries } from "../../../lib/filesystems/cpio/cpio_entries.ts";
import { encodeCpio } from "../../../lib/filesystems/cpio/encode_cpio.ts";
import type { CpioEntry } from "../../../lib/filesystems/cpio/entry.ts";
import { orderEntries } from "../../../lib/filesystems/cpio/order_entries.ts";
import { writeCpio } from "../../../lib/filesystems/cpio/write_cpio.ts";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { DirectoryTree } from "../../../lib/sources/directory.ts";
import { describeTree, IS_ROOT, makeHostTree } from "../ext4/host_tree.ts";
import { slowTree } from "../ext4/images.ts";
import { hasTool, run, sha256, withTempDir } from "../foreign_tools.ts";
import { directory, file, MemoryTree, symlink } from "../memory_tree.ts";

const ignore = !hasTool("cpio");
const text = (value: string) => new TextEncoder().encode(value);
const regular = (path: string, data: Uint8Array): CpioEntry => ({ path, mode: 0o100644, data });

async function archiveOf(tree: FileTree, owner: "root" | "source" = "root") {
  const parts: Uint8Array[] = [];
  const entries = await cpioEntries(tree, { owner });
  await writeCpio(entries, { write: (bytes) => void parts.push(bytes.slice()) });
  return concat(parts);
}

/** One member as the format document describes it; written apart from the code under test. */
interface Member {
  name: string;
  fields: number[];
  data: Uint8Array;
}

function parse(archive: Uint8Array): Member[] {
  const members: Member[] = [];
  const ascii = (from: number, to: number) => String.fromCharCode(...archive.subarray(from, to));
  for (let at = 0;;) {
    assert.equal(ascii(at, at + 6), "070701");
    const fields = Array.from({ length: 13 }, (_, i) => {
      const digits = ascii(at + 6 + i * 8, at + 14 + i * 8);
      assert.match(digits, /^[0-9a-f]{8}$/);
      return parseInt(digits, 16);
    });
    const end = at + 110 + fields[11]!;
    assert.equal(archive[end - 1], 0);
    const name = new TextDecoder().decode(archive.subarray(at + 110, end - 1));
    const start = Math.ceil(end / 4) * 4;
    const data = archive.subarray(start, start + fields[6]!);
    assert.equal(data.length, fields[6]);
    at = Math.ceil((start + data.length) / 4) * 4;
    members.push({ name, fields, data });
    if (name !== "TRAILER!!!") continue;
    assert.equal(at, archive.length);
    return members;
  }
}

Deno.test("encodeCpio() adds parents, puts directories first, sorts by bytes and fixes the rest", () => {
  const entries = [
    regular("init", text("#!")),
    regular("lib/modules/a-b", text("1")),
    regular("lib/modules/a/c", text("12345")),
    { path: "lib/modules", mode: 0o040700 },
    { path: "dev/null", mode: 0o020666, deviceMajor: 1, deviceMinor: 3 },
    { path: "bin", mode: 0o120777, data: text("usr/bin") },
  ];
  const archive = concat(encodeCpio(entries));
  assert.equal(archive.length % 4, 0);
  assert.deepEqual(archive, concat(encodeCpio(entries.toReversed())));
  const members = parse(archive);
  assert.deepEqual(members.map(({ name, fields }) => [name, fields[1]!.toString(8)]), [
    ["dev", "40755"],
    ["lib", "40755"],
    ["lib/modules", "40700"],
    ["lib/modules/a", "40755"],
    ["bin", "120777"],
    ["dev/null", "20666"],
    ["init", "100644"],
    ["lib/modules/a-b", "100644"],
    ["lib/modules/a/c", "100644"],
    ["TRAILER!!!", "0"],
  ]);
  for (const { fields } of members) {
    const [ino, , uid, gid, nlink, mtime] = fields;
    assert.deepEqual([ino, uid, gid, nlink, mtime], [0, 0, 0, 1, 0]);
  }
  assert.deepEqual(members[5]!.fields.slice(9, 11), [1, 3]);
  const dated = parse(concat(encodeCpio(entries, { mtimeSeconds: 1_795_000_000 })));
  assert.equal(dated[6]!.fields[5], 1_795_000_000);
});

Deno.test("encodeCpio() makes known bytes", async () => {
  const entries = [regular("init", text("#!/bin/sh\n")), { path: "dev", mode: 0o040755 }];
  assert.equal(
    await sha256(concat(encodeCpio(entries))),
    "c9ffe1c25e21b41856771261e556d4b434ae34ed5bd3ee85ff2851e3ea60e131",
  );
});

Deno.test("encodeCpio() refuses times that eight hex digits cannot tell", () => {
  const archive = (mtimeSeconds: number) => encodeCpio([regular("a", text(""))], { mtimeSeconds });
  assert.equal(parse(concat(archive(2 ** 32 - 1)))[0]!.fields[5], 2 ** 32 - 1);
  for (const mtimeSeconds of [2 ** 32, -1, 0.5, NaN]) {
    assert.throws(() => archive(mtimeSeconds), { name: "FastboopError", kind: "limit" });
  }
});

Deno.test("encodeCpio() equals writeCpio() of the same entries", async () => {
  const entries = orderEntries([
    regular("big", new Uint8Array(3_000_001).fill(9)),
    regular("etc/empty", text("")),
    regular("etc/odd", text("123")),
  ]);
  const parts: Uint8Array[] = [];
  await writeCpio(entries, { write: (bytes) => void parts.push(bytes.slice()) });
  assert.equal(await sha256(concat(parts)), await sha256(concat(encodeCpio(entries))));
});

Deno.test("encodeCpio() refuses what the kernel would drop, at the limit plus one", () => {
  const component = "c".repeat(255);
  const longest = Array.from({ length: 15 }, () => component).join("/") + "/" + "c".repeat(255);
  assert.equal(longest.length, 4095);
  const bad: [CpioEntry, string][] = [
    [regular(longest.slice(0, 3839) + "/c/" + "c".repeat(254), text("")), "limit"],
    [regular("c".repeat(256), text("")), "limit"],
    [regular("\u00e9".repeat(128), text("")), "limit"],
    [regular("TRAILER!!!", text("")), "unsupported"],
    [regular("", text("")), "usage"],
    [regular("/init", text("")), "usage"],
    [regular("a/../b", text("")), "usage"],
    [regular("a//b", text("")), "usage"],
    [regular("a\0b", text("")), "usage"],
    [regular("\udc00", text("")), "usage"],
    [{ path: "l", mode: 0o120777, data: text("t".repeat(4096)) }, "limit"],
    [{ path: "l", mode: 0o120777 }, "limit"],
    [{ path: "l", mode: 0o120777, data: text("a\0b") }, "usage"],
    [{ path: "d", mode: 0o040755, data: text("x") }, "usage"],
    [{ path: "m", mode: 0o644 }, "usage"],
    [{ path: "m", mode: 0o1100644 }, "usage"],
    [{ path: "u", mode: 0o100644, uid: 2 ** 32 }, "limit"],
    [{ path: "u", mode: 0o100644, linkGroup: 2 ** 32, linkCount: 2 }, "limit"],
  ];
  for (const [entry, kind] of bad) {
    assert.throws(() => encodeCpio([entry]), { name: "FastboopError", kind }, entry.path);
  }
  encodeCpio([regular(longest, text(""))]);
  encodeCpio([regular("sub/TRAILER!!!", text(""))]);
  encodeCpio([{ path: "l", mode: 0o120777, data: text("t".repeat(4095)) }]);
  assert.throws(() => encodeCpio([regular("a", text("")), regular("a", text(""))]), {
    kind: "usage",
  });
  assert.throws(() => encodeCpio([regular("a", text("")), regular("a/b", text(""))]), {
    kind: "usage",
  });
});

Deno.test("writeCpio() refuses a file of 4 GiB and takes one byte less", async () => {
  const entry = (sizeBytes: number) => new MemoryTree(directory({ "f": file(sizeBytes) }));
  await assert.rejects(archiveOf(entry(2 ** 32)), { kind: "limit" });
  const stop = new Error("the header was accepted");
  const entries = await cpioEntries(entry(2 ** 32 - 1));
  const sink = {
    write: () => {
      throw stop;
    },
  };
  await assert.rejects(writeCpio(entries, sink), stop);
});

Deno.test("cpioEntries() numbers hard link groups apart and puts the data last", async () => {
  const tree = new MemoryTree(directory({
    "a": file("one", { hardLinkKey: "1" }),
    "b": file("two", { hardLinkKey: "2" }),
    "c": file("one", { hardLinkKey: "1" }),
    "d": directory({ "e": file("two", { hardLinkKey: "2" }) }),
    "only-link-inside": file("three", { hardLinkKey: "3" }),
    "s": symlink("a", { hardLinkKey: "4" }),
    "t": symlink("a", { hardLinkKey: "4" }),
  }));
  const members = parse(await archiveOf(tree));
  const seen = members.map(({ name, fields, data }) => [name, fields[0], fields[4], data.length]);
  assert.deepEqual(seen, [
    ["d", 0, 1, 0],
    ["a", 1, 2, 0],
    ["b", 2, 2, 0],
    ["c", 1, 2, 3],
    ["only-link-inside", 0, 1, 5],
    ["s", 0, 1, 1],
    ["t", 0, 1, 1],
    ["d/e", 2, 2, 3],
    ["TRAILER!!!", 0, 1, 0],
  ]);
});

Deno.test("cpioEntries() takes as many entries as are allowed and refuses one more", async () => {
  const tree = new MemoryTree(directory({ "a": file(), "d": directory({ "b": file() }) }));
  const limits = (entryCount: number) => ({ limits: { imageBytes: 0, entryCount } });
  assert.equal((await cpioEntries(tree, limits(3))).length, 3);
  await assert.rejects(cpioEntries(tree, limits(2)), { kind: "limit" });
});

Deno.test("cpioEntries() lets a signal arrive during the walk", async () => {
  const tree = slowTree();
  const signal = AbortSignal.timeout(10);
  await assert.rejects(cpioEntries(tree, { signal }), { kind: "cancelled" });
  assert.ok(tree.listed < 200, `${tree.listed} listed`);
});

Deno.test({
  name: "writeCpio() of a directory is listed and unpacked equal by cpio(1)",
  ignore,
  async fn() {
    await withTempDir(async (folder) => {
      const [source, out] = [`${folder}/source`, `${folder}/out`];
      await makeHostTree(source);
      await Deno.mkdir(out);
      await using tree = new DirectoryTree(source, { blockingReads: true });
      const archive = await archiveOf(tree, "source");
      assert.equal(await sha256(archive), await sha256(await archiveOf(tree, "source")));
      const list = await run("cpio", ["-it", "--quiet"], { stdin: archive });
      assert.equal(list.code, 0, list.stderr);
      const listed = list.stdout.split("\n").slice(0, -1).sort();
      // cpio -it escapes nothing but what is not ASCII; the names without are compared.
      const found = (await run("find", [source, "-mindepth", "1", "-printf", "%P\\n"])).stdout;
      const ascii = (names: string[]) => names.filter((name) => /^[ -\[\]-~]+$/.test(name));
      assert.deepEqual(ascii(listed), ascii(found.split("\n").slice(0, -1).sort()));
      const unpacked = await run("cpio", ["-id", "--quiet", "--no-absolute-filenames"], {
        cwd: out,
        stdin: archive,
      });
      assert.equal(unpacked.code, 0, unpacked.stderr);
      // The archive has no times, and without root cpio keeps its own owner.
      const columns = (lines: string[]) =>
        lines.map((line) =>
          line.split("\t").filter((_, i) => i !== 5 && (IS_ROOT || (i !== 3 && i !== 4))).join("\t")
        );
      assert.deepEqual(columns(await describeTree(out)), columns(await describeTree(source)));
      const args = ["-r", "--no-dereference", "--exclude=fifo", "--exclude=null", "--exclude=far"];
      const { stdout, stderr } = await run("diff", [...args, source, out]);
      assert.equal(stdout + stderr, "");
    });
  },
});

Deno.test({
  name: "cpio(1) as a judge notices flipped bytes in magic, name and data",
  ignore,
  async fn() {
    const data = text("contents that are compared");
    const archive = concat(encodeCpio([regular("first", data), regular("second", text("2"))]));
    const unpack = async (bytes: Uint8Array) => {
      let result = "";
      await withTempDir(async (out) => {
        const { code } = await run("cpio", ["-id", "--quiet"], { cwd: out, stdin: bytes });
        const names = [...Deno.readDirSync(out)].map(({ name }) => name).sort();
        const first = await Deno.readFile(`${out}/first`).catch(() => new Uint8Array());
        result = JSON.stringify([code, names, [...first]]);
      });
      return result;
    };
    const good = JSON.stringify([0, ["first", "second"], [...data]]);
    assert.equal(await unpack(archive), good);
    for (const offset of [2, 110, 118, archive.indexOf(data[0]!, 116)]) {
      const flipped = archive.slice();
      flipped[offset]! ^= 1;
      assert.notEqual(await unpack(flipped), good, `offset ${offset}`);
    }
  },
});

Deno.test("writeCpio() fails when a file drifted", async () => {
  await withTempDir(async (folder) => {
    await Deno.writeTextFile(`${folder}/f`, "12345");
    await using tree = new DirectoryTree(folder);
    const entries = await cpioEntries(tree);
    await Deno.writeTextFile(`${folder}/f`, "1234");
    await assert.rejects(writeCpio(entries, { write() {} }), { kind: "source" });
  });
});
