import assert from "node:assert/strict";
import { Transform } from "node:stream";
import { createInflateRaw } from "node:zlib";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { openZipEntry } from "../../../lib/images/zip/open_zip_entry.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import type { Spill } from "../../../lib/sources/spill.ts";
import { hasTool, run, withTempDir } from "../../filesystems/foreign_tools.ts";
import { flips, mutations, truncations } from "../../filesystems/hostile_images.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { FaultyReader } from "../../support/faulty_reader.ts";
import { assertReads, readAll } from "../../support/read_all.ts";
import { concat } from "../android_sparse/sparse_images.ts";
import { pythonZip, zipArchive, type ZipMember } from "./zip_archives.ts";

const HAS_ZIP = hasTool("zip");
const HAS_PYTHON = hasTool("python3");
const open = (archive: Uint8Array, entry: string, options = {}) =>
  openZipEntry(new MemoryReader(archive, "archive"), entry, options);

async function textOf(archive: Uint8Array, entry: string): Promise<string> {
  await using reader = await open(archive, entry);
  return new TextDecoder().decode(await readAll(reader));
}

class MemorySpill implements Spill {
  bytes = new Uint8Array(1 << 20);
  disposed = false;

  write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    this.bytes.set(bytes, offsetBytes);
    return Promise.resolve();
  }

  readAt(offsetBytes: number, into: Uint8Array): Promise<void> {
    into.set(this.bytes.subarray(offsetBytes, offsetBytes + into.length));
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    return Promise.resolve();
  }
}

Deno.test({
  name: "openZipEntry() gives what zip packed, stored and deflated",
  ignore: !HAS_ZIP,
  async fn() {
    await withTempDir(async (folder) => {
      const data = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 31 + (i >> 11)) & 63);
      await Deno.mkdir(`${folder}/sub`);
      await Deno.writeFile(`${folder}/sub/root.img`, data);
      for (const level of ["-0", "-9"]) {
        await run("zip", ["-q", level, "a.zip", "sub/root.img"], { cwd: folder });
        await using reader = await openZipEntry(await openFile(`${folder}/a.zip`), "sub/root.img");
        await assertReads(reader, data);
        const spill = new MemorySpill();
        const options = { spill: () => Promise.resolve(spill) };
        const source = new FaultyReader(await Deno.readFile(`${folder}/a.zip`));
        const spilled = await openZipEntry(source, "./sub//root.img", options);
        await assertReads(spilled, data);
        await spilled[Symbol.asyncDispose]();
        assert.equal(source.disposed, true);
        assert.equal(spill.disposed, level === "-9");
        await Deno.remove(`${folder}/a.zip`);
      }
      // Written to a pipe, zip cannot go back: the sizes follow the data.
      const shell =
        'cat sub/root.img | zip -q - - > piped.zip && printf "head" | cat - piped.zip > sfx';
      assert.equal((await run("sh", ["-c", shell], { cwd: folder })).code, 0);
      for (const name of ["piped.zip", "sfx"]) {
        await using reader = await openZipEntry(await openFile(`${folder}/${name}`), "-");
        await assertReads(reader, data);
      }
    });
  },
});

Deno.test({
  name: "openZipEntry() reads ZIP64 and data descriptors of python's zipfile",
  ignore: !HAS_PYTHON,
  async fn() {
    const wide = await pythonZip(`
with zipfile.ZipFile(sys.argv[1], "w", allowZip64=True) as z:
    with z.open(zipfile.ZipInfo("wide"), "w", force_zip64=True) as f: f.write(b"wide" * 1000)
    z.writestr("plain", "plain")
`);
    assert.equal((await textOf(wide, "wide")).length, 4000);
    assert.equal(await textOf(wide, "plain"), "plain");
    const streamed = await pythonZip(`
class Pipe:
    def __init__(self, f): self.f = f
    def write(self, b): return self.f.write(b)
    def flush(self): self.f.flush()
with open(sys.argv[1], "wb") as f, zipfile.ZipFile(Pipe(f), "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("a", "text " * 1000)
    z.writestr(zipfile.ZipInfo("b"), "stored")
`);
    assert.equal((await textOf(streamed, "a")).length, 5000);
    assert.equal(await textOf(streamed, "b"), "stored");
    const many = await pythonZip(`
with zipfile.ZipFile(sys.argv[1], "w") as z:
    for i in range(66000): z.writestr("f%d" % i, "")
    z.writestr("last", "found")
`);
    assert.equal(await textOf(many, "last"), "found");
    await assert.rejects(open(many, "none"), ofKind("not-found"));
  },
});

Deno.test("openZipEntry() gives its decoder back when it is closed before the end", async () => {
  const inflaters = Object.getPrototypeOf(createInflateRaw());
  let destroyed = 0;
  inflaters.destroy = function (...args: unknown[]) {
    destroyed++;
    return Transform.prototype.destroy.apply(this, args as []);
  };
  try {
    const data = Uint8Array.from({ length: 8 << 20 }, (_, i) => (i * i) >> 5);
    const reader = await open(zipArchive([{ name: "f", data, deflate: true }]), "f");
    await reader.readAt(0, new Uint8Array(10));
    assert.equal(destroyed, 0);
    await reader[Symbol.asyncDispose]();
    assert.equal(destroyed, 1);
  } finally {
    delete inflaters.destroy;
  }
});

Deno.test("openZipEntry() serves a stored member as a window of its source", async () => {
  const data = Uint8Array.from({ length: 2 << 20 }, (_, i) => i & 255);
  const source = new FaultyReader(zipArchive([{ name: "root.img", data }]));
  await using reader = await openZipEntry(source, "root.img");
  const before = source.reads.length;
  assert.ok(source.reads.every(({ lengthBytes }) => lengthBytes < 70_000));
  await reader.readAt(1 << 20, new Uint8Array(100));
  assert.deepEqual(source.reads.slice(before).map(({ lengthBytes }) => lengthBytes), [100]);
});

Deno.test("openZipEntry() allows what stands around an archive", async () => {
  const archive = zipArchive([{ name: "f", data: "hello" }], "a comment PK\x05\x06 in it");
  assert.equal(await textOf(archive, "f"), "hello");
  assert.equal(await textOf(concat([new Uint8Array(1000), archive]), "f"), "hello");
  assert.equal(await textOf(concat([archive, new Uint8Array(1000)]), "f"), "hello");
});

Deno.test("openZipEntry() notices wrong data by its CRC-32", async () => {
  for (const deflate of [false, true]) {
    const archive = zipArchive([{ name: "f", data: "hello".repeat(100), deflate }]);
    const wrong = (record: Uint8Array) =>
      record.fill(7, record[0] === 0x50 && record[2] === 1 ? 16 : 14, record[2] === 1 ? 20 : 18);
    const damaged = zipArchive([
      { name: "f", data: "hello".repeat(100), deflate, local: wrong, central: wrong },
    ]);
    assert.equal((await textOf(archive, "f")).length, 500);
    await assert.rejects(textOf(damaged, "f"), ofKind("corrupt", /CRC-32/));
  }
  const flipped = zipArchive([{ name: "f", data: "hello" }]);
  flipped[31]! ^= 1;
  await using reader = await open(flipped, "f");
  await reader.readAt(0, new Uint8Array(2));
  await assert.rejects(reader.readAt(2, new Uint8Array(3)), ofKind("corrupt", /CRC-32/));
});

Deno.test("openZipEntry() refuses by name what it does not read", async () => {
  const f: ZipMember = { name: "f", data: "hello" };
  const u32 = (offset: number, value: number) => (record: Uint8Array) =>
    new DataView(record.buffer).setUint32(offset, value, true);
  const end = (offset: number, value: number) => {
    const archive = zipArchive([f]);
    new DataView(archive.buffer).setUint16(archive.length - 22 + offset, value, true);
    return archive;
  };
  const cases: [Uint8Array, Parameters<typeof ofKind>[0], RegExp][] = [
    [zipArchive([{ ...f, flags: 1 }]), "unsupported", /encrypted/],
    [zipArchive([{ ...f, method: 9 }]), "unsupported", /Deflate64/],
    [zipArchive([{ ...f, method: 14 }]), "unsupported", /LZMA/],
    [zipArchive([{ ...f, mode: 0o120777 }]), "unsupported", /no regular file/],
    [end(4, 1), "unsupported", /several disks/],
    [zipArchive([f, f]), "corrupt", /two members/],
    [zipArchive([f, { ...f, name: "./f" }]), "corrupt", /one path/],
    [zipArchive([{ ...f, local: (record) => record[30] = 0x67 }]), "corrupt", /local header/],
    [zipArchive([{ ...f, local: u32(18, 4) }]), "corrupt", /local header/],
    [zipArchive([{ ...f, central: u32(42, 5) }]), "corrupt", /no local header|beyond/],
    [zipArchive([{ ...f, central: u32(20, 1000) }]), "corrupt", /stored, but/],
    [zipArchive([{ ...f, deflate: true, central: u32(24, 1 << 30) }]), "corrupt", /cannot hold/],
    [zipArchive([{ ...f, central: u32(24, 0xffffffff) }]), "corrupt", /ZIP64/],
    [end(16, 0xffff), "corrupt", /where it cannot/],
    [end(12, 0xffff), "corrupt", /where it cannot/],
    [new Uint8Array(5), "corrupt", /no end record/],
    [zipArchive([f]).subarray(0, -1), "corrupt", /no end record/],
  ];
  for (const [archive, kind, state] of cases) {
    await assert.rejects(open(archive, "f"), ofKind(kind, state), String(state));
  }
  await assert.rejects(open(zipArchive([f]), "../f"), ofKind("usage"));
  await assert.rejects(open(zipArchive([{ name: "f/" }]), "f"), ofKind("unsupported"));
});

Deno.test("openZipEntry() answers damaged archives with bytes or a typed error", async () => {
  const archive = zipArchive([
    { name: "stored", data: "0123456789" },
    { name: "deflated", data: "text ".repeat(50), deflate: true },
  ]);
  const whole = [await textOf(archive, "stored"), await textOf(archive, "deflated")];
  let errors = 0;
  const attempt = async (bytes: Uint8Array, story: string) => {
    for (const [i, entry] of ["stored", "deflated"].entries()) {
      try {
        assert.equal(await textOf(bytes, entry), whole[i], story);
      } catch (error) {
        assert.ok(error instanceof FastboopError, `${story}: ${error}`);
        const kinds = ["corrupt", "limit", "unsupported", "not-found"];
        assert.ok(kinds.includes(error.kind), `${story}: ${error}`);
        errors++;
      }
    }
  };
  for (const { bytes, story } of truncations(archive, 1)) await attempt(bytes, story);
  assert.equal(errors, archive.length * 2, "every cut is noticed");
  for (const { bytes, story } of flips(archive, [[0, archive.length]])) await attempt(bytes, story);
  for (const { bytes, story } of mutations(archive, [[0, archive.length]], 3, 1000)) {
    await attempt(bytes, story);
  }
  assert.ok(errors > archive.length * 2 + 300);
});
