/** Reading from a server that does everything wrong, on a clock that the test moves. */
import assert from "node:assert/strict";
import { openHttp } from "../../lib/sources/http.ts";
import { type Fault, FaultyHttp } from "../support/faulty_http.ts";
import { ScriptedClock } from "../support/scripted_clock.ts";
import { bench, failsWith, FIRST_BYTE_MS, IDLE_MS, image, read, READ_MS } from "./http_rig.ts";

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
