import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import type { ErrorKind } from "../../../lib/errors/errors.ts";
import type { OpenedImage } from "../../../lib/filesystems/open_image.ts";
import { openImageWorker } from "../../../lib/filesystems/worker/open_image_worker.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { openFile } from "../../../lib/sources/file.ts";
import type { Reader, ReadOptions } from "../../../lib/sources/reader.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { DISK_TOOLS, fatImage, gptDisk } from "../../support/root_disks.ts";
import { rootInputs } from "../../support/root_inputs.ts";
import { assertSameTree } from "../compare_trees.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";
import { makeRichTree } from "../rich_tree.ts";

const expectKind = (kind: ErrorKind, work: Promise<unknown>) => assert.rejects(work, ofKind(kind));
const HOSTILE = new URL("./hostile_worker.ts", import.meta.url);

/** Counts what becomes of a source; reads may be held back. */
class WatchedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity = "watched";
  disposed = 0;
  readonly stopped = Promise.withResolvers<void>();
  hold: Promise<void> | undefined;
  readonly #held = Promise.withResolvers<void>();
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.sizeBytes = bytes.length;
  }

  /** Until a read is held back. */
  get held(): Promise<void> {
    return this.#held.promise;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    if (this.hold) {
      this.#held.resolve();
      const stop = Promise.withResolvers<void>();
      options.signal?.addEventListener("abort", () => {
        this.stopped.resolve();
        stop.reject(options.signal!.reason);
      });
      await Promise.race([this.hold, stop.promise]);
    }
    into.set(this.#bytes.subarray(offsetBytes, offsetBytes + into.length));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.disposed++;
    return Promise.resolve();
  }
}

const noise = (sizeBytes: number) =>
  Uint8Array.from({ length: sizeBytes }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 0xff);

Deno.test({
  name: "openImageWorker() shows the tree that mkfs.erofs packed",
  ignore: !hasTool("mkfs.erofs"),
  fn: () =>
    withTempDir(async (dir) => {
      await Deno.mkdir(`${dir}/tree`);
      await makeRichTree(`${dir}/tree`);
      const made = await run("mkfs.erofs", ["-zlz4hc", `${dir}/image`, `${dir}/tree`]);
      assert.equal(made.code, 0, made.stderr);
      await using worker = openImageWorker();
      await using image = await worker.open({ leaf: await openFile(`${dir}/image`) });
      assert.equal(image.format, "erofs");
      assert.equal(image.blockSizeBytes, 4096);
      const seen = await assertSameTree(await image.openTree(), `${dir}/tree`);
      assert.ok(seen.names > 40 && seen.bytes > 1_000_000, JSON.stringify(seen));
      await Deno.writeTextFile(`${dir}/tree/data/text-100`, "other");
      await assert.rejects(assertSameTree(await image.openTree(), `${dir}/tree`));
    }),
});

Deno.test("openImageWorker() gives every byte of a reader, many reads at a time", async () => {
  const bytes = noise(9_000_001);
  const leaf = new WatchedReader(bytes);
  await using worker = openImageWorker();
  {
    await using image = await worker.open({ leaf }, { purpose: "inspect" });
    assert.equal(image.format, undefined);
    const reads = Array.from({ length: 40 }, async (_, i) => {
      const at = i * 200_003;
      const into = new Uint8Array(i % 3 === 0 ? 777 : 1 << 20).subarray(0, bytes.length - at);
      await image.reader.readAt(at, into);
      return Buffer.compare(into, bytes.subarray(at, at + into.length)) === 0;
    });
    assert.ok((await Promise.all(reads)).every((same) => same));
    const whole = new Uint8Array(bytes.length);
    await image.reader.readAt(0, whole);
    assert.equal(Buffer.compare(whole, bytes), 0);
    await expectKind("limit", image.reader.readAt(bytes.length - 1, new Uint8Array(2)));
  }
  assert.equal(leaf.disposed, 1);
});

Deno.test("openImageWorker() stops a read by its signal alone", async () => {
  const leaf = new WatchedReader(noise(4 << 20));
  await using worker = openImageWorker();
  await using image = await worker.open({ leaf }, { purpose: "inspect" });
  const gate = Promise.withResolvers<void>();
  leaf.hold = gate.promise;
  const stop = new AbortController();
  const stopped = image.reader.readAt(0, new Uint8Array(1 << 20), { signal: stop.signal });
  const early = AbortSignal.abort();
  await expectKind("cancelled", image.reader.readAt(0, new Uint8Array(9), { signal: early }));
  await leaf.held;
  const other = new Uint8Array(1 << 20);
  const kept = image.reader.readAt(1 << 20, other);
  stop.abort();
  await expectKind("cancelled", stopped);
  // The source is told, too.
  await leaf.stopped.promise;
  gate.resolve();
  await kept;
  assert.equal(Buffer.compare(other, noise(4 << 20).subarray(1 << 20, 2 << 20)), 0);
});

Deno.test("openImageWorker() leaves the leaf to the caller when opening fails", async () => {
  const leaf = new WatchedReader(noise(1 << 16));
  await using worker = openImageWorker();
  await expectKind("usage", worker.open({ leaf }, { partition: "2" }));
  assert.equal(leaf.disposed, 0);
});

Deno.test("openImageWorker() ends everything that waits when it is disposed", async () => {
  const leaf = new WatchedReader(noise(1 << 20));
  const worker = openImageWorker();
  const image = await worker.open({ leaf }, { purpose: "inspect" });
  leaf.hold = new Promise(() => {});
  const waiting = image.reader.readAt(0, new Uint8Array(1 << 20));
  await worker[Symbol.asyncDispose]();
  await expectKind("cancelled", waiting);
  await expectKind("cancelled", image.reader.readAt(0, new Uint8Array(1)));
  assert.equal(leaf.disposed, 1);
});

/** A disk with a FAT, a root of 84 KiB and a partition of nothing. */
async function rootDisk(): Promise<Uint8Array> {
  await using inputs = await rootInputs();
  const fat = await fatImage(inputs.dir, { "vmlinuz": noise(300_000) });
  const path = await gptDisk(`${inputs.dir}/disk`, [
    { bytes: fat, label: "boot" },
    { bytes: inputs.root, label: "root" },
    { bytes: new Uint8Array(5000).fill(7) },
  ]);
  return await Deno.readFile(path);
}

Deno.test({
  name: "openImageWorker() opens what is beside a root, through the one disk",
  ignore: !DISK_TOOLS.every(hasTool),
  fn: async () => {
    const leaf = new WatchedReader(await rootDisk());
    await using worker = openImageWorker();
    const image = await worker.open({ leaf });
    assert.deepEqual(image.steps, ['gpt partition 2 "root"']);
    assert.deepEqual(image.siblings!.map(({ index, name }) => [index, name]), [[0, "boot"], [
      2,
      "",
    ]]);
    assert.equal(await image.openSibling(2), undefined);
    await expectKind("not-found", image.openSibling(1));
    const kernelOf = async (sibling: OpenedImage | undefined) =>
      await (await sibling!.openTree()).open("vmlinuz");
    const first = await image.openSibling(0);
    assert.equal(first!.format, "fat");
    const file = await kernelOf(first);
    const bytes = new Uint8Array(file.sizeBytes);
    await file.readAt(0, bytes);
    assert.equal(Buffer.compare(bytes, noise(300_000)), 0);
    await first![Symbol.asyncDispose]();
    await expectKind("cancelled", file.readAt(0, bytes));
    assert.equal(leaf.disposed, 0);
    // With the image closes what is open beside it, also while it is read.
    const second = await kernelOf(await image.openSibling(0));
    const gate = Promise.withResolvers<void>();
    leaf.hold = gate.promise;
    const reading = second.readAt(0, bytes);
    await leaf.held;
    const closing = image[Symbol.asyncDispose]();
    gate.resolve();
    await Promise.allSettled([reading, closing]);
    assert.equal(leaf.disposed, 1);
    await expectKind("cancelled", second.readAt(0, bytes));
    await assert.rejects(image.openSibling(0), ofKind("internal"));
  },
});

Deno.test({
  name: "openImageWorker() stops the opening of a sibling, and ends with one open",
  ignore: !DISK_TOOLS.every(hasTool),
  fn: async () => {
    const leaf = new WatchedReader(await rootDisk());
    const worker = openImageWorker();
    const image = await worker.open({ leaf });
    const sibling = await image.openSibling(0);
    const early = AbortSignal.abort();
    await expectKind("cancelled", image.openSibling(0, { signal: early }));
    const stop = new AbortController();
    const stopped = image.openSibling(0, { signal: stop.signal });
    stop.abort();
    await expectKind("cancelled", stopped);
    const file = await (await sibling!.openTree()).open("vmlinuz");
    leaf.hold = new Promise(() => {});
    const waiting = file.readAt(0, new Uint8Array(file.sizeBytes));
    await leaf.held;
    await worker[Symbol.asyncDispose]();
    await expectKind("cancelled", waiting);
    await expectKind("cancelled", sibling!.reader.readAt(0, new Uint8Array(1)));
    await sibling![Symbol.asyncDispose]();
    assert.equal(leaf.disposed, 1);
  },
});

Deno.test("openImageWorker() grants its worker nothing", async () => {
  let opened = 0;
  await using worker = openImageWorker({
    url: HOSTILE,
    openLeaf: () => {
      opened++;
      return Promise.resolve(new MemoryReader(new Uint8Array(1), "secret"));
    },
    openChunkStore: () => {
      opened++;
      return () => Promise.resolve(new Uint8Array(1));
    },
  });
  const leaf = new MemoryReader(new Uint8Array(16), "leaf");
  const image = await worker.open({ leaf }, { entry: "snoop" });
  assert.deepEqual(image.steps, [
    ...["NotCapable", "NotCapable", "NotCapable", "NotCapable"],
    ...["failed", "failed"],
  ]);
  assert.equal(opened, 0);
});

for (const deed of ["die", "flood", "unknown", "stray", "nonsense"]) {
  Deno.test(`openImageWorker() ends with a typed error when its worker's deed is: ${deed}`, async () => {
    await using worker = openImageWorker({ url: HOSTILE });
    const leaf = new WatchedReader(new Uint8Array(16));
    if (deed === "flood") leaf.hold = new Promise(() => {});
    const both = [1, 2].map(() => worker.open({ leaf }, { entry: deed }));
    for (const opening of both) await expectKind("internal", opening);
    await expectKind("internal", worker.open({ leaf }, { entry: deed }));
  });
}

Deno.test("openImageWorker() reads no more for its worker than one request may ask", async () => {
  await using worker = openImageWorker({ url: HOSTILE });
  const leaf = new MemoryReader(new Uint8Array(16), "leaf");
  assert.deepEqual((await worker.open({ leaf }, { entry: "gorge" })).steps, ["limit"]);
});

for (const [deed, says] of [["spin", /processor busy/], ["hoard", /bytes of memory/]] as const) {
  Deno.test(`openImageWorker() gives up on a worker that would ${deed} for ever`, async () => {
    const config = new URL("../../../deno.json", import.meta.url).pathname;
    const child = new URL("./runaway_child.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--quiet", `--config=${config}`, child, deed];
    const { code, stdout, stderr } = await run(Deno.execPath(), args);
    assert.equal(code, 0, stderr);
    const lines = stdout.trim().split("\n");
    assert.equal(lines.length, 2, stdout);
    for (const line of lines) assert.match(line, says);
  });
}

Deno.test("openImageWorker() opens pipelines, their leaves and scratch space through main", async () => {
  const plain = noise(3_000_000);
  const stored = gzipSync(plain);
  let opened = 0;
  let written = 0;
  const scratch = new Uint8Array(plain.length);
  await using worker = openImageWorker({
    openLeaf: (leaf) => {
      opened++;
      assert.equal(leaf.kind === "file" && leaf.path, "a.gz");
      return Promise.resolve(new MemoryReader(stored, "a.gz"));
    },
    spill: () =>
      Promise.resolve({
        write: (offsetBytes: number, bytes: Uint8Array) => {
          written += bytes.length;
          scratch.set(bytes, offsetBytes);
          return Promise.resolve();
        },
        readAt: (offsetBytes: number, into: Uint8Array) => {
          into.set(scratch.subarray(offsetBytes, offsetBytes + into.length));
          return Promise.resolve();
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  });
  const leaf = { kind: "file", path: "a.gz" } as const;
  const pipeline = { kind: "gzip", source: leaf } as const;
  const images = await Promise.all(
    [1, 2].map(() => worker.open({ pipeline }, { purpose: "inspect" })),
  );
  assert.equal(opened, 1);
  for (const { reader } of images) {
    const bytes = new Uint8Array(reader.sizeBytes);
    await reader.readAt(0, bytes);
    assert.equal(Buffer.compare(bytes, plain), 0);
  }
  assert.ok(written > 0, "what has no random access is kept by main");
  const refused = { ...pipeline, content: { digest: `sha512:${"0".repeat(128)}`, sizeBytes: 1 } };
  await expectKind("source", worker.open({ pipeline: refused }));
});
