import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { openSource } from "../../lib/sources/open.ts";
import { PageCache } from "../../lib/sources/page_cache.ts";
import { type Fault, FaultyHttp } from "../support/faulty_http.ts";
import { ScriptedClock } from "../support/scripted_clock.ts";

const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 31) & 0xff);

Deno.test("openSource() opens a URL through a cache", async () => {
  await using server = new FaultyHttp(bytes);
  await using reader = await openSource(server.url());
  assert.ok(reader instanceof PageCache);
  const into = new Uint8Array(100);
  for (let i = 0; i < 3; i++) await reader.readAt(500, into);
  assert.deepEqual(into, bytes.slice(500, 600));
  assert.equal(server.requests.length, 2, "the probe and one page");
  assert.match(reader.identity, /^http:.*etag="one"$/);
});

Deno.test("openSource() opens paths and file: URLs", async () => {
  const path = await Deno.makeTempFile({ prefix: "fastboop-open a#" });
  try {
    await Deno.writeFile(path, bytes);
    for (const spec of [path, pathToFileURL(path).href]) {
      await using reader = await openSource(spec);
      assert.equal(reader.sizeBytes, bytes.length);
    }
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("openSource() says what is wrong with a spec", async () => {
  await using server = new FaultyHttp(bytes);
  server.onRequest = () => ({ status: 404 });
  await assert.rejects(openSource(server.url()), { kind: "not-found" });
  await assert.rejects(openSource("ftp://example.org/x"), { kind: "unsupported" });
  await assert.rejects(openSource("file://other-host/x"), { kind: "not-found" });
  await assert.rejects(openSource("no-such:file"), { kind: "not-found" });
  await assert.rejects(openSource("https://"), { kind: "unsupported" });
  await assert.rejects(openSource("/no/such/file"), { kind: "not-found" });
});

Deno.test("openSource() serves right bytes only, from a server that fails every third time", async () => {
  const image = Uint8Array.from({ length: 3 << 20 }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff);
  await using server = new FaultyHttp(image);
  const clock = new ScriptedClock((delayMs) => delayMs < 20_000);
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
  await using reader = await openSource(server.url(), {
    clock,
    cache: { pageSizeBytes: 16 << 10, capacityBytes: 512 << 10, fetchBytes: 64 << 10 },
  });
  const faults: Fault[] = [
    { status: 503 },
    { truncateAfterBytes: 100 },
    { headers: { "content-range": "bytes 1-2/3" } },
    { headers: { "content-encoding": "gzip" } },
    { ignoreRange: true },
    { body: new Uint8Array(10) },
    { status: 302, headers: { location: "ftp://portal/" } },
  ];
  server.onRequest = () => random(3) === 0 ? faults[random(faults.length)] : undefined;
  let failed = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 60; i++) {
      const offset = random(image.length);
      const into = new Uint8Array(random(Math.min(200_000, image.length - offset) + 1));
      try {
        await reader.readAt(offset, into);
        assert.deepEqual(into, image.slice(offset, offset + into.length));
      } catch (error) {
        assert.equal((error as { kind?: string }).kind, "source", String(error));
        failed++;
      }
    }
  }));
  assert.ok(failed < 60, `${failed} of 480 reads failed: six tries should carry most over`);
});
