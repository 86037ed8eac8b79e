import assert from "node:assert/strict";
import { decodeHints, decodeHintsRecord } from "../../../lib/images/pipeline/decode_hints.ts";
import { encodeHints, encodeHintsRecord } from "../../../lib/images/pipeline/encode_hints.ts";
import type { Hint } from "../../../lib/images/pipeline/hints.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { refusedOf } from "./hostile_bytes.ts";

const ascii = (text: string) => new TextEncoder().encode(text);
const DIGEST = `sha512:${"ab".repeat(64)}`;

const digest: Hint = { kind: "content-digest", digest: DIGEST, sizeBytes: 300 };
const tar: Hint = {
  kind: "tar-entry-index",
  entryName: "r",
  headerOffsetBytes: 512,
  dataOffsetBytes: 1024,
  sizeBytes: 2 ** 40,
  entryType: 0x30,
};
const xz: Hint = {
  kind: "xz-blocks",
  storedSizeBytes: 5_000_000_000,
  blocks: [
    { offsetBytes: 12, unpaddedSizeBytes: 400, plainSizeBytes: 1000, check: 4 },
    { offsetBytes: 412, unpaddedSizeBytes: 77, plainSizeBytes: 10, check: 4 },
  ],
};
const hashes: Hint = {
  kind: "block-hashes",
  blockSizeBytes: 1 << 20,
  sizeBytes: (1 << 20) + 1,
  hashes: Uint8Array.from({ length: 64 }, (_, i) => i),
};
const sparse: Hint = {
  kind: "android-sparse-index",
  fileHeaderBytes: 28,
  chunkHeaderBytes: 12,
  blockSizeBytes: 4096,
  totalBlocks: 9,
  totalChunks: 2,
  imageChecksum: 0xffff_ffff,
  chunks: [
    {
      chunkIndex: 0,
      chunkType: 0xcac1,
      blockCount: 1,
      totalSizeBytes: 4108,
      chunkOffsetBytes: 28,
      payloadOffsetBytes: 40,
      payloadSizeBytes: 4096,
      outputStartBytes: 0,
      outputEndBytes: 4096,
    },
    {
      chunkIndex: 1,
      chunkType: 0xcac2,
      blockCount: 8,
      totalSizeBytes: 16,
      chunkOffsetBytes: 4136,
      payloadOffsetBytes: 4148,
      payloadSizeBytes: 4,
      fillPattern: Uint8Array.of(1, 2, 3, 4),
      crc32: 7,
    },
  ],
};

const ALL = new Map<string, Hint[]>([
  ["a{}", [sparse, digest]],
  ["b{}", [tar, xz, hashes]],
  ["c{}", [xz]],
]);
const THEIRS = new Map<string, Hint[]>([["a{}", [sparse, digest]], ["b{}", [tar]]]);

Deno.test("encodeHints() gives the bytes of upstream's format", () => {
  const one = new Map<string, Hint[]>([["a", [tar]], ["B", [digest]]]);
  const expected = Uint8Array.of(
    ...ascii("GBXHINT0"),
    ...[0, 0, 2],
    ...[1, ...ascii("B"), 1, 2, 0x87, 1, ...ascii(DIGEST), 0xac, 2],
    ...[1, ...ascii("a"), 1, 1, 1, ...ascii("r")],
    ...[0x80, 4, 0x80, 8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x30],
  );
  assert.deepEqual(encodeHints(one), expected);
  assert.deepEqual(decodeHints(expected), new Map([["B", [digest]], ["a", [tar]]]));
});

Deno.test("encodeHints() puts hints of our own behind what upstream's decoder reads", () => {
  const all = encodeHints(ALL);
  const theirs = encodeHints(THEIRS);
  assert.deepEqual(all.subarray(0, theirs.length), theirs);
  assert.deepEqual(all.subarray(theirs.length, theirs.length + 8), ascii("FBXHINT0"));
  assert.deepEqual(decodeHints(all), ALL);
  assert.deepEqual(decodeHints(theirs), THEIRS);
});

Deno.test("encodeHintsRecord() names upstream's entries only, in the payload's order", () => {
  const record = encodeHintsRecord(ALL);
  const metadata = Uint8Array.of(2, 3, ...ascii("a{}"), 3, ...ascii("b{}"));
  const payload = encodeHints(ALL);
  const view = new DataView(record.buffer);
  assert.deepEqual(record.subarray(0, 10), Uint8Array.of(...ascii("FBPHINT0"), 0, 0));
  assert.deepEqual(
    [view.getUint32(10, true), view.getUint32(14, true)],
    [metadata.length, payload.length],
  );
  assert.deepEqual(record.subarray(18), Uint8Array.of(...metadata, ...payload));
  const trailed = Uint8Array.of(...record, 1, 2, 3);
  assert.deepEqual(decodeHintsRecord(trailed), { hints: ALL, sizeBytes: record.length });
});

Deno.test("decodeHints() reads the numbers of March 2026, where a digest was 1", () => {
  const bytes = Uint8Array.of(
    ...[...ascii("GBXHINT0"), 0, 0, 1, 1, ...ascii("a"), 1, 1],
    ...[0x87, 1, ...ascii(DIGEST), 0xac, 2],
  );
  assert.deepEqual(decodeHints(bytes), new Map([["a", [digest]]]));
});

Deno.test("decodeHints() refuses entries that break the rules", () => {
  const head = [...ascii("GBXHINT0"), 0, 0];
  const entry = (name: string) => [1, ...ascii(name), 1, 2, 0x87, 1, ...ascii(DIGEST), 5];
  const decode = (...tail: number[]) => decodeHints(Uint8Array.of(...head, ...tail));
  assert.equal(decode(2, ...entry("a"), ...entry("b")).size, 2);
  assert.throws(() => decode(2, ...entry("b"), ...entry("a")), ofKind("corrupt", /ascending/));
  assert.throws(() => decode(2, ...entry("a"), ...entry("a")), ofKind("corrupt", /ascending/));
  assert.throws(() => decode(1, ...entry(" ")), ofKind("corrupt", /no identity/));
  assert.throws(() => decode(1, 1, 97, 0), ofKind("corrupt", /no hint/));
  const two = entry("a").slice(3);
  assert.throws(
    () => decode(1, 1, 97, 2, ...two, ...two),
    ofKind("corrupt", /two hints of one kind/),
  );
  assert.throws(() => decode(1, ...entry("a"), 0), ofKind("corrupt"));
  assert.throws(() => decode(1, 1, 97, 1, 64, 0, 0), ofKind("corrupt", /number 64/));
  assert.throws(
    () => decodeHints(Uint8Array.of(...ascii("GBXHINT0"), 1, 0)),
    ofKind("unsupported"),
  );
  const count = [0xff, 0xff, 0xff, 0xff, 0x0f];
  assert.throws(() => decode(...count), ofKind("corrupt", /4294967295 items/));
});

Deno.test("decodeHintsRecord() refuses metadata that is not the payload's", () => {
  const record = encodeHintsRecord(ALL);
  const renamed = record.slice();
  renamed[20] = 0x62; // "a{}" of the metadata
  assert.throws(() => decodeHintsRecord(renamed), ofKind("corrupt", /other stages/));
  assert.throws(
    () => decodeHintsRecord(record.subarray(0, -1)),
    ofKind("corrupt", /bytes are there|are there/),
  );
});

Deno.test("decodeHints() does not make large objects of many small items", () => {
  const count = 600_000;
  const bytes = new Uint8Array(10 + 3 + 2 + 40 + 12 * count);
  bytes.set([...ascii("GBXHINT0"), 0, 0, 1, 1, 97, 1, 0, 28, 12, 1, 1, 1, 1]);
  bytes.set([0xc0, 0xcf, 0x24], 21); // 600000
  assert.throws(() => decodeHints(bytes), ofKind("limit", /600000 items/));
});

Deno.test("decodeHints() and decodeHintsRecord() end typed on damaged and random bytes", () => {
  const raw = refusedOf([encodeHints(ALL), encodeHints(THEIRS)], decodeHints, 2500, 6);
  assert.ok(raw > 1000 && raw < 2500, `${raw} refused`);
  const record = refusedOf([encodeHintsRecord(ALL)], decodeHintsRecord, 2500, 7);
  assert.ok(record > 1000 && record < 2500, `${record} refused`);
});
