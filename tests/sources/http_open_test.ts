/** Opening a URL: validators, refusals, redirects, credentials. */
import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { openHttp } from "../../lib/sources/http.ts";
import { runAtTerminal } from "../support/at_terminal.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { bench, failsWith, FIRST_BYTE_MS, image, quickClock, read } from "./http_rig.ts";

Deno.test("openHttp() warns once without a strong ETag and pins date and length", async () => {
  await using b = bench();
  b.server.etag = 'W/"weak"';
  await using reader = await b.open();
  assert.match(reader.identity, /:size=100000:etag=W\/"weak"$/);
  await read(reader, 0, 10);
  await read(reader, 10, 10);
  assert.equal(b.server.requests[1]!.headers.get("if-range"), b.server.lastModified);
  assert.deepEqual(b.events.map(({ type }) => type), ["warning"]);
  b.server.lastModified = "Sat, 21 Nov 2026 10:00:00 GMT";
  b.server.etag = null;
  await assert.rejects(read(reader, 10, 10), failsWith("source", /Last-Modified is another/));
});

Deno.test("readAt() without any validator still refuses another length", async () => {
  await using b = bench();
  b.server.etag = b.server.lastModified = null;
  await using reader = await b.open();
  b.server.bytes = image(100_001);
  await assert.rejects(read(reader, 10, 10), failsWith("source", /from 100000 to 100001/));
});

for (const [status, kind] of [[404, "not-found"], [410, "not-found"], [403, "source"]] as const) {
  Deno.test(`openHttp() fails right away, with a hint, on ${status}`, async () => {
    await using b = bench();
    b.server.onRequest = () => ({ status });
    await assert.rejects(b.open(), (error) => {
      failsWith(kind, new RegExp(`answered ${status}$`))(error);
      return (error as FastboopError).hint !== undefined;
    });
    assert.equal(b.server.requests.length, 1);
  });
}

Deno.test("readAt() fails right away when the image has gone", async () => {
  await using b = bench();
  await using reader = await b.open();
  b.server.script.push({ status: 404 });
  await assert.rejects(read(reader, 0, 1), failsWith("not-found", /answered 404$/));
  assert.deepEqual(await read(reader, 0, 1), b.server.bytes.slice(0, 1));
});

Deno.test("openHttp() refuses a server that ignores the range, and shows what it sent", async () => {
  await using b = bench();
  b.server.contentType = "text/html; charset=utf-8";
  b.server.onRequest = () => ({ ignoreRange: true });
  await assert.rejects(
    b.open(),
    failsWith("source", /^the server ignored the range and sent text\/html$/),
  );
  assert.equal(b.server.requests.length, 1);
});

Deno.test("openHttp() refuses an empty file", async () => {
  await using b = bench(new Uint8Array());
  await assert.rejects(b.open(), failsWith("source", /empty/));
});

Deno.test("openHttp() says what failed when nothing listens or no name resolves", async () => {
  const server = new FaultyHttp(image(10));
  const url = server.url();
  await server[Symbol.asyncDispose]();
  const clock = quickClock();
  await assert.rejects(openHttp(url, { clock }), failsWith("source", /connection was refused/));
  const nowhere = "http://image.invalid/";
  await assert.rejects(openHttp(nowhere, { clock }), failsWith("source", /does not resolve/));
});

Deno.test("openHttp() says so when the server speaks no TLS", async () => {
  await using b = bench();
  const url = b.server.url().replace("http:", "https:");
  await assert.rejects(openHttp(url, b.options), failsWith("source", /connection/));
});

Deno.test("openHttp() follows redirects and keeps the place for later reads", async () => {
  await using b = bench();
  b.server.onRequest = ({ path }) =>
    path === "/start" ? { status: 302, headers: { location: "/image.ero?token=1" } } : undefined;
  await using reader = await b.open("/start");
  await read(reader, 0, 10);
  await read(reader, 10, 10);
  const paths = b.server.requests.map(({ path }) => path);
  assert.deepEqual(paths, ["/start", ...Array(3).fill("/image.ero?token=1")]);
  assert.ok(reader.identity.startsWith(`http:${b.server.url("/start")}:`));
});

Deno.test("readAt() asks the source again when the place it redirected to has expired", async () => {
  await using b = bench();
  let token = 1;
  b.server.onRequest = ({ path }) => {
    const location = `/image.ero?token=${token}`;
    if (path === "/start") return { status: 302, headers: { location } };
    return path === location ? undefined : { status: 403 };
  };
  await using reader = await b.open("/start");
  token = 2;
  assert.deepEqual(await read(reader, 5, 10), b.server.bytes.slice(5, 15));
});

Deno.test("openHttp() asks the source again where a redirect led to a bad answer", async () => {
  await using b = bench();
  let mirror = 0;
  b.server.onRequest = ({ path }) => {
    if (path === "/start") return { status: 302, headers: { location: `/mirror${++mirror}` } };
    return path === "/mirror1" ? { status: 503 } : undefined;
  };
  await using _reader = await b.open("/start");
  const paths = b.server.requests.map(({ path }) => path);
  assert.deepEqual(paths, ["/start", "/mirror1", "/start", "/mirror2"]);
});

Deno.test("openHttp() refuses a redirect loop after 10 hops", async () => {
  await using b = bench();
  b.server.onRequest = () => ({ status: 302, headers: { location: "/again" } });
  await assert.rejects(b.open(), failsWith("source", /more than 10 redirects/));
  assert.equal(b.server.requests.length, 11);
});

Deno.test("openHttp() waits no longer for a name than for an answer", async () => {
  await using b = bench(image(10), { lookup: () => new Promise(() => {}), limits: { tries: 1 } });
  b.server.onRequest = () => ({ status: 302, headers: { location: "http://mirror.example/" } });
  const opening = assert.rejects(b.open(), failsWith("source", /no answer for 30 s/));
  await b.clock.expire(FIRST_BYTE_MS);
  await opening;
  const stop = new AbortController();
  const stopped = openHttp(b.server.url(), {
    ...b.options,
    lookup: () => {
      stop.abort();
      return new Promise(() => {});
    },
    signal: stop.signal,
  });
  await assert.rejects(stopped, failsWith("cancelled", /stopped/));
});

Deno.test("openHttp() follows 10 hops", async () => {
  await using b = bench();
  for (let i = 0; i < 10; i++) b.server.script.push({ status: 308, headers: { location: "/x" } });
  await using reader = await b.open();
  assert.equal(reader.sizeBytes, 100_000);
});

Deno.test("openHttp() refuses a redirect to file:", async () => {
  await using b = bench();
  b.server.onRequest = () => ({ status: 302, headers: { location: "file:///etc/passwd" } });
  await assert.rejects(b.open(), failsWith("source", /redirects to a file: URL/));
});

Deno.test("credentials go to the source's own origin only, and into no text", async () => {
  await using b = bench();
  await using other = new FaultyHttp(b.server.bytes);
  b.server.onRequest = () => ({
    status: 307,
    headers: { location: other.url("/mirror?sig=hush") },
  });
  const url = b.server.url("/start?key=hush").replace("http://", "http://me:se%20cret@");
  {
    await using reader = await openHttp(url, b.options);
    await read(reader, 0, 10);
    assert.equal(b.server.requests[0]!.headers.get("authorization"), `Basic ${btoa("me:se cret")}`);
    for (const request of other.requests) assert.equal(request.headers.get("authorization"), null);
    assert.match(reader.identity, /\/start\?sha256=[0-9a-f]{32}:size=/);
    assert.doesNotMatch(reader.identity, /hush|cret|me:/);
    b.server.onRequest = () => ({ status: 403 });
    other.onRequest = () => ({ status: 500 });
    await assert.rejects(read(reader, 0, 10), (error) => {
      assert.doesNotMatch(String(error) + (error as Error).stack, /hush|cret|me:/);
      return true;
    });
  }
  other.etag = null;
  other.onRequest = () => undefined;
  b.server.onRequest = () => ({ status: 307, headers: { location: other.url() } });
  await using _warned = await openHttp(url, b.options);
  assert.equal(b.events.at(-1)!.type, "warning");
  assert.doesNotMatch(JSON.stringify(b.events), /hush|cret|me:/);
});

Deno.test({
  name: "lookupAddresses() asks for no permission at a terminal",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const module = import.meta.resolve("../../lib/sources/http.ts");
    const code = `import { lookupAddresses } from ${JSON.stringify(module)};
      console.log("found: " + (await lookupAddresses("localhost")).length);`;
    const said = await runAtTerminal(["--allow-net=localhost:443"], code);
    if (said === undefined) return console.log("  no script(1): not tested");
    assert.equal(said, "found: 0");
    assert.match((await runAtTerminal(["--allow-net"], code))!, /^found: [1-9]$/);
  },
});
