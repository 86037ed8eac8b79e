import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { casyncChunkStoreOf } from "../../../lib/images/casync/casync_chunk_store_of.ts";
import { openCasync } from "../../../lib/images/casync/open_casync.ts";
import { type ChunkStore, openChunkStore } from "../../../lib/sources/chunk_store.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { hasTool, run, withTempDir } from "../../filesystems/foreign_tools.ts";
import { flips, truncations } from "../../filesystems/hostile_images.ts";
import { seededRandom } from "../../smoo/seeded_random.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { assertReads, readAll } from "../../support/read_all.ts";
import { makeCasync, memoryStore } from "./casync_stores.ts";

const HAS_CASYNC = hasTool("casync");
const chunk = (sizeBytes: number, seed: number) =>
  Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 7 + seed * 31) & 255);
const CHUNKS = Array.from({ length: 40 }, (_, i) => chunk(1000 + i * 37, i));
const open = (index: Uint8Array, store: ChunkStore, options = {}) =>
  openCasync(new MemoryReader(index, "index"), store, options);

Deno.test({
  name: "openCasync() gives what casync made, with each compression and digest",
  ignore: !HAS_CASYNC,
  async fn() {
    await withTempDir(async (folder) => {
      const random = seededRandom(3);
      const blob = Uint8Array.from({ length: 1_500_000 }, (_, i) => i % 3 ? random(256) : 0);
      await Deno.writeFile(`${folder}/blob`, blob);
      for (const words of ["zstd sha512-256", "gzip sha256", "xz sha512-256"]) {
        const [compression, digest] = words.split(" ");
        const index = `${folder}/${compression}.caibx`;
        const store = `${folder}/${compression}.castr`;
        const made = await run("casync", [
          "make",
          `--compression=${compression}`,
          `--digest=${digest}`,
          `--store=${store}`,
          index,
          `${folder}/blob`,
        ]);
        assert.equal(made.code, 0, made.stderr);
        await using reader = await openCasync(await openFile(index), openChunkStore(store));
        await assertReads(reader, blob, 4, 60);
      }
      const made = await run("casync", [
        "make",
        `--store=${folder}/s`,
        `${folder}/a.caidx`,
        "/etc/skel",
      ]);
      assert.equal(made.code, 0, made.stderr);
      const archive = await openFile(`${folder}/a.caidx`);
      await assert.rejects(
        openCasync(archive, openChunkStore(folder)),
        ofKind("unsupported", /\.caidx/),
      );
      await archive[Symbol.asyncDispose]();
    });
  },
});

Deno.test("openCasync() takes zstd, gzip and plain chunks, with and without a suffix", async () => {
  const forms: [(bytes: Uint8Array) => Uint8Array, string][] = [
    [zstdCompressSync, ".cacnk"],
    [gzipSync, ".cacnk"],
    [(bytes) => bytes, ".cacnk"],
    [(bytes) => bytes, ""],
  ];
  for (const [encode, suffix] of forms) {
    const made = makeCasync(CHUNKS, encode, suffix);
    const { store, seen } = memoryStore(made.files);
    await using reader = await open(made.index, store);
    assert.equal(reader.identity, "casync:(index)");
    await assertReads(reader, made.plain, 6, 100);
    // Whichever form the store has, it is asked for the other one only until that is known.
    assert.ok(seen.asked.length <= CHUNKS.length + 16, `${seen.asked.length} requests`);
    assert.ok(seen.mostParallel > 1 && seen.mostParallel <= 8, `${seen.mostParallel} at once`);
  }
});

Deno.test("openCasync() loads a chunk once for many readers, and keeps to its memory", async () => {
  const made = makeCasync(CHUNKS);
  const { store, seen } = memoryStore(made.files);
  await using reader = await open(made.index, store, { cacheBytes: 5000 });
  await Promise.all(Array.from({ length: 20 }, () => reader.readAt(10, new Uint8Array(50))));
  assert.equal(seen.asked.length, 1);
  await readAll(reader);
  const before = seen.asked.length;
  await reader.readAt(10, new Uint8Array(50));
  assert.equal(seen.asked.length, before + 1, "the first chunk was let go");
  await reader.readAt(20, new Uint8Array(50));
  assert.equal(seen.asked.length, before + 1);
});

Deno.test("openCasync() neither serves nor keeps a wrong chunk", async () => {
  const made = makeCasync(CHUNKS);
  const [path, right] = [...made.files][2]!;
  const at = CHUNKS[0]!.length + CHUNKS[1]!.length;
  const wrong: [Uint8Array | undefined, "corrupt" | "source", RegExp][] = [
    [right.map((byte, i) => i === 5 ? byte ^ 1 : byte), "corrupt", /digest/],
    [right.subarray(1), "corrupt", /bytes, the index says/],
    [zstdCompressSync(new Uint8Array(1 << 20)), "corrupt", /decompressed/],
    [zstdCompressSync(right).subarray(0, 20), "corrupt", /decompressed|index says/],
    [gzipSync(right).subarray(0, 20), "corrupt", /decompressed/],
    [Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1), "corrupt", /./],
    [undefined, "source", /does not have it/],
  ];
  for (const [bytes, kind, state] of wrong) {
    const files = new Map(made.files);
    if (bytes === undefined) files.delete(path);
    else files.set(path, bytes);
    await using reader = await open(made.index, memoryStore(files).store);
    const piece = new Uint8Array(10);
    await assert.rejects(reader.readAt(at, piece), ofKind(kind, state));
    assert.deepEqual(piece, new Uint8Array(10));
    files.set(path, right);
    await reader.readAt(at, piece);
    assert.deepEqual(piece, right.slice(0, 10));
  }
});

Deno.test("openCasync() stops a load that nobody waits for, not one that others need", async () => {
  const made = makeCasync(CHUNKS);
  const aborted: boolean[] = [];
  let release = () => {};
  const gate = new Promise<void>((done) => release = done);
  const store: ChunkStore = async (path, { signal }) => {
    const stopped = new Promise<never>((_, reject) => {
      signal!.addEventListener("abort", () => {
        aborted.push(true);
        reject(signal!.reason);
      });
    });
    await Promise.race([gate, stopped]);
    return made.files.get(path);
  };
  await using reader = await open(made.index, store);
  const one = new AbortController();
  const left = reader.readAt(0, new Uint8Array(9), { signal: one.signal });
  const staying = reader.readAt(0, new Uint8Array(9));
  one.abort();
  await assert.rejects(left, ofKind("cancelled"));
  assert.equal(aborted.length, 0);
  const two = new AbortController();
  const alone = reader.readAt(CHUNKS[0]!.length, new Uint8Array(9), { signal: two.signal });
  two.abort();
  await assert.rejects(alone, ofKind("cancelled"));
  assert.equal(aborted.length, 1);
  release();
  await staying;
});

Deno.test("openCasync() answers damaged indexes with bytes or a typed error", async () => {
  const made = makeCasync(CHUNKS.slice(0, 3));
  const { store } = memoryStore(made.files);
  let errors = 0;
  const attempt = async (bytes: Uint8Array, story: string) => {
    try {
      await using reader = await open(bytes, store);
      assert.deepEqual(await readAll(reader), made.plain, story);
    } catch (error) {
      assert.ok(error instanceof FastboopError, `${story}: ${error}`);
      const kinds = ["corrupt", "limit", "unsupported", "source"];
      assert.ok(kinds.includes(error.kind), `${story}: ${error}`);
      errors++;
    }
  };
  for (const { bytes, story } of truncations(made.index, 1)) await attempt(bytes, story);
  assert.equal(errors, made.index.length);
  // What tells of chunk sizes may change without harm, as long as the chunks keep to it.
  for (const { bytes, story } of flips(made.index, [[0, made.index.length]])) {
    await attempt(bytes, story);
  }
  assert.ok(errors > made.index.length * 1.8, `${errors}`);
  const huge = makeCasync([]).index;
  await using empty = await open(huge, store);
  assert.equal(empty.sizeBytes, 0);
});

Deno.test("casyncChunkStoreOf() puts chunks beside indexes", () => {
  const cases: [string, string][] = [
    ["https://h/a/indexes/x/y.caibx?t=1#f", "https://h/a/chunks"],
    ["https://h/indexes/indexes/y.caibx", "https://h/indexes/chunks"],
    ["https://h/a/y.caibx?indexes/", "https://h/a"],
    ["https://h/y.caibx", "https://h"],
    ["file:///srv/indexes/y.caibx", "file:///srv/chunks"],
    ["/srv/indexes/y.caibx", "/srv/chunks"],
    ["indexes/y.caibx", "chunks"],
    ["/srv/indexes/deep/y.caibx", "/srv/indexes/deep"],
    ["y.caibx", "."],
    ["/y.caibx", "/"],
  ];
  for (const [index, store] of cases) assert.equal(casyncChunkStoreOf(index), store, index);
  assert.equal(casyncChunkStoreOf("https://h/y.caibx", "given"), "given");
});
