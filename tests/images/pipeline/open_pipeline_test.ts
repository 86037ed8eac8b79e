import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { FastboopError } from "../../../lib/errors/errors.ts";
import {
  openPipeline,
  type PipelineEnvironment,
} from "../../../lib/images/pipeline/open_pipeline.ts";
import type { Pipeline } from "../../../lib/images/pipeline/pipeline.ts";
import { pipelineIdentity } from "../../../lib/images/pipeline/pipeline_identity.ts";
import { StagePool } from "../../../lib/images/pipeline/stage_pool.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { ofKind } from "../../support/expect_kind.ts";

const PLAIN = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7);
const STORED: Record<string, Uint8Array> = {
  "a.gz": gzipSync(PLAIN),
  "twice.gz": gzipSync(gzipSync(PLAIN)),
  "bad.gz": gzipSync(PLAIN).fill(0, 40, 60),
};

/** Leaves from memory, counted. */
class Rig implements PipelineEnvironment {
  opened: string[] = [];
  openCount = 0;
  readonly stages = new StagePool();
  gate: Promise<void> | undefined;

  openLeaf: PipelineEnvironment["openLeaf"] = async (leaf, { signal }) => {
    const name = leaf.kind === "file" ? leaf.path : leaf.url;
    this.opened.push(name);
    if (this.gate !== undefined) await this.gate;
    if (signal?.aborted) {
      throw new FastboopError({ kind: "cancelled", action: "Open", state: "stopped" });
    }
    const reader = new MemoryReader(STORED[name]!, name);
    this.openCount++;
    reader[Symbol.asyncDispose] = () => {
      this.openCount--;
      return Promise.resolve();
    };
    return reader;
  };

  openChunkStore: PipelineEnvironment["openChunkStore"] = () => () => Promise.resolve(undefined);
}

/** Content as a profile declares it, of another size when that is given. */
const declared = (bytes: Uint8Array | undefined, sizeBytes = bytes?.length) =>
  bytes === undefined || sizeBytes === undefined ? {} : {
    content: { digest: `sha512:${createHash("sha512").update(bytes).digest("hex")}`, sizeBytes },
  };
const file = (path: string, content: ReturnType<typeof declared> = {}): Pipeline => ({
  ...{ kind: "file", path, ...content },
});
const gzip = (source: Pipeline, content: ReturnType<typeof declared> = {}): Pipeline => ({
  ...{ kind: "gzip", source, ...content },
});

Deno.test("openPipeline() gives what the outermost stage makes", async () => {
  const rig = new Rig();
  {
    const leaf = file("twice.gz", declared(STORED["twice.gz"]));
    await using reader = await openPipeline(gzip(gzip(leaf), declared(PLAIN)), rig);
    const bytes = new Uint8Array(reader.sizeBytes);
    await reader.readAt(0, bytes);
    assert.equal(Buffer.compare(bytes, PLAIN), 0);
  }
  assert.equal(rig.openCount, 0);
  assert.equal(rig.stages.size, 0);
});

Deno.test("openPipeline() opens what several pipelines share once, and closes it with the last", async () => {
  const rig = new Rig();
  const [one, two] = await Promise.all([
    openPipeline(gzip(file("a.gz")), rig),
    openPipeline(gzip(file("a.gz")), rig),
  ]);
  const bare = await openPipeline(file("a.gz"), rig);
  assert.deepEqual(rig.opened, ["a.gz"]);
  await one[Symbol.asyncDispose]();
  await one[Symbol.asyncDispose]();
  const byte = new Uint8Array(1);
  await two.readAt(77, byte);
  assert.equal(byte[0], PLAIN[77]);
  await assert.rejects(one.readAt(0, byte), ofKind("cancelled"));
  await bare[Symbol.asyncDispose]();
  assert.equal(rig.openCount, 1);
  await two[Symbol.asyncDispose]();
  assert.deepEqual([rig.openCount, rig.stages.size], [0, 0]);
});

Deno.test("openPipeline() refuses a stage of another size than declared", async () => {
  const rig = new Rig();
  const stored = STORED["a.gz"]!;
  const longer = file("a.gz", declared(stored, stored.length + 1));
  await assert.rejects(openPipeline(gzip(longer), rig), ofKind("source", /are declared/));
  const right = file("a.gz", declared(stored));
  await assert.rejects(openPipeline(gzip(right, declared(PLAIN, 5)), rig), ofKind("source"));
  assert.deepEqual([rig.openCount, rig.stages.size], [0, 0]);
});

Deno.test("openPipeline() refuses the bytes of a stage that have another digest than declared", async () => {
  const rig = new Rig();
  const other = declared(new Uint8Array(PLAIN.length));
  await using reader = await openPipeline(gzip(file("a.gz"), other), rig);
  const bytes = new Uint8Array(reader.sizeBytes);
  await assert.rejects(reader.readAt(0, bytes), ofKind("source", /its SHA-512 begins with/));
  // Whoever declares nothing may have opened the stage before, or share it now.
  await using bare = await openPipeline(gzip(file("a.gz")), new Rig());
  await bare.readAt(0, bytes);
  const shared = new Rig();
  await using first = await openPipeline(gzip(file("a.gz")), shared);
  await using second = await openPipeline(gzip(file("a.gz"), other), shared);
  await assert.rejects(second.readAt(0, bytes), ofKind("source", /its SHA-512 begins with/));
  await first.readAt(0, bytes);
  assert.deepEqual(shared.opened, ["a.gz"]);
});

Deno.test("openPipeline() takes a hinted digest of exact bytes, or of upstream's whole blocks", async () => {
  const stage = gzip(file("a.gz"));
  const open = (sizeBytes: number, content: Uint8Array) => {
    const padded = new Uint8Array(sizeBytes);
    padded.set(content);
    const hint = { kind: "content-digest" as const, ...declared(padded).content! };
    const hints = new Map([[pipelineIdentity(stage), [hint]]]);
    return openPipeline(stage, Object.assign(new Rig(), { hints }));
  };
  const bytes = new Uint8Array(PLAIN.length);
  const blocks = Math.ceil(PLAIN.length / 4096);
  for (const sizeBytes of [PLAIN.length, blocks * 4096]) {
    await using right = await open(sizeBytes, PLAIN);
    await right.readAt(0, bytes);
    assert.equal(right.sizeBytes, PLAIN.length);
    await using wrong = await open(sizeBytes, PLAIN.with(5, PLAIN[5]! ^ 1));
    await assert.rejects(wrong.readAt(0, bytes), ofKind("source", /its SHA-512 begins with/));
  }
  await assert.rejects(open((blocks + 1) * 4096, PLAIN), ofKind("source", /are declared/));
});

Deno.test("openPipeline() leaves nothing open when a stage in the middle fails", async () => {
  const rig = new Rig();
  const gpt: Pipeline = { kind: "gpt", selector: { index: 0 }, source: gzip(file("a.gz")) };
  await assert.rejects(openPipeline(gpt, rig), FastboopError);
  await assert.rejects(openPipeline(gzip(gzip(file("bad.gz"))), rig), FastboopError);
  const casync: Pipeline = { kind: "casync", index: "a.gz" };
  await assert.rejects(openPipeline(casync, rig), FastboopError);
  assert.deepEqual([rig.openCount, rig.stages.size], [0, 0]);
});

Deno.test("openPipeline() stops for who is stopped, though somebody else opens the stage", async () => {
  const rig = new Rig();
  const gate = Promise.withResolvers<void>();
  rig.gate = gate.promise;
  const kept = openPipeline(file("a.gz"), rig);
  const stop = new AbortController();
  const { openLeaf, openChunkStore, stages } = rig;
  const environment = { openLeaf, openChunkStore, stages, signal: stop.signal };
  const stopped = openPipeline(file("a.gz"), environment);
  stop.abort();
  await assert.rejects(stopped, ofKind("cancelled"));
  gate.resolve();
  await (await kept)[Symbol.asyncDispose]();
  assert.deepEqual([rig.openCount, rig.stages.size], [0, 0]);
});

Deno.test("openPipeline() goes on for one user when another one stops", async () => {
  const rig = new Rig();
  const gate = Promise.withResolvers<void>();
  rig.gate = gate.promise;
  const stop = new AbortController();
  const { openLeaf, openChunkStore, stages } = rig;
  const environment = { openLeaf, openChunkStore, stages, signal: stop.signal };
  const stopped = openPipeline(file("a.gz"), environment);
  const kept = openPipeline(file("a.gz"), rig);
  stop.abort();
  gate.resolve();
  await assert.rejects(stopped, ofKind("cancelled"));
  await (await kept)[Symbol.asyncDispose]();
  assert.deepEqual([rig.openCount, rig.stages.size], [0, 0]);
});
