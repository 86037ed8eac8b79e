/** What tests of compressed containers need: foreign compressors, content, and a comparison of reads. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FastboopError } from "../../lib/errors/errors.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { Reader } from "../../lib/sources/reader.ts";

/** What `program` writes to its output for `plain`. */
export async function compress(
  program: string,
  plain: Uint8Array,
  ...args: string[]
): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command(program, {
    args: ["-c", ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(plain).then(() => writer.close());
  const { success, stdout, stderr } = await child.output();
  await written.catch(() => {});
  assert.ok(success, new TextDecoder().decode(stderr));
  return new Uint8Array(stdout);
}

/** Text, runs, and bytes nothing can compress, so that all kinds of symbols and chunks occur. */
export function content(sizeBytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const kind = (at >> 14) % 4;
    bytes[at] = kind === 0
      ? seed >>> 24
      : kind === 1
      ? "module symbol alias "[(at * 7 + (seed >>> 31)) % 20]!.charCodeAt(0)
      : kind === 2
      ? at >> 9
      : bytes[at - 5000 - (seed >>> 30)]!;
  }
  return bytes;
}

export function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function memory(bytes: Uint8Array): MemoryReader {
  return new MemoryReader(bytes, "stored");
}

/** Compares seeded reads of all sizes and places, several at a time, with the plain bytes. */
export async function assertSameReads(reader: Reader, plain: Uint8Array, seed = 1): Promise<void> {
  assert.equal(reader.sizeBytes, plain.length);
  const range = fc.tuple(fc.nat(plain.length), fc.nat(Math.min(plain.length, 300_000)));
  const reads = fc.sample(range, { seed, numRuns: 40 });
  reads.push([0, Math.min(1, plain.length)], [plain.length, 0]);
  await Promise.all(reads.map(async ([at, length]) => {
    const into = new Uint8Array(Math.min(length, plain.length - at));
    await reader.readAt(at, into);
    assertSameBytes(into, plain.subarray(at, at + into.length), `at ${at}`);
  }));
}

/** As deepEqual, which takes seconds for a megabyte. */
export function assertSameBytes(found: Uint8Array, expected: Uint8Array, what = ""): void {
  assert.equal(found.length, expected.length, what);
  const at = found.findIndex((byte, i) => byte !== expected[i]);
  assert.equal(at, -1, `${what}: byte ${at} differs`);
}

/** All of it, or the kind of the error; anything but the plain bytes or a typed error is a failure. */
export async function outcomeOf(
  open: (source: Reader) => Promise<Reader>,
  stored: Uint8Array,
  plain: Uint8Array,
  story: string,
): Promise<string> {
  try {
    await using reader = await open(memory(stored));
    const into = new Uint8Array(Math.min(reader.sizeBytes, plain.length + 1));
    await reader.readAt(0, into);
    assertSameBytes(into, plain, story);
    return "same";
  } catch (error) {
    if (!(error instanceof FastboopError)) throw error;
    assert.ok(["corrupt", "limit", "unsupported"].includes(error.kind), `${story}: ${error}`);
    return error.kind;
  }
}
