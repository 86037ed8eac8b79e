import assert from "node:assert/strict";
import fc from "fast-check";
import { parsePipeline } from "../../../lib/images/pipeline/parse_pipeline.ts";
import { pipelineDocument } from "../../../lib/images/pipeline/pipeline_document.ts";
import { parseYaml } from "../../../lib/profiles/parse_yaml.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { pipelines } from "./arbitrary_pipeline.ts";

const DIGEST = `sha512:${"1".repeat(128)}`;
const CONTENT = `{digest: "${DIGEST}", size_bytes: 5}`;
const content = { digest: DIGEST, sizeBytes: 5 };

function parse(text: string) {
  const yaml = parseYaml(text, "p.yaml");
  return parsePipeline(yaml.data, {
    what: "p.yaml",
    place: (path, atKey) => yaml.place(path, atKey),
  });
}

const HTTP = { kind: "http", url: "https://a", corsSafelistedMode: false } as const;

Deno.test("parsePipeline() takes the flattened and the source: shape of every wrapper", () => {
  const flattened = parse("gpt: {index: 1, android_sparseimg: {xz: {http: 'https://a'}}}");
  const nested = parse(
    "gpt: {index: 1, source: {android_sparseimg: {source: {xz: {source: {http: 'https://a'}}}}}}",
  );
  const sparse = { kind: "android_sparseimg", source: { kind: "xz", source: HTTP } };
  assert.deepEqual(flattened, { kind: "gpt", selector: { index: 1 }, source: sparse });
  assert.deepEqual(nested, flattened);
  for (
    const [text, own] of [
      ["tar: {entry: r.ero, BELOW}", { kind: "tar", entry: "r.ero" }],
      ["zip: {entry: r.ero, BELOW}", { kind: "zip", entry: "r.ero" }],
      ["iso9660: {entry: r.ero, BELOW}", { kind: "iso9660", entry: "r.ero" }],
      ["gzip: {BELOW}", { kind: "gzip" }],
      ["zstd: {BELOW}", { kind: "zstd" }],
      ["mbr: {partuuid: a, lba_size: 4096, BELOW}", {
        kind: "mbr",
        selector: { partuuid: "a", lbaSizeBytes: 4096 },
      }],
    ] as const
  ) {
    for (const below of ["http: https://a", "source: {http: https://a}"]) {
      assert.deepEqual(parse(text.replace("BELOW", below)), { ...own, source: HTTP });
    }
  }
});

Deno.test("parsePipeline() takes the leaves with and without content", () => {
  assert.deepEqual(parse("casync: a.caibx"), { kind: "casync", index: "a.caibx" });
  assert.deepEqual(parse(`casync: {index: i, chunk_store: s, content: ${CONTENT}}`), {
    kind: "casync",
    index: "i",
    chunkStore: "s",
    content,
  });
  assert.deepEqual(parse(`file: r.img\ncontent: ${CONTENT}`), {
    kind: "file",
    path: "r.img",
    content,
  });
  assert.deepEqual(parse("http: https://a\ncors_safelisted_mode: true"), {
    ...HTTP,
    corsSafelistedMode: true,
  });
});

Deno.test("parsePipeline() gives content to the stage upstream gives it to", () => {
  assert.deepEqual(parse(`xz: {http: 'https://a', content: ${CONTENT}}`), {
    kind: "xz",
    source: { ...HTTP, content },
  });
  assert.deepEqual(parse(`xz: {http: 'https://a'}\ncontent: ${CONTENT}`), {
    kind: "xz",
    source: HTTP,
    content,
  });
  const flattened = parse(`gpt: {index: 1, xz: {http: 'https://a'}, content: ${CONTENT}}`);
  assert.deepEqual(flattened.content, content);
  assert.deepEqual(
    parse(`gpt: {index: 1, source: {http: 'https://a', content: ${CONTENT}}}`),
    { kind: "gpt", selector: { index: 1 }, source: { ...HTTP, content } },
  );
});

Deno.test("parsePipeline() refuses content that may be of a wrapper or its flattened leaf", () => {
  for (const leaf of ["http: https://a", "file: a", "casync: a.caibx"]) {
    assert.throws(
      () => parse(`gpt:\n  index: 1\n  ${leaf}\n  content: ${CONTENT}`),
      ofKind("corrupt", /gpt\.content: it may be of gpt or of \w+.*line 4, column 3.*\n.*source:/),
    );
  }
});

Deno.test("parsePipeline() names the place of everything it refuses", () => {
  const cases: [string, RegExp][] = [
    ["htpp: https://a", /htpp: unknown key \(line 1, column 1\)\nDid you mean http/],
    ["http: https://a\ncors: true", /cors: unknown key \(line 2, column 1\)/],
    ["xz:\n  source: {http: https://a}\n  entry: b", /xz\.entry: unknown key \(line 3, column 3\)/],
    ["gpt:\n  index: 1\n  source: {http: h}\n  idx: 2", /gpt\.idx: unknown key \(line 4/],
    ["tar: {entry: e, source: {http: h}, http: i}", /tar\.http: unknown key/],
    ["tar: {http: h}", /tar: entry is missing/],
    ["tar: {entry: ' ', http: h}", /tar\.entry: must not be empty/],
    ["http: ' '", /http: must not be empty/],
    ["http: 7", /http: must be a text, is 7: put it in quotes/],
    ["http: h\nfile: f", /holds http and file/],
    ["{}", /needs one of http, file/],
    ["[]", /must be a mapping, is a list/],
    ["xz: https://a", /xz: must be a mapping, is a text/],
    ["casync: A.CAIDX?x", /casync: is an index of an archive/],
    ["casync: {index: i, chunk_store: ''}", /chunk_store: must not be empty/],
    ["gpt: {http: h}", /exactly one of partlabel, partuuid, index; it has none/],
    ["gpt: {index: 1, partlabel: l, http: h}", /it has partlabel and index/],
    ["mbr: {partlabel: l, http: h}", /exactly one of partuuid, index; it has none/],
    ["mbr: {partuuid: '', http: h}", /mbr\.partuuid: must not be empty/],
    ["gpt: {index: -1, http: h}", /gpt\.index: must be from 0/],
    ["gpt: {index: 4294967296, http: h}", /gpt\.index: must be from 0/],
    ["file: f\ncontent: {digest: '', size_bytes: 1}", /content\.digest: must not be empty/],
    ["file: f\ncontent: {digest: 'md5:a', size_bytes: 1}", /must begin with sha512:/],
    ["file: f\ncontent: {digest: 'sha512:ab', size_bytes: 1}", /has 2/],
    [`file: f\ncontent: {digest: 'sha512:${"A".repeat(128)}', size_bytes: 1}`, /lower-case/],
    [
      `file: f\ncontent: {digest: '${DIGEST}', size_bytes: 1, sise: 2}`,
      /content\.sise: unknown key/,
    ],
    [`file: f\ncontent: {digest: '${DIGEST}', size_bytes: 1.5}`, /size_bytes: must be a whole/],
    [`tar: {entry: e, http: h}\ncontent: ${CONTENT}`, /content: unknown key.*\nPut it inside tar/],
    [
      `xz: {source: {http: h}, content: ${CONTENT}}`,
      /xz\.content: unknown key.*\nPut it beside xz/,
    ],
    [`http: ${"a".repeat(8193)}`, /http: has 8193 bytes, at most 8192/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parse(text), ofKind("corrupt", message), text);
  }
});

Deno.test("parsePipeline() takes 16 wrappers over a leaf and refuses 17", () => {
  const deep = (count: number) => "{xz: ".repeat(count) + "{http: h}" + "}".repeat(count);
  assert.equal(parse(deep(16)).kind, "xz");
  assert.throws(() => parse(deep(17)), ofKind("corrupt", /more than 16 stages/));
});

Deno.test("parsePipeline() gives back what pipelineDocument() wrote, without any doubt", () => {
  fc.assert(
    fc.property(pipelines(), (pipeline) => {
      assert.deepEqual(parsePipeline(pipelineDocument(pipeline), { what: "p" }), pipeline);
    }),
    { numRuns: 500, seed: 1 },
  );
});
