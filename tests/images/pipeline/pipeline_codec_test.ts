import assert from "node:assert/strict";
import fc from "fast-check";
import { decodePipeline } from "../../../lib/images/pipeline/decode_pipeline.ts";
import { encodePipeline } from "../../../lib/images/pipeline/encode_pipeline.ts";
import { pipelineIdentity } from "../../../lib/images/pipeline/pipeline_identity.ts";
import type { Pipeline } from "../../../lib/images/pipeline/pipeline.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { pipelines } from "./arbitrary_pipeline.ts";
import { refusedOf } from "./hostile_bytes.ts";

const HTTP: Pipeline = { kind: "http", url: "https://a", corsSafelistedMode: false };
const XZ: Pipeline = { kind: "xz", source: HTTP };
const ascii = (text: string) => new TextEncoder().encode(text);

/** Upstream's numeric id. */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of ascii(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}

Deno.test("encodePipeline() gives the bytes of upstream's format", () => {
  const bytes = Uint8Array.of(...ascii("GBXPIPE0"), 0, 0, 3, 1, 9, ...ascii("https://a"), 0, 0, 0);
  assert.deepEqual(encodePipeline(XZ), bytes);
  assert.deepEqual(decodePipeline(bytes), XZ);
  const gpt: Pipeline = { kind: "gpt", selector: { index: 300, lbaSizeBytes: 512 }, source: HTTP };
  assert.deepEqual(
    encodePipeline(gpt).subarray(10),
    Uint8Array.of(7, 0, 0, 1, 0xac, 2, 1, 0x80, 4, 1, 9, ...ascii("https://a"), 0, 0, 0),
  );
});

Deno.test("decodePipeline() gives back every pipeline, and ignores what follows", () => {
  fc.assert(
    fc.property(pipelines(), fc.uint8Array({ maxLength: 4 }), (pipeline, tail) => {
      const bytes = Uint8Array.of(...encodePipeline(pipeline), ...tail);
      assert.deepEqual(decodePipeline(bytes), pipeline);
    }),
    { numRuns: 500, seed: 2 },
  );
});

Deno.test("encodePipeline() uses numbers from 64 for the stages of our own only", () => {
  fc.assert(
    fc.property(pipelines(true), (pipeline) => assert.ok(encodePipeline(pipeline)[10]! < 8)),
    { numRuns: 100, seed: 3 },
  );
  for (const kind of ["gzip", "zstd"] as const) {
    assert.ok(encodePipeline({ kind, source: HTTP })[10]! >= 64);
  }
});

Deno.test("decodePipeline() refuses what breaks the rules", () => {
  const head = [...ascii("GBXPIPE0"), 0, 0];
  const decode = (...tail: number[]) => decodePipeline(Uint8Array.of(...head, ...tail));
  const leaf = [1, 1, 104, 0, 0];
  assert.throws(() => decodePipeline(ascii("GBXPIPE1")), ofKind("corrupt", /begin with GBXPIPE0/));
  assert.throws(
    () => decodePipeline(Uint8Array.of(...ascii("GBXPIPE0"), 1, 0)),
    ofKind("unsupported", /version is 1/),
  );
  assert.throws(() => decode(8, 0), ofKind("corrupt", /no stage has the number 8/));
  assert.throws(() => decode(2, 1, 32, 0), ofKind("corrupt", /file\.file: must not be empty/));
  assert.throws(() => decode(2, 1, 0xff, 0), ofKind("corrupt", /not UTF-8/));
  assert.throws(() => decode(1, 1, 104, 2), ofKind("corrupt", /yes or no is 2/));
  assert.throws(() => decode(7, 0, 0, 0, 0, ...leaf, 0), ofKind("corrupt", /exactly one/));
  assert.throws(
    () => decode(2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2),
    ofKind("corrupt", /more than 64 bits/),
  );
  assert.throws(
    () => decode(2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0),
    ofKind("limit", /2\^53/),
  );
  const zeros = (count: number) => Array<number>(count).fill(0);
  assert.equal(decode(...Array<number>(16).fill(3), ...leaf, ...zeros(16)).kind, "xz");
  assert.throws(
    () => decode(...Array<number>(17).fill(3), ...leaf, ...zeros(17)),
    ofKind("limit", /more than 16/),
  );
});

Deno.test("decodePipeline() ends typed on damaged and random bytes", () => {
  const valid = fc.sample(pipelines(), { numRuns: 40, seed: 4 }).map(encodePipeline);
  const refused = refusedOf(valid, decodePipeline, 3000, 5);
  assert.ok(refused > 1000 && refused < 3000, `${refused} refused`);
});

Deno.test("pipelineIdentity() is upstream's text", () => {
  const file: Pipeline = { kind: "file", path: "a" };
  assert.equal(pipelineIdentity(file), "file{path=len:1:a;}");
  assert.equal(fnv1a(pipelineIdentity(file)), "c4c639f1");
  assert.equal(
    pipelineIdentity(XZ),
    "xz{source=http{url=len:9:https://a;cors_safelisted_mode=false;}}",
  );
  assert.equal(fnv1a(pipelineIdentity(XZ)), "200c9c1f");
  assert.equal(
    pipelineIdentity({ kind: "casync", index: "\u00fc", chunkStore: "s" }),
    "casync{index=len:2:\u00fc;chunk_store=some:value=len:1:s;}",
  );
  assert.equal(
    pipelineIdentity({ kind: "mbr", selector: { index: 1 }, source: file }),
    "mbr{partuuid=none;index=some:1;lba_size=none;source=file{path=len:1:a;}}",
  );
  assert.equal(
    pipelineIdentity({
      kind: "gpt",
      selector: { partlabel: "b", lbaSizeBytes: 512 },
      source: { kind: "tar", entry: "e", source: file },
    }),
    "gpt{partlabel=some:value=len:1:b;partuuid=none;index=none;lba_size=some:512;" +
      "source=tar{entry=len:1:e;source=file{path=len:1:a;}}}",
  );
});
