import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { checkedWhole } from "../../lib/images/digest_reader.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { Reader } from "../../lib/sources/reader.ts";

const bytes = Uint8Array.from({ length: 700_001 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const content = {
  digest: `sha512:${createHash("sha512").update(bytes).digest("hex")}`,
  sizeBytes: bytes.length,
};
const flipped = bytes.slice();
flipped[350_000]! ^= 1;

const over = (image: Uint8Array) => checkedWhole(new MemoryReader(image, "m"), content);

/** Reads all of it in pieces, in the order that `sort` gives. */
async function readAll(reader: Reader, pieceBytes: number, sort = (offsets: number[]) => offsets) {
  const offsets = [];
  for (let at = 0; at < reader.sizeBytes; at += pieceBytes) offsets.push(at);
  for (const at of sort(offsets)) {
    await reader.readAt(at, new Uint8Array(Math.min(pieceBytes, reader.sizeBytes - at)));
  }
}

Deno.test("checkedWhole() finds a source read from front to back right", async () => {
  for (const pieceBytes of [4096, 100_000, bytes.length]) {
    const reader = over(bytes);
    await readAll(reader, pieceBytes);
    assert.equal(reader.verdict, "right");
  }
});

Deno.test("checkedWhole() refuses a flipped byte at the end, and every read after it", async () => {
  const reader = over(flipped);
  await reader.readAt(0, new Uint8Array(600_000));
  assert.equal(reader.verdict, "open");
  await assert.rejects(reader.readAt(600_000, new Uint8Array(100_001)), {
    kind: "source",
    message: /^Check m: its SHA-512 begins with [0-9a-f]{16}, must begin with [0-9a-f]{16}$/,
  });
  await assert.rejects(reader.readAt(0, new Uint8Array(1)), { kind: "source" });
});

Deno.test("checkedWhole() bears reads that repeat, overlap or come early", async () => {
  const orders: ((offsets: number[]) => number[])[] = [
    (offsets) => offsets.toReversed(),
    (offsets) => [...offsets.slice(0, 5), ...offsets],
    (offsets) => offsets.map((_, i) => offsets[i ^ 3] ?? offsets[i]!),
  ];
  for (const order of orders) {
    const [right, wrong] = [over(bytes), over(flipped)];
    await readAll(right, 7000, (offsets) => [...order(offsets), ...offsets]);
    assert.equal(right.verdict, "right");
    await assert.rejects(readAll(wrong, 7000, (offsets) => [...order(offsets), ...offsets]));
  }
  const overlapping = over(bytes);
  for (let at = 0; at < bytes.length; at += 1000) {
    await overlapping.readAt(at, new Uint8Array(Math.min(3000, bytes.length - at)));
  }
  assert.equal(overlapping.verdict, "right");
});

Deno.test("checkedWhole() claims nothing of random or partial reads, and holds little", async () => {
  const partial = over(flipped);
  await partial.readAt(100, new Uint8Array(600_000));
  assert.equal(partial.verdict, "open");
  const large = new Uint8Array(40 << 20);
  const digest = `sha512:${"0".repeat(128)}`;
  const reader = checkedWhole(new MemoryReader(large, "m"), { digest, sizeBytes: large.length });
  for (let at = 1 << 20; at < large.length; at += 1 << 20) {
    await reader.readAt(at, new Uint8Array(1 << 20));
  }
  assert.equal(reader.verdict, "unclaimed");
  await reader.readAt(0, new Uint8Array(1 << 20));
  assert.equal(reader.verdict, "unclaimed");
});

Deno.test("checkedWhole() refuses another size and what is no digest", () => {
  const reader = new MemoryReader(bytes, "m");
  assert.throws(() => checkedWhole(reader, { ...content, sizeBytes: 5 }), { kind: "source" });
  for (const digest of ["", "sha512:", content.digest.slice(1), `${content.digest}0`]) {
    assert.throws(() => checkedWhole(reader, { ...content, digest }), { kind: "corrupt" });
  }
});
