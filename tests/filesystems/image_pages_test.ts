import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { HeldBytes, ImagePages, lend } from "../../lib/filesystems/image_pages.ts";
import type { Reader, ReadOptions } from "../../lib/sources/reader.ts";

const PAGE_BYTES = 128 << 10;

/** Bytes that tell their offset, and what was asked for. */
class CountingReader implements Reader {
  readonly identity = "counting";
  readonly reads: [number, number][] = [];
  failures = 0;
  isClosed = false;

  constructor(readonly sizeBytes: number) {}

  async readAt(offsetBytes: number, into: Uint8Array, { signal }: ReadOptions = {}): Promise<void> {
    this.reads.push([offsetBytes, into.length]);
    await Promise.resolve();
    signal?.throwIfAborted();
    if (this.failures-- > 0) {
      throw new FastboopError({ kind: "source", action: "Read", state: "it failed" });
    }
    for (let i = 0; i < into.length; i++) into[i] = byteAt(offsetBytes + i);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
    this.isClosed = true;
  }
}

const byteAt = (offset: number) => (offset * 7 + (offset >>> 9)) & 255;

async function assertReads(pages: Reader, offset: number, length: number): Promise<void> {
  const bytes = new Uint8Array(length);
  await pages.readAt(offset, bytes);
  assert.ok(bytes.every((byte, i) => byte === byteAt(offset + i)), `${length} at ${offset}`);
}

Deno.test("ImagePages lends what is held and reads a page once for many who wait", async () => {
  const upstream = new CountingReader(3 * PAGE_BYTES + 100);
  await using pages = new ImagePages(upstream);
  assert.equal(pages.peek(10, 20), undefined);
  await Promise.all([assertReads(pages, 10, 20), assertReads(pages, 5000, 32)]);
  assert.deepEqual(upstream.reads, [[0, PAGE_BYTES]]);
  const lent = pages.peek(300, 4)!;
  assert.deepEqual([...lent], [300, 301, 302, 303].map(byteAt));
  const held = lend(pages, 300, 4);
  assert.ok(held instanceof HeldBytes);
  assert.equal(held.view.getUint8(300 - held.offsetBytes), byteAt(300));
  const copied = await lend(pages, 2 * PAGE_BYTES - 1, 2);
  assert.deepEqual([copied.offsetBytes, ...copied.bytes], [
    2 * PAGE_BYTES - 1,
    byteAt(2 * PAGE_BYTES - 1),
    byteAt(2 * PAGE_BYTES),
  ]);
  assert.equal(pages.peek(PAGE_BYTES - 2, 4), undefined);
  await assertReads(pages, PAGE_BYTES - 2, 4);
  await assertReads(pages, 3 * PAGE_BYTES + 90, 10);
  assert.equal(pages.peek(3 * PAGE_BYTES + 90, 11), undefined);
  const end = pages.sizeBytes;
  await assert.rejects(pages.readAt(end - 1, new Uint8Array(2)), { kind: "limit" });
});

Deno.test("ImagePages reads right when many pages are asked for at once and few are held", async () => {
  const upstream = new CountingReader(40 * PAGE_BYTES);
  await using pages = new ImagePages(upstream, 3 * PAGE_BYTES);
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => assertReads(pages, (i * 37 % 39) * PAGE_BYTES + i, 999)),
  );
  await Promise.all(Array.from({ length: 39 }, (_, i) => {
    return assertReads(pages, (i + 1) * PAGE_BYTES - 500, 1000);
  }));
});

Deno.test("ImagePages hands large reads through and keeps nothing of them", async () => {
  const upstream = new CountingReader(4 * PAGE_BYTES);
  await using pages = new ImagePages(upstream);
  await assertReads(pages, 77, 2 * PAGE_BYTES);
  assert.deepEqual(upstream.reads, [[77, 2 * PAGE_BYTES]]);
  assert.equal(pages.peek(100, 4), undefined);
});

Deno.test("ImagePages reads again after a failure or an abort, which others do not notice", async () => {
  const upstream = new CountingReader(2 * PAGE_BYTES);
  await using pages = new ImagePages(upstream);
  upstream.failures = 1;
  await assert.rejects(assertReads(pages, 0, 10), { kind: "source" });
  const stop = new AbortController();
  const aborted = pages.readAt(0, new Uint8Array(10), { signal: stop.signal });
  const other = assertReads(pages, 0, 10);
  stop.abort();
  await assert.rejects(aborted);
  await other;
});

Deno.test("ImagePages disposes of its upstream and lends nothing afterwards", async () => {
  const upstream = new CountingReader(PAGE_BYTES);
  const pages = new ImagePages(upstream);
  await assertReads(pages, 0, 10);
  await pages[Symbol.asyncDispose]();
  assert.ok(upstream.isClosed);
  assert.equal(pages.peek(0, 10), undefined);
});
