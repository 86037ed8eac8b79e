/** Indexes made by hand, with their chunks in memory. */
import { createHash } from "node:crypto";
import type { ChunkStore } from "../../../lib/sources/chunk_store.ts";
import { concat } from "../android_sparse/sparse_images.ts";

export interface Made {
  index: Uint8Array<ArrayBuffer>;
  plain: Uint8Array;
  files: Map<string, Uint8Array>;
  ids: string[];
}

const u64 = (...values: (bigint | number)[]) => {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setBigUint64(i * 8, BigInt(value), true));
  return bytes;
};

/** An index of these chunks and the files of its store, each as `encode` keeps it. */
export function makeCasync(
  chunks: readonly Uint8Array[],
  encode: (chunk: Uint8Array) => Uint8Array = (chunk) => chunk,
  suffix = ".cacnk",
): Made {
  const files = new Map<string, Uint8Array>();
  const ids: string[] = [];
  const items: Uint8Array[] = [];
  let end = 0;
  for (const chunk of chunks) {
    const id = createHash("sha512-256").update(chunk).digest();
    const text = id.toString("hex");
    files.set(`${text.slice(0, 4)}/${text}${suffix}`, encode(chunk));
    ids.push(text);
    items.push(u64(end += chunk.length), id);
  }
  const index = concat([
    u64(48, 0x96824d9c7b129ff9n, 0xb000000000000000n, 1, 4096, 65536),
    u64(0xffffffffffffffffn, 0xe75b9e112f17417dn),
    ...items,
    u64(0, 0, 48, 16 + 40 * chunks.length + 40, 0x4b4f050e5549ecd1n),
  ]);
  return { index, plain: concat(chunks), files, ids };
}

/** A store of those files that counts. */
export function memoryStore(files: ReadonlyMap<string, Uint8Array>) {
  const asked: string[] = [];
  let running = 0;
  const seen = { asked, mostParallel: 0 };
  const store: ChunkStore = async (path) => {
    asked.push(path);
    seen.mostParallel = Math.max(seen.mostParallel, ++running);
    await new Promise((done) => queueMicrotask(() => done(undefined)));
    running--;
    return files.get(path);
  };
  return { store, seen };
}
