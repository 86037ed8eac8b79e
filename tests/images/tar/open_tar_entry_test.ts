import assert from "node:assert/strict";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { openTarEntry } from "../../../lib/images/tar/open_tar_entry.ts";
import { readTarEntryIndex } from "../../../lib/images/tar/read_tar_entry_index.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { writeSparse } from "../../filesystems/archive_trees.ts";
import { run, withTempDir } from "../../filesystems/foreign_tools.ts";
import { flips, mutations, truncations } from "../../filesystems/hostile_images.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { FaultyReader } from "../../support/faulty_reader.ts";
import { assertReads, readAll } from "../../support/read_all.ts";
import { paxRecord, tarArchive } from "./tar_archives.ts";

const open = (archive: Uint8Array, entry: string) =>
  openTarEntry(new MemoryReader(archive, "archive"), entry);

async function textOf(archive: Uint8Array, entry: string): Promise<string> {
  await using reader = await open(archive, entry);
  return new TextDecoder().decode(await readAll(reader));
}

const FORMATS = ["v7", "oldgnu", "gnu", "ustar", "posix"];

Deno.test("openTarEntry() gives what tar packed in each of its formats, as a window", async () => {
  await withTempDir(async (folder) => {
    await Deno.mkdir(`${folder}/in/sub`, { recursive: true });
    const data = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31 + (i >> 9)) & 255);
    await Deno.writeFile(`${folder}/in/sub/root.img`, data);
    await Deno.writeTextFile(`${folder}/in/a`, "small");
    await Deno.link(`${folder}/in/sub/root.img`, `${folder}/in/sub/same.img`);
    const long = `sub/${"long-name-".repeat(16)}.img`;
    await Deno.writeFile(`${folder}/in/${long}`, data.subarray(7));
    for (const format of FORMATS) {
      const path = `${folder}/${format}.tar`;
      const args = [`--format=${format}`, "--sort=name", "-cf", path, "-C", `${folder}/in`];
      const names = format === "v7" || format === "ustar"
        ? ["--exclude", "*long-name*", "."]
        : ["."];
      const made = await run("tar", [...args, ...names]);
      assert.equal(made.code, 0, made.stderr);
      for (const entry of ["sub/root.img", "./sub/same.img", "/sub//root.img"]) {
        await using reader = await openTarEntry(await openFile(path), entry);
        await assertReads(reader, data, 2, 40);
      }
      if (names.length > 1) continue;
      await using reader = await openTarEntry(await openFile(path), long);
      await assertReads(reader, data.subarray(7), 3, 40);
      const index = await readTarEntryIndex(await openFile(path), long);
      const source = new FaultyReader(await Deno.readFile(path));
      await using again = await openTarEntry(source, long, { index });
      assert.ok(source.reads.length <= 6, `${source.reads.length} reads`);
      await assertReads(again, data.subarray(7), 3, 40);
    }
  });
});

Deno.test("openTarEntry() reads sparse files in all four forms, holes as zeros", async () => {
  await withTempDir(async (folder) => {
    const places = Array.from({ length: 60 }, (_, i) => 4096 * (3 * i + i % 5));
    writeSparse(`${folder}/holes`, 2_000_000, places);
    writeSparse(`${folder}/void`, 70_000, []);
    for (
      const form of [
        "--format=gnu",
        "--sparse-version=0.0",
        "--sparse-version=0.1",
        "--sparse-version=1.0",
      ]
    ) {
      const args = form.startsWith("--format") ? [form] : ["--format=posix", form];
      const path = `${folder}/sparse.tar`;
      const made = await run("tar", ["-S", ...args, "-cf", path, "-C", folder, "holes", "void"]);
      assert.equal(made.code, 0, made.stderr);
      const archive = await Deno.readFile(path);
      assert.ok(archive.length < 900_000, form);
      for (const name of ["holes", "void"]) {
        await using reader = await open(archive, name);
        await assertReads(reader, await Deno.readFile(`${folder}/${name}`), 4, 60);
        const index = await readTarEntryIndex(new MemoryReader(archive, "archive"), name);
        await using again = await openTarEntry(new MemoryReader(archive, "a"), name, { index });
        await assertReads(again, await Deno.readFile(`${folder}/${name}`), 4, 10);
      }
    }
  });
});

Deno.test("openTarEntry() takes names and sizes from wherever the archive keeps them", async () => {
  const base256 = (block: Uint8Array) => {
    block.fill(0, 124, 136);
    block.set([0x80], 124);
    block[135] = 5;
  };
  const notUstar = (block: Uint8Array) => {
    block.set(new TextEncoder().encode("ustar  \0"), 257);
    block.set(new TextEncoder().encode("not a prefix"), 345);
  };
  const prefixed = (block: Uint8Array) => block.set(new TextEncoder().encode("some/where"), 345);
  const archive = tarArchive(
    { name: "./", type: "5" },
    { name: "../../outside", data: "never" },
    { name: "big", data: "hello", patch: base256 },
    { name: "gnu", data: "gnu", patch: notUstar },
    { name: "file", data: "prefixed", patch: prefixed },
    { name: "pax", type: "g", data: paxRecord("comment", "for all") },
    { name: "././@LongLink", type: "L", data: "long/name\0" },
    { name: "x", type: "x", data: paxRecord("mtime", "1.5") },
    { name: "cut", data: "both" },
    { name: "x", type: "x", data: paxRecord("path", "by/pax") + paxRecord("size", "3") },
    { name: "cut", data: "three", size: 0 },
    { name: "\u00ff\u00fe".repeat(3), data: "", patch: (block) => block.set([0xff, 0xfe], 0) },
    { name: "link", type: "1", link: "./big" },
    { name: "chain", type: "1", link: "link" },
    { name: "symbolic", type: "2", link: "big" },
  );
  assert.equal(await textOf(archive, "big"), "hello");
  assert.equal(await textOf(archive, "gnu"), "gnu");
  assert.equal(await textOf(archive, "some/where/file"), "prefixed");
  assert.equal(await textOf(archive, "long/name"), "both");
  assert.equal(await textOf(archive, "by/pax"), "thr");
  assert.equal(await textOf(archive, "chain"), "hello");
  await assert.rejects(open(archive, "symbolic"), ofKind("unsupported", /link to "big"/));
  await assert.rejects(open(archive, "outside"), ofKind("not-found"));
  await assert.rejects(open(archive, "../big"), ofKind("usage"));
  await assert.rejects(open(archive, "."), ofKind("usage"));
});

Deno.test("openTarEntry() gives the last of several members, as unpacking does", async () => {
  await withTempDir(async (folder) => {
    const archive = tarArchive(
      { name: "a", data: "first" },
      { name: "link", type: "1", link: "a" },
      { name: "./a", data: "second" },
    );
    await Deno.writeFile(`${folder}/a.tar`, archive);
    const unpacked = await run("tar", ["-xf", `${folder}/a.tar`, "-C", folder]);
    assert.equal(unpacked.code, 0, unpacked.stderr);
    for (const name of ["a", "link"]) {
      assert.equal(await textOf(archive, name), await Deno.readTextFile(`${folder}/${name}`), name);
    }
  });
});

Deno.test("openTarEntry() drops an index that does not fit", async () => {
  const archive = tarArchive({ name: "a", data: "aaaa" }, { name: "b", data: "bbbb" });
  const index = await readTarEntryIndex(new MemoryReader(archive, "archive"), "b");
  assert.equal(index.headerOffsetBytes, 1024);
  const wrong = [
    { headerOffsetBytes: 0, dataOffsetBytes: 512 },
    { dataOffsetBytes: 512 },
    { sizeBytes: 3 },
    { entryType: 5 },
    { headerOffsetBytes: 7 },
    { headerOffsetBytes: -512 },
    { headerOffsetBytes: 2 ** 60 },
  ];
  for (const change of [{}, ...wrong]) {
    const source = new MemoryReader(archive, "archive");
    await using reader = await openTarEntry(source, "b", { index: { ...index, ...change } });
    assert.equal(new TextDecoder().decode(await readAll(reader)), "bbbb");
  }
});

Deno.test("openTarEntry() scans many small members in few reads and skips large ones", async () => {
  const small = tarArchive(
    ...Array.from({ length: 2000 }, (_, i) => ({ name: `file-${i}`, data: "x" })),
  );
  const source = new FaultyReader(small);
  await using _ = await openTarEntry(source, "file-1999");
  assert.ok(source.reads.length < 16, `${source.reads.length} reads of ${small.length} bytes`);
  const large = tarArchive(
    ...Array.from({ length: 20 }, (_, i) => ({ name: `${i}`, data: new Uint8Array(1 << 20) })),
  );
  const jumping = new FaultyReader(large);
  await using __ = await openTarEntry(jumping, "19");
  const readBytes = jumping.reads.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  assert.ok(readBytes < 200_000, `${readBytes} bytes`);
});

Deno.test("openTarEntry() refuses what it must", async () => {
  const sparse = (map: string, size = 100) => ({
    name: "x",
    type: "x",
    data: paxRecord("GNU.sparse.size", String(size)) + paxRecord("GNU.sparse.map", map),
  });
  const file = { name: "f", data: "0123456789" };
  const negative = { ...file, patch: (block: Uint8Array) => block.fill(0xff, 124, 136) };
  const huge = {
    ...file,
    patch: (block: Uint8Array) => block.set([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 124),
  };
  const cases: [Uint8Array, RegExp | "limit"][] = [
    [tarArchive(file).subarray(0, 1024), /end marker/],
    [tarArchive({ ...file, size: 5000 }), /beyond the end/],
    [tarArchive(negative), /size is -1/],
    [tarArchive(huge), "limit"],
    [tarArchive({ name: "x", type: "x", data: "99 path=a\n" }, file), /wrong length/],
    [tarArchive({ name: "x", type: "x", data: "9 path_a\n" }, file), /no value/],
    [tarArchive({ name: "x", type: "x", data: paxRecord("size", "-5") }, file), /PAX number/],
    [tarArchive({ name: "x", type: "L", size: 1 << 24 }, file), "limit"],
    [tarArchive(sparse("0,5,3,5"), file), /holes/],
    [tarArchive(sparse("0,5,95,6"), file), /holes/],
    [tarArchive(sparse("0,5"), file), /in no piece/],
    [tarArchive(sparse("0,5,a,5"), file), /holes/],
    [tarArchive({ name: "a", type: "1", link: "f" }, { name: "f", type: "1", link: "a" }), /none/],
  ];
  for (const [archive, state] of cases) {
    const kind = state === "limit" ? "limit" : String(state) === "/none/" ? "not-found" : "corrupt";
    const pattern = state === "limit" ? undefined : state;
    await assert.rejects(open(archive, "f"), ofKind(kind, pattern));
  }
  await using holes = await open(tarArchive(sparse("5,5,20,5,100,0"), file), "f");
  const expected = new Uint8Array(100);
  expected.set(new TextEncoder().encode("01234"), 5);
  expected.set(new TextEncoder().encode("56789"), 20);
  await assertReads(holes, expected);
});

Deno.test("openTarEntry() answers damaged archives with bytes or a typed error", async () => {
  const archive = tarArchive(
    { name: "./", type: "5" },
    {
      name: "x",
      type: "x",
      data: paxRecord("GNU.sparse.size", "40") + paxRecord("GNU.sparse.map", "0,5,30,5"),
    },
    { name: "f", data: "0123456789" },
    { name: "././@LongLink", type: "L", data: "long/name\0" },
    { name: "cut", data: "both" },
  );
  let errors = 0;
  const attempt = async (bytes: Uint8Array, story: string) => {
    for (const entry of ["f", "long/name"]) {
      try {
        await using reader = await open(bytes, entry);
        if (reader.sizeBytes < 1 << 24) await readAll(reader);
      } catch (error) {
        assert.ok(error instanceof FastboopError, `${story}: ${error}`);
        const kinds = ["corrupt", "limit", "unsupported", "not-found"];
        assert.ok(kinds.includes(error.kind), `${story}: ${error}`);
        errors++;
      }
    }
  };
  for (const { bytes, story } of truncations(archive, 64)) {
    // The second block of the end marker says nothing.
    if (bytes.length < archive.length - 512) {
      const before = errors;
      await attempt(bytes, story);
      assert.equal(errors, before + 2, story);
    }
  }
  for (const { bytes, story } of flips(archive, [[0, archive.length]])) await attempt(bytes, story);
  for (const { bytes, story } of mutations(archive, [[0, archive.length]], 3, 3000)) {
    await attempt(bytes, story);
  }
  assert.ok(errors > 1000);
});

Deno.test("openTarEntry() gives up a map of holes that never ends at its first block", async () => {
  const data = paxRecord("GNU.sparse.major", "1") + paxRecord("GNU.sparse.minor", "0") +
    paxRecord("GNU.sparse.realsize", "100");
  const endless = new Uint8Array(8 << 20).fill("1".charCodeAt(0));
  const source = new FaultyReader(
    tarArchive({ name: "x", type: "x", data }, { name: "f", data: endless }),
  );
  await assert.rejects(openTarEntry(source, "f"), ofKind("corrupt", /holes/));
  const readBytes = source.reads.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  assert.ok(readBytes < 1 << 20, `${readBytes} bytes`);
});
