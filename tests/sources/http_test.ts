/** The HTTP source against a server that does everything wrong, on a clock that the test moves. */
import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { type HttpEvent, type HttpOptions, openHttp } from "../../lib/sources/http.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { type Fault, FaultyHttp } from "../support/faulty_http.ts";
import { ScriptedClock } from "../support/scripted_clock.ts";

const IDLE_MS = 20_000;
const FIRST_BYTE_MS = 30_000;
const READ_MS = 60_000;

/** Every byte tells its offset, so that shifted or mixed data cannot pass. */
function image(sizeBytes: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed) & 0xff;
  return bytes;
}

/** Fires back-offs by themselves; the deadlines of requests stand still. */
function quickClock(): ScriptedClock {
  return new ScriptedClock((delayMs) => ![IDLE_MS, FIRST_BYTE_MS, READ_MS].includes(delayMs));
}

interface Bench extends AsyncDisposable {
  server: FaultyHttp;
  clock: ScriptedClock;
  events: HttpEvent[];
  options: HttpOptions;
  open(path?: string): Promise<Reader>;
}

function bench(bytes = image(100_000), more: HttpOptions = {}): Bench {
  const server = new FaultyHttp(bytes);
  const clock = quickClock();
  const events: HttpEvent[] = [];
  const options: HttpOptions = {
    clock,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    ...more,
  };
  return {
    server,
    clock,
    events,
    options,
    open: (path) => openHttp(server.url(path), options),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function read(reader: Reader, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  await reader.readAt(offset, into);
  return into;
}

function failsWith(kind: string, state: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof FastboopError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.state, state);
    return true;
  };
}

Deno.test("openHttp() asks the size by GET of one byte and pins the strong ETag", async () => {
  await using b = bench();
  await using reader = await b.open();
  assert.equal(reader.sizeBytes, 100_000);
  assert.equal(reader.identity, `http:${b.server.url()}:size=100000:etag="one"`);
  assert.deepEqual(await read(reader, 12_345, 5000), b.server.bytes.slice(12_345, 17_345));
  const [probe, second] = b.server.requests;
  assert.equal(probe!.method, "GET");
  assert.equal(probe!.headers.get("range"), "bytes=0-0");
  assert.equal(probe!.headers.get("if-range"), null);
  assert.equal(second!.headers.get("range"), "bytes=12345-17344");
  assert.equal(second!.headers.get("if-range"), '"one"');
  assert.equal(second!.headers.get("accept-encoding"), "identity");
  assert.deepEqual(b.events, []);
  assert.equal(b.clock.running, 0);
});

Deno.test("readAt() past the end is limit, and costs no request", async () => {
  await using b = bench();
  await using reader = await b.open();
  await assert.rejects(read(reader, 99_999, 2), failsWith("limit", /ends at 100000/));
  await assert.rejects(read(reader, -1, 1), failsWith("limit", /ends at/));
  assert.equal(b.server.requests.length, 1);
});

Deno.test("readAt() splits large reads into requests of 1 MiB, 8 at a time", async () => {
  await using b = bench(image(12 << 20));
  await using reader = await b.open();
  assert.deepEqual(await read(reader, 0, 12 << 20), b.server.bytes);
  assert.equal(b.server.requests.length, 1 + 12);
  const most = b.server.mostParallel;
  assert.ok(most > 1 && most <= 8, `${most} at a time`);
});

for (const status of [500, 502, 503, 429, 408]) {
  Deno.test(`readAt() backs off and succeeds after three ${status}`, async () => {
    await using b = bench();
    await using reader = await b.open();
    b.server.script.push({ status }, { status }, { status });
    assert.deepEqual(await read(reader, 7, 99), b.server.bytes.slice(7, 106));
    assert.deepEqual(b.clock.slept, [500, 1000, 2000]);
    assert.deepEqual(b.events.map(({ type }) => type), ["retry", "retry", "retry"]);
  });
}

Deno.test("readAt() gives up after six tries, says degraded, and recovers with the next", async () => {
  await using b = bench();
  await using reader = await b.open();
  for (let i = 0; i < 6; i++) b.server.script.push({ status: 503 });
  await assert.rejects(read(reader, 0, 10), failsWith("source", /answered 503, 6 tries/));
  assert.deepEqual(b.clock.slept, [500, 1000, 2000, 4000, 8000]);
  assert.equal(b.events.at(-1)!.type, "degraded");
  assert.deepEqual(await read(reader, 0, 10), b.server.bytes.slice(0, 10));
  assert.equal(b.events.at(-1)!.type, "recovered");
});

Deno.test("readAt() with patience rides out an outage of minutes", async () => {
  await using b = bench(undefined, { patienceMs: 10 * 60_000 });
  await using reader = await b.open();
  for (let i = 0; i < 30; i++) b.server.script.push({ status: 503 });
  assert.deepEqual(await read(reader, 0, 10), b.server.bytes.slice(0, 10));
  assert.ok(b.clock.nowMs() > 5 * 60_000, "the outage was longer than the tries");
  assert.equal(Math.max(...b.clock.slept), 15_000);
});

Deno.test("readAt() with patience ends when the patience does", async () => {
  await using b = bench(undefined, { patienceMs: 60_000 });
  await using reader = await b.open();
  b.server.onRequest = () => ({ status: 503 });
  await assert.rejects(read(reader, 0, 10), failsWith("source", /503/));
  assert.ok(b.clock.nowMs() <= 60_000 && b.clock.nowMs() > 40_000, `${b.clock.nowMs()} ms`);
});

Deno.test("readAt() honours Retry-After up to 60 s", async () => {
  await using b = bench();
  // 60 s is a deadline's length too: this clock fires it, no request is slow here.
  const clock = new ScriptedClock((ms) => ![IDLE_MS, FIRST_BYTE_MS, READ_MS + 1].includes(ms));
  await using reader = await openHttp(b.server.url(), {
    ...b.options,
    clock,
    limits: { readMs: READ_MS + 1 },
  });
  b.server.script.push(
    { status: 429, headers: { "retry-after": "7" } },
    { status: 503, headers: { "retry-after": "3600" } },
  );
  await read(reader, 0, 10);
  assert.deepEqual(clock.slept, [7000, 60_000]);
});

Deno.test("readAt() retries when the server resets the connection", async () => {
  await using b = bench();
  await using reader = await b.open();
  // Three: the client itself repeats a request whose kept connection turns out to be dead.
  b.server.script.push({ reset: true }, { reset: true }, { reset: true });
  assert.deepEqual(await read(reader, 50, 50), b.server.bytes.slice(50, 100));
  assert.ok(b.events.length >= 2);
  const [event] = b.events;
  assert.ok(event?.type === "retry");
  assert.match(event.state, /closed the connection/);
});

Deno.test("readAt() retries when headers never come", async () => {
  await using b = bench();
  await using reader = await b.open();
  b.server.script.push({ silent: true });
  const reading = read(reader, 50, 50);
  await b.clock.expire(FIRST_BYTE_MS);
  assert.deepEqual(await reading, b.server.bytes.slice(50, 100));
  assert.match(JSON.stringify(b.events), /no answer for 30 s/);
});

Deno.test("readAt() notices a stalled body by its idle timer", async () => {
  await using b = bench();
  await using reader = await b.open();
  b.server.script.push({ stallAfterBytes: 20 });
  const reading = read(reader, 0, 50);
  await b.clock.expire(IDLE_MS);
  assert.deepEqual(await reading, b.server.bytes.slice(0, 50));
  assert.match(JSON.stringify(b.events), /stopped sending for 20 s/);
});

Deno.test("readAt() notices a body that trickles by the deadline of the whole read", async () => {
  await using b = bench();
  await using reader = await b.open();
  b.server.script.push({ stallAfterBytes: 1 });
  const reading = read(reader, 0, 50);
  await b.clock.expire(READ_MS);
  assert.deepEqual(await reading, b.server.bytes.slice(0, 50));
  assert.match(JSON.stringify(b.events), /longer than 60 s/);
});

const LYING: [string, Fault][] = [
  ["truncated", { truncateAfterBytes: 20 }],
  ["longer, by chunks", {
    headers: { "content-length": null, "transfer-encoding": "chunked" },
    body: new TextEncoder().encode(`40\r\n${"x".repeat(64)}\r\n0\r\n\r\n`),
  }],
  ["shorter, by chunks", {
    headers: { "content-length": null, "transfer-encoding": "chunked" },
    body: new TextEncoder().encode(`4\r\nxxxx\r\n0\r\n\r\n`),
  }],
  ["longer, announced", { body: new Uint8Array(51) }],
  ["of another start", { headers: { "content-range": "bytes 101-150/100000" } }],
  ["of another end", { headers: { "content-range": "bytes 100-150/100000" } }],
  ["of another total under the same ETag", { headers: { "content-range": "bytes 100-149/99999" } }],
  ["without Content-Range", { headers: { "content-range": null } }],
  ["of unknown total", { headers: { "content-range": "bytes 100-149/*" } }],
  ["gzipped", { headers: { "content-encoding": "gzip" } }],
  ["a page of a login portal", {
    status: 200,
    headers: { "content-type": "text/html", "etag": '"portal"', "content-range": null },
    body: new Uint8Array(50),
  }],
];

for (const [what, fault] of LYING) {
  Deno.test(`readAt() rejects and retries an answer that is ${what}`, async () => {
    await using b = bench();
    await using reader = await b.open();
    b.server.script.push(fault, fault);
    assert.deepEqual(await read(reader, 100, 50), b.server.bytes.slice(100, 150));
    assert.equal(b.events.filter(({ type }) => type === "retry").length, 2);
    assert.equal(b.server.requests.length, 4);
  });

  Deno.test(`readAt() never serves an answer that is ${what}`, async () => {
    await using b = bench();
    await using reader = await b.open();
    b.server.onRequest = () => fault;
    await assert.rejects(read(reader, 100, 50), failsWith("source", /6 tries$/));
  });
}

const CHANGES: [string, (server: FaultyHttp) => void][] = [
  ["its ETag", (server) => server.etag = '"two"'],
  ["its size and ETag", (server) => {
    server.etag = '"two"';
    server.bytes = image(5000, 9);
  }],
];

for (const [what, change] of CHANGES) {
  Deno.test(`readAt() refuses for good when the image changes ${what}`, async () => {
    await using b = bench();
    await using reader = await b.open();
    await read(reader, 0, 10);
    change(b.server);
    await assert.rejects(read(reader, 10, 10), failsWith("source", /image changed under us/));
    b.server.etag = '"one"'; // even when the old one seems to be back
    const asked = b.server.requests.length;
    await assert.rejects(read(reader, 10, 10), failsWith("source", /image changed under us/));
    assert.equal(b.server.requests.length, asked);
    assert.deepEqual(b.clock.slept, [], "a change is not retried");
  });
}

Deno.test("readAt() refuses a 206 that carries another ETag", async () => {
  await using b = bench();
  await using reader = await b.open();
  b.server.script.push({ headers: { etag: '"two"' } });
  await assert.rejects(read(reader, 10, 10), failsWith("source", /ETag is another/));
});

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

Deno.test("openHttp() refuses a redirect loop after 10 hops", async () => {
  await using b = bench();
  b.server.onRequest = () => ({ status: 302, headers: { location: "/again" } });
  await assert.rejects(b.open(), failsWith("source", /more than 10 redirects/));
  assert.equal(b.server.requests.length, 11);
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

Deno.test("readAt() stops with cancelled when its signal does, and others go on", async () => {
  await using b = bench();
  await using reader = await b.open();
  b.server.script.push({ silent: true });
  const stop = new AbortController();
  const stuck = reader.readAt(0, new Uint8Array(10), { signal: stop.signal });
  const good = read(reader, 20, 10);
  assert.deepEqual(await good, b.server.bytes.slice(20, 30));
  stop.abort();
  await assert.rejects(stuck, failsWith("cancelled", /stopped/));
  assert.equal(b.clock.running, 0);
});

Deno.test("readAt() stops during a back-off", async () => {
  await using b = bench();
  const clock = new ScriptedClock();
  const stop = new AbortController();
  const onEvent = () => queueMicrotask(() => stop.abort()); // the sleep begins in the same turn
  await using reader = await openHttp(b.server.url(), { ...b.options, clock, onEvent });
  b.server.script.push({ status: 503 });
  const stuck = reader.readAt(0, new Uint8Array(10), { signal: stop.signal });
  await assert.rejects(stuck, failsWith("cancelled", /stopped/));
  assert.equal(clock.running, 0);
});

Deno.test("disposing ends reads that hang", async () => {
  await using b = bench();
  const reader = await b.open();
  b.server.script.push({ silent: true });
  const stuck = read(reader, 0, 10);
  const settled = assert.rejects(stuck, failsWith("cancelled", /closed/));
  await reader[Symbol.asyncDispose]();
  await settled;
  await assert.rejects(read(reader, 0, 10), failsWith("cancelled", /closed/));
});

Deno.test("openHttp() stops with its signal", async () => {
  await using b = bench();
  b.server.onRequest = () => ({ silent: true });
  const stop = new AbortController();
  const opening = openHttp(b.server.url(), { ...b.options, signal: stop.signal });
  stop.abort();
  await assert.rejects(opening, failsWith("cancelled", /stopped/));
});
