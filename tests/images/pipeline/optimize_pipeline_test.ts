import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { hashContent } from "../../../lib/images/pipeline/hash_content.ts";
import type { Hint, XzBlockTable } from "../../../lib/images/pipeline/hints.ts";
import { openPipeline } from "../../../lib/images/pipeline/open_pipeline.ts";
import {
  optimizePipelines,
  type StageOpeners,
} from "../../../lib/images/pipeline/optimize_pipeline.ts";
import { pipelineIdentity } from "../../../lib/images/pipeline/pipeline_identity.ts";
import type { Pipeline } from "../../../lib/images/pipeline/pipeline.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import type { Reader } from "../../../lib/sources/reader.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { FaultyReader } from "../../support/faulty_reader.ts";
import { tarArchive } from "../tar/tar_archives.ts";

const HTTP: Pipeline = { kind: "http", url: "https://a", corsSafelistedMode: false };
const XZ: Pipeline = { kind: "xz", source: HTTP };
const SPARSE: Pipeline = { kind: "android_sparseimg", source: XZ };
const ROOT: Pipeline = { kind: "gpt", selector: { index: 1 }, source: SPARSE };
const BOOT: Pipeline = { kind: "gpt", selector: { index: 0 }, source: SPARSE };

/** Every stage gives its own identity as content. */
class Stages implements StageOpeners {
  readonly log: string[] = [];
  opened = 0;

  open(pipeline: Pipeline, { hints }: { hints: ReadonlyMap<string, readonly Hint[]> }) {
    this.log.push(`open ${pipeline.kind} with ${hints.size}`);
    this.opened++;
    const reader = new MemoryReader(contentOf(pipeline), pipelineIdentity(pipeline));
    reader[Symbol.asyncDispose] = () => {
      this.opened--;
      return Promise.resolve();
    };
    return Promise.resolve(reader);
  }

  xzBlocks(source: Reader): Promise<XzBlockTable> {
    this.log.push("index xz");
    return Promise.resolve({ kind: "xz-blocks", storedSizeBytes: source.sizeBytes, blocks: [] });
  }

  sparseIndex(source: Reader) {
    this.log.push("index sparse");
    return Promise.resolve({
      kind: "android-sparse-index" as const,
      fileHeaderBytes: 28,
      chunkHeaderBytes: 12,
      blockSizeBytes: source.sizeBytes,
      totalBlocks: 0,
      totalChunks: 0,
      imageChecksum: 0,
      chunks: [],
    });
  }

  tarEntry(source: Reader, entryName: string) {
    this.log.push("index tar");
    return Promise.resolve({
      kind: "tar-entry-index" as const,
      entryName,
      headerOffsetBytes: 0,
      dataOffsetBytes: 512,
      sizeBytes: source.sizeBytes,
      entryType: 0x30,
    });
  }
}

function contentOf(pipeline: Pipeline) {
  return new TextEncoder().encode(pipelineIdentity(pipeline));
}

function sha512(pipeline: Pipeline): string {
  return `sha512:${createHash("sha512").update(contentOf(pipeline)).digest("hex")}`;
}

const kinds = (hints: ReadonlyMap<string, readonly Hint[]>, stage: Pipeline) =>
  hints.get(pipelineIdentity(stage))?.map(({ kind }) => kind);

Deno.test("optimizePipelines() reads every stage once, the child first", async () => {
  const stages = new Stages();
  const seen: string[] = [];
  const hints = await optimizePipelines([ROOT, BOOT, ROOT], stages, {
    onStage: ({ kind }) => seen.push(kind),
  });
  assert.deepEqual(seen, ["xz", "android_sparseimg", "gpt", "gpt"]);
  assert.deepEqual(stages.log, [
    ...["open http with 0", "index xz", "open xz with 1", "index sparse"],
    ...["open android_sparseimg with 2", "open gpt with 2"],
    ...["open android_sparseimg with 3", "open gpt with 3"],
  ]);
  assert.equal(stages.opened, 0);
  assert.equal(kinds(hints, HTTP), undefined);
  assert.deepEqual(kinds(hints, XZ), ["xz-blocks", "content-digest"]);
  assert.deepEqual(kinds(hints, SPARSE), ["android-sparse-index", "content-digest"]);
  assert.deepEqual(kinds(hints, ROOT), ["content-digest", "block-hashes"]);
  assert.deepEqual(kinds(hints, BOOT), ["content-digest", "block-hashes"]);
  const [digest] = hints.get(pipelineIdentity(ROOT))!;
  assert.ok(digest?.kind === "content-digest");
  assert.deepEqual([digest.digest, digest.sizeBytes], [sha512(ROOT), contentOf(ROOT).length]);
});

Deno.test("optimizePipelines() does not hash what declares its content", async () => {
  const content = { digest: `sha512:${"0".repeat(128)}`, sizeBytes: 1 };
  const tar: Pipeline = { kind: "tar", entry: "e", source: { ...XZ, content }, content };
  const stages = new Stages();
  const hints = await optimizePipelines([{ kind: "gzip", source: tar, content }], stages);
  assert.deepEqual(kinds(hints, XZ), ["xz-blocks"]);
  assert.deepEqual(kinds(hints, tar), ["tar-entry-index"]);
  assert.deepEqual(kinds(hints, { kind: "gzip", source: tar }), ["block-hashes"]);
});

Deno.test("optimizePipelines() closes what it opened when a stage fails or it is stopped", async () => {
  const stages = new Stages();
  stages.sparseIndex = () => Promise.reject(new Error("broken"));
  await assert.rejects(optimizePipelines([ROOT], stages), /broken/);
  assert.equal(stages.opened, 0);
  const stopped = new Stages();
  const signal = AbortSignal.abort();
  await assert.rejects(optimizePipelines([ROOT], stopped, { signal }), ofKind("cancelled"));
  assert.equal(stopped.opened, 0);
});

Deno.test("optimizePipelines() opens a chain once for all of its levels", async () => {
  const plain = Uint8Array.from({ length: 100_000 }, (_, i) => i >> 3);
  const stored = new Uint8Array(gzipSync(gzipSync(tarArchive({ name: "e", data: plain }))));
  const source = new FaultyReader(stored);
  let leaves = 0;
  const openers = Object.assign(new Stages(), {
    open: (pipeline: Pipeline, options: Parameters<StageOpeners["open"]>[1]) =>
      openPipeline(pipeline, {
        ...options,
        openLeaf: () => (leaves++, Promise.resolve(source)),
        openChunkStore: () => assert.fail("no chunks"),
      }),
  });
  const inner: Pipeline = { kind: "gzip", source: { kind: "gzip", source: HTTP } };
  const hints = await optimizePipelines([{ kind: "tar", entry: "e", source: inner }], openers);
  assert.equal(hints.size, 3);
  assert.equal(leaves, 1);
  assert.equal(source.disposed, true);
  const readBytes = source.reads.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  assert.ok(readBytes < 2 * stored.length, `${readBytes} bytes of ${stored.length}`);
});

Deno.test("hashContent() covers the exact bytes", async () => {
  for (const sizeBytes of [0, 1, 1 << 20, (1 << 20) + 5]) {
    const bytes = Uint8Array.from({ length: sizeBytes }, (_, i) => i * 7);
    const reader = new MemoryReader(bytes, "m");
    const { digest: { digest, sizeBytes: size }, blocks } = await hashContent(reader);
    const hex = createHash("sha512").update(bytes).digest("hex");
    assert.deepEqual([digest, size], [`sha512:${hex}`, sizeBytes]);
    assert.equal(blocks.sizeBytes, sizeBytes);
    assert.equal(blocks.hashes.length, 32 * Math.ceil(sizeBytes / blocks.blockSizeBytes));
    for (let i = 0; i * blocks.blockSizeBytes < sizeBytes; i++) {
      const block = bytes.subarray(i * blocks.blockSizeBytes, (i + 1) * blocks.blockSizeBytes);
      const expected = new Uint8Array(createHash("sha256").update(block).digest());
      assert.deepEqual(blocks.hashes.slice(32 * i, 32 * i + 32), expected);
    }
    if (sizeBytes === 0) continue;
    bytes[sizeBytes - 1]! ^= 1;
    const flipped = await hashContent(reader);
    assert.notDeepEqual(flipped.blocks.hashes, blocks.hashes);
    assert.notEqual(flipped.digest.digest, digest);
  }
});
