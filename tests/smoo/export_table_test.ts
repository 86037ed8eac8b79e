import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import type { SmooExport } from "../../lib/smoo/export.ts";
import { ExportTable, MAX_REQUEST_BYTES } from "../../lib/smoo/export_table.ts";
import { OP_DISCARD, OP_FLUSH, OP_READ, OP_WRITE, type Request } from "../../lib/smoo/wire.ts";
import { PatternReader } from "../support/pattern_reader.ts";
import { seededRandom } from "./seeded_random.ts";

function disk(id: number, sizeBytes = 16 * 2 ** 20, blockSizeBytes = 4096): SmooExport {
  const reader = new PatternReader({ seed: id, blockSizeBytes: 4096, sizeBytes });
  return { id, name: `disk ${id}`, reader, blockSizeBytes };
}

function request(parts: Partial<Request>): Request {
  return { op: OP_READ, requestId: 0, exportId: 1, lba: 0n, numBlocks: 1, flags: 0, ...parts };
}

const usage = (error: unknown) => error instanceof FastboopError && error.kind === "usage";
const corrupt = (error: unknown) => error instanceof FastboopError && error.kind === "corrupt";

Deno.test("ExportTable() rounds sizes up to whole blocks", () => {
  const table = new ExportTable([disk(1, 4097), disk(7, 512, 512)]);
  assert.deepEqual(table.disks.map((one) => [one.sizeBytes, one.blockCount]), [[8192, 2], [
    512,
    1,
  ]]);
});

Deno.test("ExportTable() takes 32 exports and refuses none or 33", () => {
  const list = Array.from({ length: 33 }, (_, index) => disk(index + 1));
  assert.equal(new ExportTable(list.slice(0, 32)).disks.length, 32);
  assert.throws(() => new ExportTable(list), usage);
  assert.throws(() => new ExportTable([]), usage);
});

Deno.test("ExportTable() refuses ids, block sizes and sizes no gadget can have", () => {
  const wrong: SmooExport[][] = [
    [disk(0)],
    [disk(-1)],
    [disk(1.5)],
    [disk(2 ** 32)],
    [disk(1), disk(1)],
    [disk(2), disk(1)],
    [disk(1, 4096, 256)],
    [disk(1, 4096, 8192)],
    [disk(1, 4096, 1000)],
    [disk(1, 4096, NaN)],
    [disk(1, 0)],
    [disk(1, NaN)],
    [disk(1, 2 ** 53)],
  ];
  for (const list of wrong) assert.throws(() => new ExportTable(list), usage);
  assert.ok(new ExportTable([disk(2 ** 32 - 1)]));
});

Deno.test("judge() serves a read inside the disk", () => {
  const table = new ExportTable([disk(1)]);
  const verdict = table.judge(request({ lba: 5n, numBlocks: 3 }));
  assert.ok(verdict.kind === "read");
  assert.deepEqual([verdict.offsetBytes, verdict.sizeBytes], [5 * 4096, 3 * 4096]);
});

Deno.test("judge() answers EINVAL for a read outside, exactly from the edge on", () => {
  const table = new ExportTable([disk(1)]);
  const status = (parts: Partial<Request>) => {
    const verdict = table.judge(request(parts));
    return verdict.kind === "answer" ? verdict.status : verdict.kind;
  };
  assert.equal(status({ lba: 4095n }), "read");
  assert.equal(status({ lba: 4096n }), 22);
  assert.equal(status({ lba: 4095n, numBlocks: 2 }), 22);
  assert.equal(status({ lba: 2n ** 64n - 1n }), 22);
  assert.equal(status({ lba: 2n ** 63n, numBlocks: 2 ** 32 - 1 }), 22);
  assert.equal(status({ numBlocks: 2 ** 32 - 1 }), 22);
  assert.equal(status({ numBlocks: 0 }), 22);
  assert.equal(status({ exportId: 0 }), 22);
  assert.equal(status({ exportId: 9 }), 22);
  assert.equal(status({ numBlocks: MAX_REQUEST_BYTES / 4096 }), "read");
  assert.equal(status({ numBlocks: MAX_REQUEST_BYTES / 4096 + 1 }), 22);
});

Deno.test("judge() knows the other operations", () => {
  const table = new ExportTable([disk(1)]);
  const answer = (parts: Partial<Request>) => {
    const { disk: _, ...rest } = table.judge(request(parts)) as Record<string, unknown>;
    return rest;
  };
  assert.deepEqual(answer({ op: OP_FLUSH, numBlocks: 0 }), { kind: "answer", status: 0 });
  assert.deepEqual(answer({ op: OP_DISCARD }), { kind: "answer", status: 95 });
  assert.deepEqual(answer({ op: OP_FLUSH, exportId: 9 }), { kind: "answer", status: 22 });
  assert.deepEqual(answer({ op: OP_DISCARD, exportId: 9 }), { kind: "answer", status: 22 });
  assert.deepEqual(answer({ op: OP_WRITE, numBlocks: 0 }), { kind: "answer", status: 95 });
  const drain = { kind: "drain", sizeBytes: 8192, status: 95 };
  assert.deepEqual(answer({ op: OP_WRITE, numBlocks: 2 }), drain);
  assert.deepEqual(answer({ op: OP_WRITE, numBlocks: 2, lba: 2n ** 60n }), drain);
});

Deno.test("judge() ends the session for a Write whose payload has no provable length", () => {
  const table = new ExportTable([disk(1)]);
  const most = MAX_REQUEST_BYTES / 4096;
  assert.equal(table.judge(request({ op: OP_WRITE, numBlocks: most })).kind, "drain");
  assert.throws(() => table.judge(request({ op: OP_WRITE, numBlocks: most + 1 })), corrupt);
  assert.throws(() => table.judge(request({ op: OP_WRITE, exportId: 9 })), corrupt);
});

Deno.test("judge() never lets a read leave its disk, whatever is asked", () => {
  const table = new ExportTable([disk(1, 10_000), disk(2, 2 ** 40, 512)]);
  const random = seededRandom(0x51);
  let reads = 0;
  for (let round = 0; round < 20_000; round++) {
    const lba = (BigInt(random(2 ** 32)) << BigInt(random(33))) >> BigInt(random(65));
    const numBlocks = random(2 ** 32) >>> random(33);
    const verdict = table.judge(request({ exportId: random(4), lba, numBlocks }));
    if (verdict.kind !== "read") continue;
    reads++;
    assert.ok(verdict.sizeBytes >= 1 && verdict.sizeBytes <= MAX_REQUEST_BYTES);
    assert.ok(verdict.offsetBytes >= 0);
    assert.ok(verdict.offsetBytes + verdict.sizeBytes <= verdict.disk.sizeBytes);
  }
  assert.ok(reads > 500, `only ${reads} reads`);
});
