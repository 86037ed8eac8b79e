import assert from "node:assert/strict";
import { openChunkStore } from "../../lib/sources/chunk_store.ts";
import { HTTP_LIMITS } from "../../lib/sources/http_retry.ts";
import { withTempDir } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";
import { FaultyHttp } from "../support/faulty_http.ts";

const BYTES = Uint8Array.from({ length: 5000 }, (_, i) => i & 255);
const LIMITS = { ...HTTP_LIMITS, backoffFirstMs: 1, idleMs: 200, firstByteMs: 200, tries: 3 };
const open = (url: string) => openChunkStore(url, { limits: LIMITS });
const most = { limitBytes: 5000 };

Deno.test("openChunkStore() reads a folder by path and by file URL", async () => {
  await withTempDir(async (folder) => {
    await Deno.mkdir(`${folder}/ab`);
    await Deno.writeFile(`${folder}/ab/chunk`, BYTES);
    for (const location of [folder, `file://${folder}`]) {
      const store = openChunkStore(location);
      assert.deepEqual(await store("ab/chunk", most), BYTES);
      assert.equal(await store("ab/none", most), undefined);
      await assert.rejects(store("ab/chunk", { limitBytes: 4999 }), ofKind("limit"));
    }
  });
  assert.throws(() => openChunkStore("ftp://h/a"), ofKind("unsupported", /ftp/));
});

Deno.test("openChunkStore() asks a server once per chunk, without a range", async () => {
  await using server = new FaultyHttp(BYTES);
  const store = open(server.url("/store/?key=1").replace("http://", "http://me:it@"));
  assert.deepEqual(await store("ab/chunk.cacnk", most), BYTES);
  assert.equal(server.requests.length, 1);
  const { path, headers } = server.requests[0]!;
  assert.equal(path, "/store/ab/chunk.cacnk?key=1");
  assert.equal(headers.get("range"), null);
  assert.equal(headers.get("accept-encoding"), "identity");
  assert.equal(headers.get("authorization"), `Basic ${btoa("me:it")}`);
});

Deno.test("openChunkStore() tries again what may pass, and nothing else", async () => {
  await using server = new FaultyHttp(BYTES);
  const store = open(server.url("/store"));
  const passing = [
    { status: 503 },
    { reset: true },
    { truncateAfterBytes: 100 },
    { stallAfterBytes: 100 },
    { silent: true },
  ];
  for (const fault of passing) {
    server.script.push(fault);
    assert.deepEqual(await store("chunk", most), BYTES, JSON.stringify(fault));
  }
  const lasting: [Parameters<typeof server.script.push>[0], RegExp, ("source" | "limit")?][] = [
    [{ status: 403 }, /403/],
    [{ status: 206 }, /206/],
    [{ headers: { "content-encoding": "gzip" } }, /encodes/],
    [{ body: new Uint8Array(5001) }, /larger/, "limit"],
    [{ body: new Uint8Array(5001), headers: { "content-length": null } }, /larger|cut/, "limit"],
    [{ status: 302, headers: { location: "ftp://h/" } }, /redirects/],
  ];
  for (const [fault, state, kind = "source"] of lasting) {
    const before = server.requests.length;
    server.script.push(fault);
    await assert.rejects(store("chunk", most), ofKind(kind, state));
    assert.equal(server.requests.length, before + 1, String(state));
  }
  server.script.push({ status: 404 });
  assert.equal(await store("chunk", most), undefined);
  server.script.push({ status: 500 }, { status: 500 }, { status: 500 });
  await assert.rejects(store("chunk", most), ofKind("source", /3 tries/));
  await assert.rejects(
    store("chunk", { ...most, signal: AbortSignal.abort() }),
    ofKind("cancelled"),
  );
});

Deno.test("openChunkStore() follows redirects, credentials stay with the first host", async () => {
  await using server = new FaultyHttp(BYTES);
  await using other = new FaultyHttp(BYTES);
  const store = open(server.url("/store").replace("http://", "http://me:it@"));
  server.script.push({ status: 302, headers: { location: other.url("/moved") } });
  assert.deepEqual(await store("chunk", most), BYTES);
  assert.equal(other.requests[0]!.headers.get("authorization"), null);
  server.onRequest = () => ({ status: 302, headers: { location: server.url("/again") } });
  await assert.rejects(store("chunk", most), ofKind("source", /10 redirects/));
});
