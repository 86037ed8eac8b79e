import assert from "node:assert/strict";
import { TracedReader } from "../../../lib/sources/boot_trace/traced_reader.ts";
import { BLOCK_BYTES } from "../../../lib/sources/disk_cache/block_format.ts";
import { CachedReader } from "../../../lib/sources/disk_cache/cached_reader.ts";
import { DiskCache } from "../../../lib/sources/disk_cache/disk_cache.ts";
import { PageCache } from "../../../lib/sources/page_cache.ts";
import { openSource } from "../../../lib/sources/open.ts";
import { FaultyHttp } from "../../support/faulty_http.ts";
import { FaultyReader, type ReadFault } from "../../support/faulty_reader.ts";
import { withTempDir } from "../../filesystems/foreign_tools.ts";
import { MemoryStorage } from "../disk_cache/memory_storage.ts";

const BLOCKS = 64;
const bytes = Uint8Array.from(
  { length: BLOCKS * BLOCK_BYTES },
  (_, i) => (i * 31 + (i >> 9)) & 0xff,
);

/** A traced reader over upstream, as openSource() builds it. */
async function open(
  storage: MemoryStorage,
  fault?: (index: number, offsetBytes: number) => ReadFault | undefined,
) {
  const upstream = new FaultyReader(bytes, fault);
  const cache = new DiskCache(storage);
  const disk = cache.wrap(upstream);
  assert.ok(disk instanceof CachedReader);
  const pages = new PageCache(disk, { readAheadBytes: 4 * BLOCK_BYTES });
  return { upstream, disk, reader: await TracedReader.open(pages, disk, cache) };
}

async function touch(reader: TracedReader, blocks: readonly number[]): Promise<void> {
  for (const block of blocks) {
    const into = new Uint8Array(100);
    await reader.readAt(block * BLOCK_BYTES + 50, into);
    const expected = bytes.subarray(block * BLOCK_BYTES + 50, block * BLOCK_BYTES + 150);
    assert.deepEqual(into, expected);
  }
}

/** The trace that is saved. */
function traceOf(storage: MemoryStorage): number[] {
  const trace = [...storage.files].find(([name]) => name.endsWith(".trace"))?.[1].bytes;
  if (trace === undefined) return [];
  const view = new DataView(trace.buffer, trace.byteOffset);
  return Array.from(
    { length: view.getUint32(56, true) },
    (_, i) => view.getUint32(64 + i * 4, true),
  );
}

/** Removes what is cached and leaves the trace. */
function dropBlocks(storage: MemoryStorage): void {
  for (const name of storage.files.keys()) if (name.endsWith(".blocks")) storage.files.delete(name);
}

const ORDER = [40, 3, 4, 5, 60, 2, 41, 42, 43, 7, 20, 6];

async function recorded(): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  const { reader } = await open(storage);
  await touch(reader, [...ORDER, ...ORDER]);
  await reader[Symbol.asyncDispose]();
  return storage;
}

Deno.test("the trace is the order of first use, without what was read ahead", async () => {
  const storage = await recorded();
  assert.deepEqual(traceOf(storage), ORDER);
});

Deno.test("a second run finds every block of the trace and waits for none", async () => {
  const storage = await recorded();
  const { reader, upstream } = await open(storage);
  await reader.prefetched;
  await touch(reader, ORDER);
  assert.deepEqual(reader.counters, {
    foregroundWaits: 0,
    hits: ORDER.length,
    prefetchedBytes: 0,
  });
  assert.equal(upstream.reads.length, 0);
  await reader[Symbol.asyncDispose]();
});

Deno.test("blocks that were evicted are fetched again in the order of the trace, merged", async () => {
  const storage = await recorded();
  dropBlocks(storage);
  const { reader, upstream } = await open(storage);
  await reader.prefetched;
  assert.deepEqual(
    upstream.reads.map((r) => [r.offsetBytes / BLOCK_BYTES, r.lengthBytes / BLOCK_BYTES]),
    [[40, 4], [2, 6], [60, 1], [20, 1]],
  );
  await touch(reader, ORDER);
  assert.deepEqual(reader.counters, {
    foregroundWaits: 0,
    hits: ORDER.length,
    prefetchedBytes: ORDER.length * BLOCK_BYTES,
  });
  await reader[Symbol.asyncDispose]();
});

Deno.test("a block asked for before the prefetch had it counts as a wait and is fetched once", async () => {
  const storage = await recorded();
  dropBlocks(storage);
  const gate = Promise.withResolvers<void>();
  const { reader, upstream } = await open(storage, () => ({ until: gate.promise }));
  const early = touch(reader, [41]);
  gate.resolve();
  await early;
  await reader.prefetched;
  assert.equal(reader.counters.foregroundWaits, 1);
  const fetched = upstream.reads.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  assert.equal(fetched, ORDER.length * BLOCK_BYTES);
  await reader[Symbol.asyncDispose]();
});

Deno.test("the prefetch leaves two requests free, and all but one while a read waits", async () => {
  const storage = new MemoryStorage();
  const first = await open(storage);
  await touch(first.reader, Array.from({ length: 16 }, (_, i) => i * 3));
  await first.reader[Symbol.asyncDispose]();
  dropBlocks(storage);
  let running = 0;
  let most = 0;
  const gates: PromiseWithResolvers<void>[] = [];
  const { reader } = await open(storage, () => {
    most = Math.max(most, ++running);
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    return { until: gate.promise.finally(() => running--) };
  });
  while (gates.length < 6) await new Promise((resolve) => setTimeout(resolve, 0));
  const waiting = touch(reader, [50]);
  while (gates.length < 7) await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(most, 7);
  for (const gate of gates.slice(0, 5)) gate.resolve();
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(gates.length, 7, "while a read waits the prefetch begins nothing new beside one");
  for (let at = 5; at < gates.length || running > 0; at++) {
    gates[at]?.resolve();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await waiting;
  await reader.prefetched;
  await reader[Symbol.asyncDispose]();
});

Deno.test("a later boot that goes further adds its blocks where it needed them", async () => {
  const storage = await recorded();
  const { reader } = await open(storage);
  await touch(reader, [1, 40, 3, 50, 51, 4, 6, 9]);
  await reader[Symbol.asyncDispose]();
  assert.deepEqual(traceOf(storage), [1, 40, 3, 50, 51, 4, 5, 60, 2, 41, 42, 43, 7, 20, 6, 9]);
});

Deno.test("a trace that is damaged or of another source is dropped", async () => {
  const storage = await recorded();
  const [name, { bytes: good }] = [...storage.files].find(([name]) => name.endsWith(".trace"))!;
  const cases = [good.slice(0, 63), good.slice(0, -1), new Uint8Array()];
  for (const more of [1, 4, 1000]) cases.push(Uint8Array.of(...good, ...new Uint8Array(more)));
  for (let at = 0; at < good.length; at++) {
    const bad = good.slice();
    bad[at]! ^= 1 << (at % 8);
    cases.push(bad);
  }
  for (const bad of cases) {
    dropBlocks(storage);
    await storage.replace(name, bad);
    const { reader, upstream } = await open(storage);
    await reader.prefetched;
    assert.equal(upstream.reads.length, 0);
    await reader[Symbol.asyncDispose]();
  }
});

Deno.test("a trace that cannot be read leaves no file open", async () => {
  for (const call of ["touch", "read"] as const) {
    const storage = await recorded();
    storage.fault = (now) => {
      if (now === call) throw new Error("EIO");
    };
    const { reader } = await open(storage);
    await reader[Symbol.asyncDispose]();
    assert.equal(storage.openFiles, 0, call);
  }
});

Deno.test("dispose during the prefetch stops it and saves what was noted", async () => {
  const storage = await recorded();
  dropBlocks(storage);
  const hang = { until: new Promise<void>(() => {}) };
  const { reader, upstream } = await open(
    storage,
    (_, offset) => offset / BLOCK_BYTES === 33 ? undefined : hang,
  );
  await touch(reader, [33]);
  await reader[Symbol.asyncDispose]();
  await reader.prefetched;
  assert.equal(upstream.disposed, true);
  assert.ok(upstream.reads.filter(({ aborted }) => aborted).length > 0);
  assert.deepEqual(traceOf(storage), [33, ...ORDER]);
  assert.equal(storage.openFiles, 0);
});

Deno.test("an upstream that fails ends the prefetch and not the reader", async () => {
  const storage = await recorded();
  dropBlocks(storage);
  let isDown = true;
  const { reader, upstream } = await open(storage, () => isDown ? { fail: true } : undefined);
  await reader.prefetched;
  assert.ok(upstream.reads.length <= 6);
  isDown = false;
  await touch(reader, ORDER);
  await reader[Symbol.asyncDispose]();
});

Deno.test("a disk that takes nothing ends the prefetch", async () => {
  const storage = await recorded();
  dropBlocks(storage);
  storage.fault = (call) => {
    if (call === "write") throw new Error("ENOSPC");
  };
  const { reader } = await open(storage);
  await reader.prefetched;
  await touch(reader, ORDER);
  await reader[Symbol.asyncDispose]();
});

Deno.test("a long trace is saved before the end", async () => {
  const storage = new MemoryStorage();
  const { reader } = await open(storage);
  await touch(reader, Array.from({ length: BLOCKS }, (_, i) => BLOCKS - 1 - i));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(traceOf(storage).length, BLOCKS);
  await reader[Symbol.asyncDispose]();
});

Deno.test("openSource() records and replays by one option", async () => {
  await withTempDir(async (dir) => {
    await using server = new FaultyHttp(bytes);
    const diskCache = await DiskCache.open(dir, { keepFreeBytes: 0 });
    for (const requests of [5, 1]) {
      server.requests.length = 0;
      const trace = "record+replay";
      await using reader = await openSource(server.url(), { diskCache, trace });
      assert.ok(reader instanceof TracedReader);
      await touch(reader, [9, 30, 18, 50]);
      assert.equal(server.requests.length, requests, "the probe, and what is not on disk");
    }
    await using untraced = await openSource(server.url(), { diskCache, trace: "off" });
    assert.ok(untraced instanceof PageCache);
    server.etag = '"two"';
    await using changed = await openSource(server.url(), { diskCache, trace: "record+replay" });
    const before = server.requests.length;
    await touch(changed as TracedReader, [9]);
    assert.equal(server.requests.length, before + 1, "another version is another source");
    server.etag = server.lastModified = null;
    const events: string[] = [];
    await using open = await openSource(server.url(), {
      diskCache,
      trace: "record+replay",
      onEvent: ({ type }) => events.push(type),
    });
    assert.ok(open instanceof PageCache, "without a validator nothing is kept");
  });
});
