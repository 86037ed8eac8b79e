import assert from "node:assert/strict";
import fc from "fast-check";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { UrbChannel, type UrbRequest } from "../../../lib/usb/usbip/urb_channel.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { MemoryStream } from "../../support/memory_stream.ts";

const DEVICE_ID = 0x0001_0007;

function setting(): { stream: MemoryStream; channel: UrbChannel } {
  const stream = new MemoryStream();
  return { stream, channel: new UrbChannel(stream, DEVICE_ID, (error) => String(error)) };
}

function read(sizeBytes: number, setup?: Uint8Array): UrbRequest {
  const data = new Uint8Array(sizeBytes);
  return { action: "Read", direction: "in", endpoint: 1, interval: 0, data, setup };
}

function write(data: Uint8Array): UrbRequest {
  return { action: "Write", direction: "out", endpoint: 2, interval: 0, data };
}

/** A RET_SUBMIT (or another command) as a server writes it. */
function reply(
  seqnum: number,
  parts: { status?: number; actual?: number; payload?: Uint8Array; command?: number } = {},
): Uint8Array {
  const payload = parts.payload ?? new Uint8Array(0);
  const bytes = new Uint8Array(48 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, parts.command ?? 3);
  view.setUint32(4, seqnum);
  view.setInt32(20, parts.status ?? 0);
  view.setUint32(24, parts.actual ?? payload.length);
  bytes.set(payload, 48);
  return bytes;
}

async function seqnumAt(stream: MemoryStream, offset: number): Promise<number> {
  const bytes = await stream.written(offset + 48);
  return new DataView(bytes.buffer).getUint32(offset + 4);
}

Deno.test("UrbChannel writes CMD_SUBMIT as the protocol has it", async () => {
  const { stream, channel } = setting();
  const setup = Uint8Array.of(0x80, 6, 0, 1, 0, 0, 18, 0);
  const control = channel.submit({ ...read(18, setup), endpoint: 0 });
  const out = channel.submit({ ...write(Uint8Array.of(1, 2, 3)), interval: 4 });
  const bytes = await stream.written(48 + 48 + 3);
  const view = new DataView(bytes.buffer);
  const words = (offset: number) =>
    Array.from({ length: 10 }, (_, i) => view.getUint32(offset + i * 4));
  const [first, second] = [view.getUint32(4), view.getUint32(52)];
  assert.deepEqual(words(0), [1, first, DEVICE_ID, 1, 0, 0x200, 18, 0, 0xffffffff, 0]);
  assert.deepEqual([...bytes.subarray(40, 48)], [...setup]);
  assert.deepEqual(words(48), [1, second, DEVICE_ID, 0, 2, 0, 3, 0, 0xffffffff, 4]);
  assert.deepEqual([...bytes.subarray(88)], [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
  assert.deepEqual([first & 1, second & 1], [1, 0], "the lowest bit is the direction");
  stream.push(reply(second, { actual: 3 }));
  stream.push(reply(first, { payload: new Uint8Array(18).fill(7) }));
  assert.equal(await out.done, 3);
  assert.equal(await control.done, 18);
  await channel.close("end");
});

Deno.test("UrbChannel starts each connection at another number", async () => {
  const numbers = new Set<number>();
  for (let i = 0; i < 4; i++) {
    const { stream, channel } = setting();
    channel.submit(read(1)).done.catch(() => {});
    numbers.add(await seqnumAt(stream, 0));
    await channel.close("end");
  }
  assert.ok(numbers.size > 1);
});

Deno.test("UrbChannel finds every payload whatever the reads cut", async () => {
  for (const readBytes of [1, 7, 47, 48, 49, 1000, Infinity]) {
    const { stream, channel } = setting();
    stream.readBytes = readBytes;
    const requests = [read(10), read(0), read(100_000), read(5)];
    const urbs = requests.map((request) => channel.submit(request));
    await stream.written(4 * 48);
    for (const [i, size] of [10, 0, 99_000, 3].entries()) {
      const payload = new Uint8Array(size).fill(i + 1);
      stream.push(reply(await seqnumAt(stream, i * 48), { payload }));
    }
    assert.deepEqual(await Promise.all(urbs.map((urb) => urb.done)), [10, 0, 99_000, 3]);
    for (const [i, size] of [10, 0, 99_000, 3].entries()) {
      const { data } = requests[i]!;
      assert.ok(data.subarray(0, size).every((byte) => byte === i + 1));
      assert.ok(data.subarray(size).every((byte) => byte === 0), "nothing beyond");
    }
    await channel.close("end");
  }
});

Deno.test("UrbChannel skips answers to nobody's question by their direction bit", async () => {
  const { stream, channel } = setting();
  const urb = channel.submit(read(4));
  const seqnum = await seqnumAt(stream, 0);
  stream.push(reply((seqnum ^ 0x4000_0000) >>> 0, { payload: new Uint8Array(100_000).fill(9) }));
  stream.push(reply(((seqnum ^ 0x4000_0000) & ~1) >>> 0, { actual: 512 })); // OUT: no payload
  stream.push(reply(77, { command: 4, status: -104 }));
  stream.push(reply(seqnum, { payload: Uint8Array.of(1, 2, 3, 4) }));
  assert.equal(await urb.done, 4);
  await channel.close("end");
});

Deno.test("UrbChannel ends on garbage, with what was wrong", async () => {
  const cases: [(seqnum: number) => Uint8Array, RegExp][] = [
    [(seqnum) => reply(seqnum, { command: 5 }), /garbage: an answer of kind 5/],
    [(seqnum) => reply(seqnum, { actual: 5 }), /garbage: 5 bytes for a transfer of 4/],
    [(seqnum) => reply(seqnum, { actual: 0xffff_ffff }), /garbage: 4294967295 bytes/],
    [(seqnum) => reply(seqnum ^ 0x1000, { actual: 4 * 1024 * 1024 + 1 }), /garbage: 4194305 bytes/],
  ];
  for (const [garbage, state] of cases) {
    const { stream, channel } = setting();
    const urbs = [channel.submit(read(4)), channel.submit(write(new Uint8Array(2)))];
    const all = Promise.allSettled(urbs.map((urb) => urb.done));
    stream.push(garbage(await seqnumAt(stream, 0)));
    for (const result of await all) {
      assert.ok(result.status === "rejected" && ofKind("lost", state)(result.reason));
    }
    await channel.closed;
    assert.ok(stream.closed);
    await assert.rejects(channel.submit(read(1)).done, ofKind("lost", state), "and stays ended");
  }
});

Deno.test("UrbChannel rejects everything when the server hangs up", async () => {
  for (const [bytes, state] of [[0, /unplugged/], [10, /middle of a message/]] as const) {
    const { stream, channel } = setting();
    const urb = channel.submit(read(4));
    await stream.written(48);
    stream.push(reply(1).subarray(0, bytes));
    stream.end();
    await assert.rejects(urb.done, ofKind("lost", state));
    await channel.closed;
  }
  const { stream, channel } = setting();
  const urb = channel.submit(read(100_000));
  const seqnum = await seqnumAt(stream, 0);
  stream.push(reply(seqnum, { payload: new Uint8Array(100_000) }).subarray(0, 70_000));
  stream.end();
  await assert.rejects(urb.done, ofKind("lost", /middle of a message/));
});

Deno.test("UrbChannel: a stalled control transfer leaves it up, every other failure ends it", async () => {
  const { stream, channel } = setting();
  const setup = new Uint8Array(8);
  const stalled = channel.submit(read(4, setup));
  stream.push(reply(await seqnumAt(stream, 0), { status: -32 }));
  await assert.rejects(stalled.done, ofKind("refused", /stall/));
  const next = channel.submit(read(4, setup));
  stream.push(reply(await seqnumAt(stream, 48), { payload: new Uint8Array(4) }));
  assert.equal(await next.done, 4);

  const cases: [UrbRequest, number, "refused" | "lost", RegExp][] = [
    [read(4, setup), -71, "lost", /went away/],
    [read(4), -32, "refused", /stall/],
    [read(4), -75, "lost", /babble/],
    [write(new Uint8Array(4)), -108, "lost", /shut down/],
    [write(new Uint8Array(4)), -999, "lost", /status -999/],
  ];
  for (const [request, status, kind, state] of cases) {
    const one = setting();
    const failing = one.channel.submit(request);
    const other = one.channel.submit(read(8));
    const otherEnds = assert.rejects(other.done, ofKind("lost", /an earlier transfer failed/));
    one.stream.push(reply(await seqnumAt(one.stream, 0), { status, actual: 0 }));
    await assert.rejects(failing.done, ofKind(kind, state));
    await otherEnds;
    await one.channel.closed;
  }
  await channel.close("end");
});

Deno.test("UrbChannel takes a short OUT for a failure", async () => {
  const { stream, channel } = setting();
  const urb = channel.submit(write(new Uint8Array(10)));
  stream.push(reply(await seqnumAt(stream, 0), { actual: 9 }));
  await assert.rejects(urb.done, ofKind("lost", /took 9 of 10 bytes/));
  await channel.closed;
});

Deno.test("UrbChannel unlinks what is abandoned and does not wait for the answer", async () => {
  const { stream, channel } = setting();
  const request = read(8);
  const urb = channel.submit(request);
  const kept = channel.submit(read(4));
  const seqnum = await seqnumAt(stream, 0);
  urb.abandon(new FastboopError({ kind: "cancelled", action: "Read", state: "stopped" }));
  await assert.rejects(urb.done, ofKind("cancelled"));
  const bytes = await stream.written(3 * 48);
  const view = new DataView(bytes.buffer);
  assert.deepEqual(
    [view.getUint32(96), view.getUint32(104), view.getUint32(116)],
    [2, DEVICE_ID, seqnum],
  );
  // The answer that was under way comes all the same, and must not touch the buffer.
  stream.push(reply(seqnum, { payload: new Uint8Array(8).fill(1) }));
  stream.push(reply(view.getUint32(52), { payload: new Uint8Array(4) }));
  assert.equal(await kept.done, 4);
  assert.ok(request.data.every((byte) => byte === 0));
  await channel.close("end");
});

Deno.test("UrbChannel.close() lets queued messages leave whole, unlinks, then hangs up", async () => {
  const { stream, channel } = setting();
  const urb = channel.submit(write(new Uint8Array(20_000).fill(5)));
  const rejected = assert.rejects(urb.done, ofKind("lost", /the link was closed/));
  await channel.close("the link was closed");
  await rejected;
  const bytes = await stream.written(0);
  assert.equal(bytes.length, 48 + 20_000 + 48);
  assert.equal(new DataView(bytes.buffer).getUint32(48 + 20_000), 2, "CMD_UNLINK at the end");
  assert.ok(stream.closed);
});

Deno.test("UrbChannel ends in order for any bytes a server may send", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 120 }), { maxLength: 8 }),
      fc.boolean(),
      async (chunks, framed) => {
        const { stream, channel } = setting();
        const urbs = [channel.submit(read(16)), channel.submit(write(new Uint8Array(3)))];
        const all = Promise.allSettled(urbs.map((urb) => urb.done));
        const seqnum = await seqnumAt(stream, 0);
        if (framed) stream.push(reply(seqnum, { actual: 16 })); // the chunks become payload
        for (const chunk of chunks) stream.push(chunk);
        stream.end();
        for (const result of await all) {
          if (result.status === "rejected") assert.ok(result.reason instanceof FastboopError);
          else assert.equal(result.value, 16);
        }
        await channel.closed;
      },
    ),
    { numRuns: 500 },
  );
});
