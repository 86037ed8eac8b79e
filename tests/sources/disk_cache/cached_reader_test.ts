import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { BLOCK_BYTES } from "../../../lib/sources/disk_cache/block_format.ts";
import { CachedReader } from "../../../lib/sources/disk_cache/cached_reader.ts";
import { DiskCache } from "../../../lib/sources/disk_cache/disk_cache.ts";
import type { Reader } from "../../../lib/sources/reader.ts";
import { FaultyReader, type ReadFault } from "../../support/faulty_reader.ts";
import { MemoryStorage, written } from "./memory_storage.ts";

const BLOCKS = 12;
const bytes = new Uint8Array(BLOCKS * BLOCK_BYTES + 777);
for (let i = 0, state = 1; i < bytes.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  bytes[i] = state >>> 24;
}

type FaultAt = (index: number, offsetBytes: number) => ReadFault | undefined;

function open(storage: MemoryStorage, fault?: FaultAt) {
  const upstream = new FaultyReader(bytes, fault);
  const cache = new DiskCache(storage);
  const reader = cache.wrap(upstream);
  assert.ok(reader instanceof CachedReader);
  return { upstream, reader };
}

async function read(reader: Reader, offset: number, length: number, signal?: AbortSignal) {
  const into = new Uint8Array(length);
  await reader.readAt(offset, into, signal ? { signal } : {});
  return into;
}

/** Compared by Buffer: the report of assert.deepEqual on 1.5 MiB that differ takes minutes. */
async function readAll(reader: Reader, message = "right bytes"): Promise<void> {
  assert.equal(Buffer.compare(await read(reader, 0, bytes.length), bytes), 0, message);
}

/** The cache file of the one source. */
function fileOf(storage: MemoryStorage) {
  return [...storage.files].find(([name]) => name.endsWith(".blocks"))!;
}

async function filled(): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  const { reader } = open(storage);
  await readAll(reader);
  await reader[Symbol.asyncDispose]();
  return storage;
}

Deno.test("readAt() fetches a block once for all runs", async () => {
  const storage = new MemoryStorage();
  const first = open(storage);
  for (const [offset, length] of [[5, 10], [BLOCK_BYTES - 3, 9], [bytes.length - 1, 1]] as const) {
    assert.deepEqual(
      await read(first.reader, offset, length),
      bytes.slice(offset, offset + length),
    );
  }
  assert.deepEqual(first.upstream.reads.map((r) => [r.offsetBytes, r.lengthBytes]), [
    [0, BLOCK_BYTES],
    [BLOCK_BYTES, BLOCK_BYTES],
    [BLOCKS * BLOCK_BYTES, 777],
  ]);
  await readAll(first.reader);
  assert.equal(first.reader.counters.fetchedBytes, bytes.length, "nothing twice");
  await first.reader[Symbol.asyncDispose]();
  assert.ok(first.upstream.disposed);
  assert.equal(storage.openFiles, 0);

  const second = open(storage);
  await readAll(second.reader);
  assert.equal(second.upstream.reads.length, 0);
  await second.reader[Symbol.asyncDispose]();
});

Deno.test("a hit costs one read of the disk, neighbours are read together", async () => {
  const storage = await filled();
  const { reader } = open(storage);
  await read(reader, 0, 1);
  for (
    const [offset, length] of [[3 * BLOCK_BYTES, 4096], [BLOCK_BYTES, 8 * BLOCK_BYTES]] as const
  ) {
    const before = storage.calls;
    assert.deepEqual(await read(reader, offset, length), bytes.slice(offset, offset + length));
    assert.equal(storage.calls - before, 1);
  }
  await reader[Symbol.asyncDispose]();
});

Deno.test("a flipped bit on disk makes that block be fetched again, and mends it", async () => {
  const storage = await filled();
  const [, content] = fileOf(storage);
  const data = content.bytes.length - bytes.length;
  for (const block of [0, 5, BLOCKS]) {
    content.bytes[data + block * BLOCK_BYTES + 300]! ^= 0x10;
    const { reader, upstream } = open(storage);
    await readAll(reader);
    assert.deepEqual(upstream.reads.map((r) => r.offsetBytes), [block * BLOCK_BYTES]);
    await reader[Symbol.asyncDispose]();
    const again = open(storage);
    await readAll(again.reader);
    assert.equal(again.upstream.reads.length, 0);
    await again.reader[Symbol.asyncDispose]();
  }
});

Deno.test("blocks that changed their places on disk are not taken for each other", async () => {
  const storage = await filled();
  const [, content] = fileOf(storage);
  const data = content.bytes.length - bytes.length;
  content.bytes.copyWithin(data, data + BLOCK_BYTES, data + 2 * BLOCK_BYTES);
  content.bytes.copyWithin(4096, 4096 + 8, 4096 + 16); // its table entry too
  const { reader, upstream } = open(storage);
  await readAll(reader);
  assert.deepEqual(upstream.reads.map((r) => r.offsetBytes), [0]);
  await reader[Symbol.asyncDispose]();
});

Deno.test("every flip and every cut of header and table gives the right bytes", async () => {
  const storage = await filled();
  const [name, content] = fileOf(storage);
  const good = content.bytes;
  const cases: Uint8Array[] = [];
  for (const at of [...Array(60).keys(), ...Array.from({ length: 104 }, (_, i) => 4096 + i)]) {
    const bad = good.slice();
    bad[at]! ^= 1 << (at % 8);
    cases.push(bad);
  }
  for (const cut of [0, 1, 8, 35, 36, 40, 4096, 4100, 8192, 8193, good.length - 1]) {
    cases.push(good.slice(0, cut));
  }
  for (const bad of cases) {
    await storage.replace(name, bad);
    const { reader } = open(storage);
    await readAll(reader);
    await reader[Symbol.asyncDispose]();
  }
});

Deno.test("any writes lost or torn by a power cut are seen as absent blocks", async () => {
  let seed = 20261121;
  const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
  let served = 0;
  for (let round = 0; round < 25; round++) {
    const storage = new MemoryStorage();
    const before = open(storage);
    for (let i = 0; i < 6; i++) {
      const offset = random(bytes.length - 1);
      await read(
        before.reader,
        offset,
        Math.min(random(5 * BLOCK_BYTES) + 1, bytes.length - offset),
      );
    }
    await before.reader[Symbol.asyncDispose]();
    const [name] = fileOf(storage);
    // The header was synced; of the writes behind it any may be missing, whole or by sectors.
    let content: Uint8Array = storage.files.get(name)!.bytes.slice(0, 45);
    for (const write of storage.writes) {
      const fate = random(4);
      if (fate === 0) continue;
      for (let at = 0; at < write.bytes.length; at += 512) {
        if (fate === 1 && random(40) === 0) continue;
        if (fate === 2 && at > write.bytes.length / 2) break;
        content = written(content, write.offsetBytes + at, write.bytes.subarray(at, at + 512));
      }
    }
    const after = new MemoryStorage();
    await after.replace(name, content);
    const { reader, upstream } = open(after);
    await readAll(reader, `round ${round}`);
    served += reader.counters.diskBytes;
    assert.ok(upstream.reads.length > 0);
    await reader[Symbol.asyncDispose]();
  }
  assert.ok(served > 5 * BLOCK_BYTES, "some blocks must have survived, else this proves nothing");
});

Deno.test("two readers of one file see each other's blocks", async () => {
  const storage = new MemoryStorage();
  const a = open(storage);
  const b = open(storage);
  await read(b.reader, 0, 1);
  await readAll(a.reader);
  await readAll(b.reader);
  assert.equal(b.upstream.reads.length, 1, "the one before the other reader had it");
  for (const { reader } of [a, b]) await reader[Symbol.asyncDispose]();
});

Deno.test("concurrent reads of a block share one fetch, and an abort ends one wait only", async () => {
  const gate = Promise.withResolvers<void>();
  const { reader, upstream } = open(new MemoryStorage(), () => ({ until: gate.promise }));
  const stop = new AbortController();
  const stopped = read(reader, 0, 100, stop.signal);
  const others = Array.from({ length: 20 }, (_, i) => read(reader, i, 100));
  await started(upstream);
  stop.abort();
  await assert.rejects(stopped, { kind: "cancelled" });
  gate.resolve();
  for (const [i, got] of (await Promise.all(others)).entries()) {
    assert.deepEqual(got, bytes.slice(i, i + 100));
  }
  assert.equal(upstream.reads.length, 1);
  await reader[Symbol.asyncDispose]();
});

Deno.test("an abort of the only reader stops the fetch, and the block can be had later", async () => {
  const never = new Promise<void>(() => {});
  const fault: FaultAt = (index) => index === 0 ? { until: never } : undefined;
  const { reader, upstream } = open(new MemoryStorage(), fault);
  const stop = new AbortController();
  const stopped = read(reader, 0, 100, stop.signal);
  await started(upstream);
  stop.abort();
  await assert.rejects(stopped, { kind: "cancelled" });
  assert.equal(upstream.reads[0]!.aborted, true);
  assert.deepEqual(await read(reader, 0, 100), bytes.slice(0, 100));
  await reader[Symbol.asyncDispose]();
});

Deno.test("an upstream that fails leaves nothing in flight and nothing stored", async () => {
  const storage = new MemoryStorage();
  const { reader } = open(storage, (index) => index < 3 ? { fail: true } : undefined);
  const tries = await Promise.allSettled([
    read(reader, 0, bytes.length),
    read(reader, 9 * BLOCK_BYTES, 1),
  ]);
  assert.deepEqual(tries.map(({ status }) => status), ["rejected", "rejected"]);
  await assert.rejects(read(reader, 3 * BLOCK_BYTES, 1), { kind: "source" });
  await readAll(reader);
  await reader[Symbol.asyncDispose]();
});

Deno.test("dispose ends what waits and closes the file", async () => {
  const storage = new MemoryStorage();
  const { reader, upstream } = open(storage, () => ({ until: new Promise<void>(() => {}) }));
  const waiting = assert.rejects(read(reader, 0, bytes.length), { kind: "cancelled" });
  await started(upstream);
  await reader[Symbol.asyncDispose]();
  await waiting;
  assert.equal(storage.openFiles, 0);
  await assert.rejects(read(reader, 0, 1), { kind: "cancelled" });
});

async function started(upstream: FaultyReader): Promise<void> {
  while (upstream.reads.length === 0) await new Promise((resolve) => setTimeout(resolve, 0));
}
