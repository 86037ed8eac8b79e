import assert from "node:assert/strict";
import { type PieceDecoder, SequentialReader } from "../../lib/images/sequential_reader.ts";
import { MemorySpill } from "../../lib/sources/memory_spill.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { expectError } from "../kernel/expect_error.ts";
import { assertSameBytes, assertSameReads, content } from "./decoded_readers.ts";

const PIECE = 1000;
const PLAIN = content(50 * PIECE + 7);
const SIZE = PLAIN.length;

type Fault = (piece: number, signal: AbortSignal) => Promise<void> | void;

/** Pieces of PLAIN; `fault` is asked before each, and may be asked again for the same one. */
class Pieces implements PieceDecoder {
  checkedBytes = 0;
  calls = 0;
  #at = 0;
  constructor(readonly fault: Fault = () => {}) {}
  async next(signal: AbortSignal): Promise<Uint8Array | undefined> {
    this.calls++;
    await this.fault(this.#at / PIECE, signal);
    if (this.#at >= SIZE) return undefined;
    if (this.#at >= 10 * PIECE) this.checkedBytes = 10 * PIECE;
    const piece = PLAIN.slice(this.#at, this.#at + PIECE);
    this.#at += PIECE;
    return piece;
  }
}

function open(decoder: PieceDecoder, options: { sizeBytes?: number; spill?: MemorySpill } = {}) {
  return new SequentialReader({
    identity: "sequence",
    sizeBytes: SIZE,
    begin: () => decoder,
    spill: new MemorySpill(1 << 20),
    readAheadBytes: 0,
    ...options,
  });
}

const error = (kind: "corrupt" | "source") =>
  new FastboopError({ kind, action: "Decode", state: "told to fail" });
const read = async (reader: SequentialReader, at: number, length = 10, signal?: AbortSignal) => {
  const into = new Uint8Array(length);
  await reader.readAt(at, into, signal ? { signal } : {});
  assertSameBytes(into, PLAIN.subarray(at, at + length));
};

Deno.test("SequentialReader decodes as far as readers ask, once, and gives random reads", async () => {
  const decoder = new Pieces();
  await using reader = open(decoder);
  await read(reader, 4990, 20);
  assert.equal(decoder.calls, 6);
  await read(reader, 0);
  assert.equal(decoder.calls, 6);
  await assertSameReads(reader, PLAIN);
  assert.equal(decoder.calls, 52);
});

Deno.test("SequentialReader goes on for others when one who waits stops", async () => {
  const gate = Promise.withResolvers<void>();
  let aborted = false;
  await using reader = open(
    new Pieces(async (piece, signal) => {
      signal.addEventListener("abort", () => aborted = true);
      if (piece === 3) await gate.promise;
    }),
  );
  const controller = new AbortController();
  const stopped = read(reader, 5000, 10, controller.signal);
  const other = read(reader, 6000);
  controller.abort();
  await expectError("cancelled", () => stopped);
  assert.equal(aborted, false);
  gate.resolve();
  await other;
});

Deno.test("SequentialReader stops its source with the last who waits, and tries again", async () => {
  let tries = 0;
  const decoder = new Pieces((piece, signal) => {
    if (piece !== 3 || tries++ > 0) return;
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  });
  await using reader = open(decoder);
  const controller = new AbortController();
  const stopped = read(reader, 5000, 10, controller.signal);
  while (tries === 0) await new Promise((resolve) => setTimeout(resolve));
  controller.abort();
  await expectError("cancelled", () => stopped);
  await read(reader, 5000);
  assert.equal(tries, 2);
});

Deno.test("SequentialReader takes a failure of the source for no damage", async () => {
  let failures = 2;
  await using reader = open(
    new Pieces((piece) => {
      if (piece === 20 && failures-- > 0) throw error("source");
    }),
  );
  await expectError("source", () => read(reader, 30_000));
  await read(reader, 19_000);
  await expectError("source", () => read(reader, 30_000));
  await read(reader, 30_000);
  await assertSameReads(reader, PLAIN);
});

Deno.test("SequentialReader gives no byte without a good check once damage is known", async () => {
  await using reader = open(
    new Pieces((piece) => {
      if (piece === 20) throw error("corrupt");
    }),
  );
  await read(reader, 15_000);
  await expectError("corrupt", () => read(reader, 20_000));
  await expectError("corrupt", () => read(reader, 15_000));
  await expectError("corrupt", () => read(reader, 9_995, 10));
  await read(reader, 9_990, 10);
});

Deno.test("SequentialReader gives the last bytes when the check behind them was right", async () => {
  await using reader = open(
    new Pieces((piece) => {
      if (piece > 50) throw error("corrupt");
    }),
  );
  await read(reader, SIZE - 20, 10);
  await expectError("corrupt", () => read(reader, SIZE - 10));
});

Deno.test("SequentialReader refuses a stream of another size", async () => {
  for (const sizeBytes of [SIZE - 1, SIZE + 1]) {
    await using reader = open(new Pieces(), { sizeBytes });
    await expectError("corrupt", () => reader.readAt(sizeBytes - 1, new Uint8Array(1)));
  }
});

Deno.test("SequentialReader rests, and begins again without decoding wrong", async () => {
  const decoders: Pieces[] = [];
  await using spill = new MemorySpill(1 << 20);
  await using reader = new SequentialReader({
    ...{ identity: "sequence", sizeBytes: SIZE, spill, readAheadBytes: 0 },
    begin: () => (decoders.push(new Pieces()), decoders.at(-1)!),
  });
  await read(reader, 20_000);
  assert.equal(await reader.rest(), true);
  await read(reader, 100);
  assert.equal(decoders.length, 1);
  await read(reader, 30_000);
  assert.equal(decoders.length, 2);
  await assertSameReads(reader, PLAIN);
});

Deno.test("SequentialReader passes the scratch space's limit on, and keeps what fits", async () => {
  const plain = new Uint8Array(2 << 20);
  let at = 0;
  await using reader = new SequentialReader({
    ...{ identity: "sequence", sizeBytes: plain.length, readAheadBytes: 0 },
    spill: new MemorySpill(1 << 20),
    begin: () => ({
      checkedBytes: 0,
      next: () => Promise.resolve(plain.subarray(at, at += 1 << 16)),
    }),
  });
  await reader.readAt(0, new Uint8Array(1000));
  await expectError("limit", () => reader.readAt(1 << 20, new Uint8Array(1)), "1048576");
  await reader.readAt(1_000_000, new Uint8Array(1000));
});

Deno.test("SequentialReader refuses who waits and who comes when it is closed", async () => {
  const reader = open(
    new Pieces((piece, signal) =>
      piece < 3
        ? undefined
        : new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
    ),
  );
  const waiting = expectError("cancelled", () => read(reader, 9000), "closed");
  await read(reader, 10);
  await reader[Symbol.asyncDispose]();
  await waiting;
  await expectError("cancelled", () => read(reader, 0), "closed");
});

Deno.test("SequentialReader that rests does not begin again to read ahead", async () => {
  let begun = 0;
  await using spill = new MemorySpill(1 << 20);
  await using reader = new SequentialReader({
    ...{ identity: "sequence", sizeBytes: SIZE, spill, readAheadBytes: 5 * PIECE },
    begin: () => (begun++, new Pieces()),
  });
  await read(reader, 0);
  assert.equal(await reader.rest(), true);
  await read(reader, 900);
  assert.equal(begun, 1);
  await read(reader, 30_000);
  assert.equal(begun, 2);
});
