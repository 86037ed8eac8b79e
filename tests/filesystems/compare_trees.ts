/** One tree against another: every name, attribute and byte. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DirectoryTree } from "../../lib/sources/directory.ts";
import type { Entry, FileTree } from "../../lib/sources/file_tree.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { openXattrs } from "../../lib/sources/xattr.ts";
import { run } from "./foreign_tools.ts";

const CHUNK_BYTES = 1 << 20;

/** What one comparison saw, so that a test can tell that it saw anything. */
export interface Seen {
  names: number;
  bytes: number;
  attributes: number;
}

/** Asserts that `actual` holds what an image mounted at `path` holds. */
export function assertSameAsMounted(actual: FileTree, path: string): Promise<Seen> {
  return assertSameTree(actual, path);
}

/** Asserts that `actual` holds what the directory at `path` holds. */
export async function assertSameTree(actual: FileTree, path: string): Promise<Seen> {
  const seen: Seen = { names: 0, bytes: 0, attributes: 0 };
  await using expected = new DirectoryTree(path, { readXattrs: openXattrs(console.warn) });
  await compareDirectory(expected, actual, "", await exactTimes(path), seen);
  return seen;
}

/** Seconds with nine decimals by path; Deno itself tells milliseconds only. */
async function exactTimes(path: string): Promise<Map<string, string>> {
  const { stdout } = await run("find", [path, "-mindepth", "1", "-printf", "%P\\0%T@\\0"]);
  const parts = stdout.split("\0");
  const times = new Map<string, string>();
  for (let i = 0; i + 1 < parts.length; i += 2) times.set(parts[i]!, parts[i + 1]!.slice(0, -1));
  return times;
}

async function compareDirectory(
  expected: DirectoryTree,
  actual: FileTree,
  folder: string,
  times: Map<string, string>,
  seen: Seen,
): Promise<void> {
  const wanted = (await expected.list(folder)).filter(({ name }) => folder + name !== "lost+found");
  const got = (await actual.list(folder)).filter(({ name }) => folder + name !== "lost+found");
  assert.deepEqual(got.map(({ name }) => name), wanted.map(({ name }) => name), folder);
  for (const [i, entry] of got.entries()) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    seen.names++;
    seen.attributes += entry.xattrs?.size ?? 0;
    assert.deepEqual(comparable(entry), comparable(wanted[i]!), path);
    assert.equal(timeText(entry), times.get(path), path);
    if (entry.kind === "directory") {
      await compareDirectory(expected, actual, path, times, seen);
    } else if (entry.kind === "file") {
      await using have = await actual.open(path, entry);
      await assertSameBytes(have, `${expected.rootPath}/${path}`, path);
      seen.bytes += have.sizeBytes;
    }
  }
}

function comparable(entry: Entry) {
  const { stamp: _, hardLinkKey, mtimeNanoseconds: __, xattrs, ...rest } = entry;
  const attributes = [...xattrs ?? []].map(([name, value]) => `${name}=${value.join()}`).sort();
  return { ...rest, linked: hardLinkKey !== undefined, attributes };
}

function timeText({ mtimeSeconds, mtimeNanoseconds }: Entry): string {
  const total = BigInt(mtimeSeconds) * 1_000_000_000n + BigInt(mtimeNanoseconds);
  const positive = total < 0n ? -total : total;
  const text = `${positive / 1_000_000_000n}.${String(positive % 1_000_000_000n).padStart(9, "0")}`;
  return total < 0n ? `-${text}` : text;
}

async function assertSameBytes(have: Reader, hostPath: string, path: string): Promise<void> {
  using want = await Deno.open(hostPath);
  assert.equal(have.sizeBytes, want.statSync().size, path);
  for (let at = 0; at < have.sizeBytes; at += CHUNK_BYTES) {
    const lengthBytes = Math.min(CHUNK_BYTES, have.sizeBytes - at);
    const [a, b] = [new Uint8Array(lengthBytes), new Uint8Array(lengthBytes)];
    await have.readAt(at, a);
    for (let done = 0; done < b.length;) done += want.readSync(b.subarray(done)) ?? Infinity;
    assert.ok(Buffer.compare(a, b) === 0, `${path} differs within ${lengthBytes} bytes from ${at}`);
    await assertSamePieces(have, b, at, path);
  }
}

/** The same bytes again in odd pieces, since those go through other code. */
async function assertSamePieces(
  have: Reader,
  want: Uint8Array,
  start: number,
  path: string,
): Promise<void> {
  for (let i = 0; i < 6; i++) {
    const at = Math.floor((want.length * i) / 6);
    const piece = new Uint8Array(Math.min(1 + i * 1777, want.length - at));
    await have.readAt(start + at, piece);
    const same = Buffer.compare(piece, want.subarray(at, at + piece.length)) === 0;
    assert.ok(same, `${path} differs in a piece of ${piece.length} bytes at ${start + at}`);
  }
}
