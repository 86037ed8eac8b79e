import assert from "node:assert/strict";
import { PageCache, type PageCacheOptions } from "../../lib/sources/page_cache.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { FaultyReader, type ReadFault } from "../support/faulty_reader.ts";

const PAGE = 1024;
const bytes = Uint8Array.from({ length: 100 * PAGE + 77 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

/** Pages of 1 KiB, 4 to a fetch, no read-ahead unless asked for. */
function make(
  fault?: (index: number, offsetBytes: number) => ReadFault | undefined,
  options: PageCacheOptions = {},
): { upstream: FaultyReader; cache: PageCache } {
  const upstream = new FaultyReader(bytes, fault);
  const cache = new PageCache(upstream, {
    pageSizeBytes: PAGE,
    fetchBytes: 4 * PAGE,
    capacityBytes: 64 * PAGE,
    readAheadBytes: 0,
    ...options,
  });
  return { upstream, cache };
}

async function read(reader: Reader, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  await reader.readAt(offset, into);
  return into;
}

/** Turns of the event loop in which promises that can settle do. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

Deno.test("readAt() fetches whole pages once and merges neighbours up to the fetch size", async () => {
  const { upstream, cache } = make();
  assert.deepEqual(await read(cache, 500, 6 * PAGE), bytes.slice(500, 500 + 6 * PAGE));
  assert.deepEqual(upstream.reads.map((r) => [r.offsetBytes, r.lengthBytes]), [
    [0, 4 * PAGE],
    [4 * PAGE, 3 * PAGE],
  ]);
  assert.deepEqual(await read(cache, 0, 7 * PAGE), bytes.slice(0, 7 * PAGE));
  assert.equal(upstream.reads.length, 2);
  assert.deepEqual(cache.counters, {
    hits: 7,
    misses: 7,
    fetches: 2,
    fetchedBytes: 7 * PAGE,
    servedBytes: 13 * PAGE,
    heldBytes: 7 * PAGE,
  });
  await cache[Symbol.asyncDispose]();
  assert.equal(upstream.disposed, true);
  assert.equal(cache.counters.heldBytes, 0);
});

Deno.test("readAt() serves the last, partial page and nothing past it", async () => {
  const { upstream, cache } = make();
  assert.deepEqual(await read(cache, 100 * PAGE, 77), bytes.slice(100 * PAGE));
  assert.equal(upstream.reads[0]!.lengthBytes, 77);
  await assert.rejects(read(cache, 100 * PAGE, 78), { kind: "limit" });
  await cache[Symbol.asyncDispose]();
});

Deno.test("readAt() serves random reads right, whatever is held", async () => {
  const { cache } = make(undefined, { capacityBytes: 8 * PAGE, readAheadBytes: 2 * PAGE });
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let i = 0; i < 200; i++) {
      const offset = random(bytes.length);
      const length = random(Math.min(20 * PAGE, bytes.length - offset) + 1);
      assert.deepEqual(await read(cache, offset, length), bytes.slice(offset, offset + length));
      assert.ok(cache.counters.heldBytes <= 8 * PAGE);
    }
  }));
  await cache[Symbol.asyncDispose]();
});

Deno.test("a wrong byte from upstream shows: these tests can fail", async () => {
  const { cache } = make((index) => index === 0 ? { wrong: true } : undefined);
  assert.notDeepEqual(await read(cache, 0, 10), bytes.slice(0, 10));
  await cache[Symbol.asyncDispose]();
});

Deno.test("reads of the same pages share one fetch", async () => {
  const gate = Promise.withResolvers<void>();
  const { upstream, cache } = make(() => ({ until: gate.promise }));
  const reads = Array.from({ length: 50 }, (_, i) => read(cache, i * 10, PAGE + 500));
  await settle();
  gate.resolve();
  for (const [i, got] of (await Promise.all(reads)).entries()) {
    assert.deepEqual(got, bytes.slice(i * 10, i * 10 + PAGE + 500));
  }
  assert.equal(upstream.reads.length, 1);
  await cache[Symbol.asyncDispose]();
});

Deno.test("least recently used pages go first", async () => {
  const { upstream, cache } = make(undefined, { capacityBytes: 3 * PAGE });
  for (const page of [0, 1, 2, 0, 3, 0, 1]) await read(cache, page * PAGE, 1);
  assert.deepEqual(upstream.reads.map(({ offsetBytes }) => offsetBytes / PAGE), [0, 1, 2, 3, 1]);
  await cache[Symbol.asyncDispose]();
});

Deno.test("an error reaches all who wait and is not kept", async () => {
  const { upstream, cache } = make((index) => index === 0 ? { fail: true } : undefined);
  const [a, b] = await Promise.allSettled([read(cache, 0, 10), read(cache, 5, 10)]);
  assert.deepEqual([a!.status, b!.status], ["rejected", "rejected"]);
  assert.equal(upstream.reads.length, 1);
  assert.deepEqual(await read(cache, 0, 10), bytes.slice(0, 10));
  assert.equal(upstream.reads.length, 2);
  await cache[Symbol.asyncDispose]();
});

Deno.test("an abort ends one reader's wait and leaves the fetch to the others", async () => {
  const gate = Promise.withResolvers<void>();
  const { upstream, cache } = make(() => ({ until: gate.promise }));
  const stop = new AbortController();
  const leaver = cache.readAt(0, new Uint8Array(10), { signal: stop.signal });
  const stayer = read(cache, 5, 10);
  stop.abort();
  await assert.rejects(leaver, { kind: "cancelled" });
  assert.equal(upstream.reads[0]!.aborted, false);
  gate.resolve();
  assert.deepEqual(await stayer, bytes.slice(5, 15));
  assert.equal(upstream.reads.length, 1);
  await cache[Symbol.asyncDispose]();
});

Deno.test("a fetch nobody waits for any more is ended, and the next reader begins anew", async () => {
  const never = new Promise<void>(() => {});
  const { upstream, cache } = make((index) => index === 0 ? { until: never } : undefined);
  const stop = new AbortController();
  const into = new Uint8Array(10);
  const leaver = cache.readAt(0, into, { signal: stop.signal });
  await settle();
  stop.abort();
  await assert.rejects(leaver, { kind: "cancelled" });
  assert.equal(upstream.reads[0]!.aborted, true);
  assert.deepEqual(await read(cache, 0, 10), bytes.slice(0, 10));
  assert.deepEqual(into, new Uint8Array(10), "an answered read is not written to");
  await cache[Symbol.asyncDispose]();
});

Deno.test("readAt() reads ahead of a sequence, and only of a sequence", async () => {
  const { upstream, cache } = make(undefined, { readAheadBytes: 16 * PAGE });
  await read(cache, 0, PAGE);
  await settle();
  assert.equal(upstream.reads.length, 1);
  for (let page = 1; page < 40; page++) {
    assert.deepEqual(
      await read(cache, page * PAGE, PAGE),
      bytes.slice(page * PAGE, (page + 1) * PAGE),
    );
    await settle();
  }
  assert.ok(cache.counters.misses <= 3, `${cache.counters.misses} misses`);
  assert.ok(upstream.reads.length < 20, `${upstream.reads.length} fetches`);
  const ends = upstream.reads.map((r) => r.offsetBytes + r.lengthBytes);
  assert.ok(Math.max(...ends) <= (40 + 16) * PAGE, "the window is bounded");
  await cache[Symbol.asyncDispose]();
});

Deno.test("read-ahead takes half of the slots at most and ends with the cache", async () => {
  const never = new Promise<void>(() => {});
  const { upstream, cache } = make(
    (_, offset) => offset >= 4 * PAGE ? { until: never } : undefined,
    { readAheadBytes: 16 * PAGE, parallel: 4, fetchBytes: 2 * PAGE },
  );
  for (let page = 0; page < 4; page++) await read(cache, page * PAGE, PAGE);
  await settle();
  const stuck = upstream.reads.filter(({ offsetBytes }) => offsetBytes >= 4 * PAGE);
  assert.equal(stuck.length, 2);
  await cache[Symbol.asyncDispose]();
  assert.ok(stuck.every(({ aborted }) => aborted));
});

Deno.test("an abort ends the read-ahead nobody waits for", async () => {
  const never = new Promise<void>(() => {});
  const { upstream, cache } = make(
    (_, offset) => offset >= 4 * PAGE ? { until: never } : undefined,
    { readAheadBytes: 16 * PAGE },
  );
  for (let page = 0; page < 4; page++) await read(cache, page * PAGE, PAGE);
  await settle();
  const stop = new AbortController();
  const leaver = cache.readAt(50 * PAGE, new Uint8Array(1), { signal: stop.signal });
  stop.abort();
  await assert.rejects(leaver, { kind: "cancelled" });
  const ahead = upstream.reads.filter(({ offsetBytes }) => offsetBytes >= 4 * PAGE);
  assert.ok(ahead.length > 1 && ahead.every(({ aborted }) => aborted));
  await cache[Symbol.asyncDispose]();
});

Deno.test("failing read-ahead disturbs nobody and stops", async () => {
  const { upstream, cache } = make(
    (_, offset) => offset >= 8 * PAGE ? { fail: true } : undefined,
    { readAheadBytes: 16 * PAGE, fetchBytes: PAGE },
  );
  for (let page = 0; page < 8; page++) {
    assert.deepEqual(await read(cache, page * PAGE, 1), bytes.slice(page * PAGE, page * PAGE + 1));
  }
  await settle();
  const failed = upstream.reads.filter(({ offsetBytes }) => offsetBytes >= 8 * PAGE).length;
  assert.ok(failed > 0 && failed < 8, `${failed} failing fetches`);
  await assert.rejects(read(cache, 8 * PAGE, 1), { kind: "source" });
  await cache[Symbol.asyncDispose]();
});

Deno.test("a read larger than the cache stays within bounds", async () => {
  const { cache } = make(undefined, { capacityBytes: 4 * PAGE });
  assert.deepEqual(await read(cache, 0, bytes.length), bytes);
  assert.ok(cache.counters.heldBytes <= 4 * PAGE);
  await cache[Symbol.asyncDispose]();
});

Deno.test("disposing rejects reads that wait, and later ones", async () => {
  const never = new Promise<void>(() => {});
  const { upstream, cache } = make(() => ({ until: never }));
  const stuck = assert.rejects(read(cache, 0, 1), { kind: "cancelled", state: "it is closed" });
  await cache[Symbol.asyncDispose]();
  await stuck;
  await assert.rejects(read(cache, 0, 1), { kind: "cancelled" });
  assert.equal(upstream.disposed, true);
  await cache[Symbol.asyncDispose]();
});

Deno.test("disposing waits for the end of a fetch that was abandoned before", async () => {
  const { upstream, cache } = make();
  const late = Promise.withResolvers<void>();
  upstream.readAt = () => late.promise; // takes no notice of a signal
  const stop = new AbortController();
  const reading = cache.readAt(0, new Uint8Array(1), { signal: stop.signal });
  stop.abort();
  await assert.rejects(reading, { kind: "cancelled" });
  const disposing = cache[Symbol.asyncDispose]();
  await settle();
  assert.equal(upstream.disposed, false);
  late.resolve();
  await disposing;
  assert.equal(upstream.disposed, true);
});

Deno.test("disposing ends a read between its slices", async () => {
  const { upstream, cache } = make();
  await read(cache, 0, 16 * PAGE);
  const before = upstream.reads.length;
  const reading = assert.rejects(read(cache, 0, 32 * PAGE), { kind: "cancelled" });
  await cache[Symbol.asyncDispose]();
  await reading;
  assert.equal(upstream.reads.length, before);
});

Deno.test("nothing is read ahead while mayReadAhead() says false", async () => {
  let isAllowed = false;
  const { upstream, cache } = make(undefined, {
    readAheadBytes: 8 * PAGE,
    mayReadAhead: () => isAllowed,
  });
  for (let page = 0; page < 4; page++) await read(cache, page * PAGE, PAGE);
  await settle();
  assert.equal(upstream.reads.length, 4);
  isAllowed = true;
  for (let page = 4; page < 8; page++) await read(cache, page * PAGE, PAGE);
  await settle();
  assert.ok(upstream.reads.some(({ offsetBytes }) => offsetBytes >= 8 * PAGE), "now it is");
  await cache[Symbol.asyncDispose]();
});
