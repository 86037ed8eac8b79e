import assert from "node:assert/strict";
import fc from "fast-check";
import { openAndroidSparse } from "../../../lib/images/android_sparse/open_android_sparse.ts";
import { readAndroidSparseIndex } from "../../../lib/images/android_sparse/read_android_sparse_index.ts";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { hasTool, run, withTempDir } from "../../filesystems/foreign_tools.ts";
import { flips, mutations, truncations } from "../../filesystems/hostile_images.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { FaultyReader } from "../../support/faulty_reader.ts";
import { assertReads, readAll } from "../../support/read_all.ts";
import { encodeSparse, type Piece } from "./sparse_images.ts";

const HAS_TOOLS = hasTool("simg2img") && hasTool("img2simg");
const noise = (sizeBytes: number, seed: number) =>
  Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 131 + seed * 7 + (i >> 8)) & 255);

const PIECES: Piece[] = [
  { kind: "raw", bytes: noise(3 * 4096, 1) },
  { kind: "fill", pattern: 0x78563412, blocks: 2 },
  { kind: "crc" },
  { kind: "skip", blocks: 5 },
  { kind: "fill", pattern: 0, blocks: 1 },
  { kind: "raw", bytes: noise(4096, 2) },
  { kind: "raw", bytes: noise(4096, 3) },
  { kind: "fill", pattern: 0xffffffff, blocks: 3 },
  { kind: "crc" },
];

const open = (stored: Uint8Array) => openAndroidSparse(new MemoryReader(stored, "image"));

Deno.test("openAndroidSparse() gives every kind of chunk at any place", async () => {
  const { stored, plain } = encodeSparse(PIECES, { blockBytes: 4096, imageChecksum: true });
  await using reader = await open(stored);
  assert.equal(reader.identity, "android-sparse:(image)");
  await assertReads(reader, plain);
  const wide = encodeSparse(PIECES, {
    blockBytes: 4096,
    fileHeaderBytes: 40,
    chunkHeaderBytes: 20,
  });
  await using other = await open(wide.stored);
  await assertReads(other, plain);
});

Deno.test("openAndroidSparse() reads what was encoded, whatever the chunks are", async () => {
  const piece = fc.oneof(
    fc.record({ kind: fc.constant("raw" as const), blocks: fc.integer({ min: 0, max: 5 }) })
      .map(({ blocks }): Piece => ({ kind: "raw", bytes: noise(blocks * 12, blocks) })),
    fc.record({ kind: fc.constant("fill" as const), pattern: fc.nat(), blocks: fc.nat(5) }),
    fc.record({ kind: fc.constant("skip" as const), blocks: fc.nat(5) }),
    fc.constant<Piece>({ kind: "crc" }),
  );
  const property = fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
    const { stored, plain } = encodeSparse(pieces, { blockBytes: 12 });
    const index = await readAndroidSparseIndex(new MemoryReader(stored, "image"));
    for (const options of [{}, { index }]) {
      await using reader = await openAndroidSparse(new MemoryReader(stored, "image"), options);
      await assertReads(reader, plain, 5, 20);
    }
  });
  await fc.assert(property, { seed: 20261121, numRuns: 200 });
});

Deno.test({
  name: "openAndroidSparse() agrees with simg2img on its own chunks and on img2simg's",
  ignore: !HAS_TOOLS,
  async fn() {
    await withTempDir(async (folder) => {
      const image = new Uint8Array(600 * 4096);
      for (let block = 0; block < 600; block += 7) image.set(noise(9000, block), block * 4096);
      image.fill(0x5a, 4096 * 100, 4096 * 140);
      await Deno.writeFile(`${folder}/plain`, image);
      for (const blockBytes of ["4096", "1024"]) {
        const made = await run("img2simg", [`${folder}/plain`, `${folder}/sparse`, blockBytes]);
        assert.equal(made.code, 0, made.stderr);
        const stored = await Deno.readFile(`${folder}/sparse`);
        assert.ok(stored.length < image.length);
        await using reader = await open(stored);
        await assertReads(reader, image);
      }
      const { stored, plain } = encodeSparse(PIECES, { blockBytes: 4096 });
      await Deno.writeFile(`${folder}/ours`, stored);
      const judged = await run("simg2img", [`${folder}/ours`, `${folder}/judged`]);
      assert.equal(judged.code, 0, judged.stderr);
      assert.deepEqual(await Deno.readFile(`${folder}/judged`), plain);
    });
  },
});

Deno.test("openAndroidSparse() reads few times where payloads are small, and once per read", async () => {
  const pieces: Piece[] = Array.from({ length: 5000 }, (_, i): Piece => {
    return i % 2 ? { kind: "raw", bytes: noise(16, i) } : { kind: "fill", pattern: i, blocks: 1 };
  });
  const { stored, plain } = encodeSparse(pieces, { blockBytes: 16 });
  const source = new FaultyReader(stored);
  await using reader = await openAndroidSparse(source);
  assert.ok(source.reads.length < 8, `${source.reads.length} reads`);
  const before = source.reads.length;
  const piece = new Uint8Array(16);
  await reader.readAt(3 * 16, piece);
  assert.deepEqual(piece, plain.slice(48, 64));
  assert.equal(source.reads.length, before + 1);
});

Deno.test("openAndroidSparse() takes an index that fits, and scans where it does not", async () => {
  const pieces: Piece[] = Array.from({ length: 60 }, (_, i) => [
    { kind: "raw" as const, bytes: noise(20 * 4096, i) },
    { kind: "fill" as const, pattern: i, blocks: 2 },
  ]).flat();
  const { stored, plain } = encodeSparse(pieces, { blockBytes: 4096 });
  const index = await readAndroidSparseIndex(new MemoryReader(stored, "image"));
  const readsWith = async (given: typeof index) => {
    const source = new FaultyReader(stored);
    await using reader = await openAndroidSparse(source, { index: given });
    const { length } = source.reads;
    await assertReads(reader, plain, 3, 20);
    return length;
  };
  assert.ok(await readsWith(index) < 12);
  const last = index.chunks.length - 1;
  const changed = (at: number, change: object) => {
    const chunks = index.chunks.map((chunk, i) => i === at ? { ...chunk, ...change } : chunk);
    return { ...index, chunks };
  };
  const wrong = [
    changed(last, { fillPattern: Uint8Array.of(1, 2, 3, 4) }),
    changed(last, { fillPattern: undefined }),
    changed(4, { payloadOffsetBytes: index.chunks[4]!.payloadOffsetBytes + 4 }),
    changed(4, { chunkType: 0xcac3 }),
    { ...index, totalBlocks: index.totalBlocks + 1 },
    { ...index, chunks: index.chunks.slice(1) },
  ];
  for (const given of wrong) assert.ok(await readsWith(given as typeof index) > 60);
});

Deno.test("openAndroidSparse() scans where an index has a checksum behind the last header", async () => {
  const { stored, plain } = encodeSparse([...PIECES, { kind: "skip", blocks: 1 }], {
    blockBytes: 4096,
  });
  const source = new MemoryReader(stored, "image");
  const index = await readAndroidSparseIndex(source);
  const chunks = index.chunks.with(-1, { ...index.chunks.at(-1)!, crc32: 0 });
  await using reader = await openAndroidSparse(source, { index: { ...index, chunks } });
  await assertReads(reader, plain, 3, 20);
});

Deno.test("openAndroidSparse() refuses what it must", async () => {
  const patched = (offset: number, value: number, pieces = PIECES) => {
    const { stored } = encodeSparse(pieces, { blockBytes: 4096 });
    new DataView(stored.buffer).setUint32(offset, value, true);
    return open(stored);
  };
  await assert.rejects(patched(0, 1), ofKind("corrupt", /magic/));
  await assert.rejects(patched(4, 2), ofKind("unsupported", /version 2/));
  await assert.rejects(patched(12, 0), ofKind("corrupt", /multiple of 4/));
  await assert.rejects(patched(12, 4098), ofKind("corrupt", /multiple of 4/));
  await assert.rejects(patched(16, 14), ofKind("corrupt", /blocks/));
  await assert.rejects(patched(16, 17), ofKind("corrupt", /header says 17/));
  await assert.rejects(patched(20, 0xffffffff), ofKind("corrupt", /do not fit/));
  await assert.rejects(patched(28, 0xcac5), ofKind("unsupported", /0xcac5/));
  await assert.rejects(patched(32, 0xffffffff), ofKind("corrupt", /must have/));
  const huge = encodeSparse([], { blockBytes: 4096 }).stored;
  new DataView(huge.buffer).setUint32(12, 0xfffffffc, true);
  new DataView(huge.buffer).setUint32(16, 0xffffffff, true);
  await assert.rejects(open(huge), ofKind("limit"));
});

Deno.test("openAndroidSparse() answers damaged headers with bytes or a typed error", async () => {
  const pieces = PIECES.map((piece): Piece => {
    return piece.kind === "raw" ? { kind: "raw", bytes: piece.bytes.slice(0, 64) } : piece;
  });
  const { stored } = encodeSparse(pieces, { blockBytes: 64 });
  let errors = 0;
  const attempt = async (bytes: Uint8Array, story: string) => {
    try {
      await using reader = await open(bytes);
      if (reader.sizeBytes < 1 << 24) await readAll(reader);
    } catch (error) {
      assert.ok(error instanceof FastboopError, story);
      assert.ok(["corrupt", "limit", "unsupported"].includes(error.kind), `${story}: ${error}`);
      errors++;
    }
  };
  for (const { bytes, story } of truncations(stored, 1)) await attempt(bytes, story);
  assert.equal(errors, stored.length, "every cut is noticed");
  for (const { bytes, story } of flips(stored, [[0, stored.length]])) await attempt(bytes, story);
  for (const { bytes, story } of mutations(stored, [[0, stored.length]], 9, 5000)) {
    await attempt(bytes, story);
  }
  assert.ok(errors > stored.length + 100);
});
