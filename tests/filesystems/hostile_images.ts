/** Damaged images: what a reader may answer to one is the files, or a FastboopError of four kinds. */
import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import { FastboopError } from "../../lib/errors/errors.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { FileTree } from "../../lib/sources/file_tree.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { seededRandom } from "../smoo/seeded_random.ts";

export type OpenTree = (reader: Reader) => Promise<FileTree>;

const ALLOWED = ["corrupt", "limit", "unsupported", "not-found"];
/** A damaged directory may contain itself; not going round is the walker's business. */
const DEPTH = 5;
const NAMES = 200;
const READ_BYTES = 64 << 10;
const CASE_MS = 1000;
const MEMORY_BYTES = 256 << 20;

/** What all files of the image in `bytes` are: a digest, or the kind of the error. */
export async function outcomeOf(open: OpenTree, bytes: Uint8Array): Promise<string> {
  const digest = createHash("sha1");
  const failures: string[] = [];
  const attempt = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof FastboopError) || !ALLOWED.includes(error.kind)) throw error;
      failures.push(error.kind);
    }
  };
  await attempt(async () => {
    await using tree = await open(new MemoryReader(bytes, "image"));
    let names = NAMES;
    const walk = async (folder: string, depth: number): Promise<void> => {
      for (const entry of await tree.list(folder)) {
        if (names-- <= 0) return;
        const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
        const { stamp: _, xattrs, ...rest } = entry;
        digest.update(JSON.stringify([path, rest, [...xattrs ?? []].map(String)]));
        if (entry.kind === "directory" && depth < DEPTH) {
          await attempt(() => walk(path, depth + 1));
        } else if (entry.kind === "file" || entry.kind === "symlink") {
          await attempt(() => readEnds(tree, path, digest));
        }
      }
    };
    await walk("", 0);
  });
  return failures.length > 0 ? `error: ${failures[0]}` : digest.digest("hex");
}

/** The start and the end of a file, as far as a damaged size lets one go. */
async function readEnds(tree: FileTree, path: string, digest: Hash): Promise<void> {
  await using reader = await tree.open(path);
  const start = new Uint8Array(Math.min(reader.sizeBytes, READ_BYTES));
  await reader.readAt(0, start);
  digest.update(start);
  const end = new Uint8Array(Math.min(reader.sizeBytes, 100));
  await reader.readAt(reader.sizeBytes - end.length, end);
  digest.update(end);
}

/** Counts of what damaged images led to. */
export type Tally = Record<"same" | "different" | "error", number>;

/** Runs one case after the other and holds each to its time, all to their memory. */
export async function tally(
  open: OpenTree,
  whole: string,
  cases: Iterable<{ bytes: Uint8Array; story: string }>,
  onDifferent?: (story: string) => void,
): Promise<Tally> {
  const counts: Tally = { same: 0, different: 0, error: 0 };
  const before = Deno.memoryUsage().rss;
  for (const { bytes, story } of cases) {
    const start = performance.now();
    let outcome: string;
    try {
      outcome = await outcomeOf(open, bytes);
    } catch (cause) {
      throw new Error(`not a typed error: ${story}`, { cause });
    }
    const took = performance.now() - start;
    assert.ok(took < CASE_MS, `${story} took ${took} ms`);
    if (outcome === whole) counts.same++;
    else if (outcome.startsWith("error")) counts.error++;
    else {
      counts.different++;
      onDifferent?.(story);
    }
  }
  const grown = Deno.memoryUsage().rss - before;
  assert.ok(grown < MEMORY_BYTES, `memory grew by ${grown} bytes`);
  return counts;
}

/** The image cut at every `step`. */
export function* truncations(image: Uint8Array, step: number) {
  for (let end = 0; end < image.length; end += step) {
    yield { bytes: image.subarray(0, end), story: `cut at ${end}` };
  }
}

/** Each byte of `ranges` with one bit, or all, inverted. */
export function* flips(image: Uint8Array, ranges: Iterable<readonly [from: number, to: number]>) {
  const bytes = image.slice();
  for (const [from, to] of ranges) {
    for (let at = from; at < to; at++) {
      const mask = [1, 0x80, 0xff, 0x10][at & 3]!;
      bytes[at]! ^= mask;
      yield { bytes, story: `byte ${at} with ${mask} inverted` };
      bytes[at]! ^= mask;
    }
  }
}

const VALUES = [0, 1, 0x7f, 0x80, 0xff];

/** `count` images with one to six changes inside `ranges`: bytes, words, copies, zeroed runs. */
export function* mutations(
  image: Uint8Array,
  ranges: readonly (readonly [from: number, to: number])[],
  seed: number,
  count: number,
  repair?: (bytes: Uint8Array) => void,
) {
  const random = seededRandom(seed);
  const bytes = image.slice();
  const place = () => {
    const [from, to] = ranges[random(ranges.length)]!;
    return from + random(to - from);
  };
  for (let i = 0; i < count; i++) {
    bytes.set(image);
    for (let changes = 1 + random(6); changes > 0; changes--) {
      const at = place();
      const way = random(5);
      if (way === 0) bytes[at] = random(256);
      else if (way === 1) bytes[at]! ^= 1 << random(8);
      else if (way === 2) bytes.fill(VALUES[random(5)]!, at, at + (1 << random(4)));
      else if (way === 3) bytes.copyWithin(at, place(), place() + 32);
      else bytes.set([random(256), random(256), 0, 0].slice(0, image.length - at), at);
    }
    repair?.(bytes);
    yield { bytes, story: `seed ${seed}, case ${i}` };
  }
}

/** Ranges of an image in steps of 16 bytes that are neither zero nor text, which is files' data. */
export function usedRanges(image: Uint8Array, from = 0): [number, number][] {
  const isText = (byte: number) => byte === 10 || (byte >= 32 && byte < 127);
  const ranges: [number, number][] = [];
  for (let at = from; at < image.length; at += 16) {
    const step = image.subarray(at, at + 16);
    if (step.every((byte) => byte === 0) || step.every(isText)) continue;
    const last = ranges.at(-1);
    if (last?.[1] === at) last[1] = Math.min(at + 16, image.length);
    else ranges.push([at, Math.min(at + 16, image.length)]);
  }
  return ranges;
}
