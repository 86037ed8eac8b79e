import assert from "node:assert/strict";
import { openXz } from "../../../lib/images/xz/open_xz.ts";
import { readXzBlockTable } from "../../../lib/images/xz/read_xz_block_table.ts";
import { decodeXz } from "../../../lib/images/xz/decode_xz.ts";
import { XzPool } from "../../../lib/images/xz/xz_pool.ts";
import { XzBlockPieces } from "../../../lib/images/xz/block_pieces.ts";
import { hasTool, run, withTempDir } from "../../filesystems/foreign_tools.ts";
import { FaultyReader } from "../../support/faulty_reader.ts";
import { expectError } from "../../kernel/expect_error.ts";
import {
  assertSameBytes,
  assertSameReads,
  compress,
  content,
  join,
  memory,
  outcomeOf,
} from "../decoded_readers.ts";

const ignore = !hasTool("xz");
const PLAIN = content(700_000);

Deno.test({
  name: "openXz() reads at random what xz writes: blocks, streams, padding, checks, filters",
  ignore,
  fn: async () => {
    const variants = [
      ["-0", "-T1"],
      ["-T2", "--block-size=65536"],
      ["-1", "--block-size=100001", "--check=sha256"],
      ["-1", "--block-list=1000,7,300000,0", "--check=none"],
      ["-1", "--block-size=131072", "--check=crc32", "--x86", "--delta=dist=4", "--lzma2"],
    ];
    for (const args of variants) {
      await using reader = await openXz(memory(await compress("xz", PLAIN, ...args)));
      await assertSameReads(reader, PLAIN);
      assert.equal(reader.identity, "xz:(stored)");
    }
    const parts = [content(300_000, 2), content(0), content(400_001, 3)];
    const [a, b, c] = await Promise.all(
      parts.map((part, i) =>
        compress("xz", part, "--block-size=90000", `--check=${["crc32", "none", "crc64"][i]}`)
      ),
    );
    const whole = join(...parts);
    const stored = join(a!, new Uint8Array(8), b!, c!, new Uint8Array(4));
    await using reader = await openXz(memory(stored), { cacheBytes: 200_000 });
    await assertSameReads(reader, whole);
    assertSameBytes(decodeXz(stored, whole.length), whole);
    assertSameBytes(await compress("xz", stored, "-d"), whole);
  },
});

Deno.test({
  name: "readXzBlockTable() gives the blocks xz --list gives, in one request",
  ignore,
  fn: async () => {
    const stored = await compress("xz", PLAIN, "-0", "--block-size=10000");
    const source = new FaultyReader(stored);
    const table = await readXzBlockTable(source);
    // The tail, and the stream's header, which lies before it.
    assert.ok(source.reads.length <= 2, `${source.reads.length} reads`);
    const listed = await withTempDir(async (path) => {
      await Deno.writeFile(`${path}/x.xz`, stored);
      return (await run("xz", ["--robot", "--list", "-vv", `${path}/x.xz`])).stdout;
    });
    const rows = listed.split("\n").filter((line) => line.startsWith("block"))
      .map((line) => line.split("\t"));
    assert.equal(rows.length, 70);
    // Fields of --robot: stream, block, block in stream, offset, plain offset, stored, plain.
    assert.deepEqual(
      rows.map((row) => [row[4], row[6], row[7]].map(Number)),
      table.blocks.map((block) => [
        block.offsetBytes,
        Math.ceil(block.unpaddedSizeBytes / 4) * 4,
        block.plainSizeBytes,
      ]),
    );
    const again = new FaultyReader(stored);
    await using reader = await openXz(again, { table });
    assert.deepEqual(again.reads.map((read) => read.lengthBytes), [12]);
    await assertSameReads(reader, PLAIN);
    const [block] = table.blocks;
    const less = { ...block!, plainSizeBytes: block!.plainSizeBytes - 1 };
    await using short = await openXz(memory(stored), {
      table: { ...table, blocks: table.blocks.with(0, less) },
    });
    await expectError("corrupt", () => short.readAt(0, new Uint8Array(1)), "than in the index");
    const other = { ...table, blocks: table.blocks.toSpliced(3, 1) };
    const scanned = new FaultyReader(stored);
    await using dropped = await openXz(scanned, { table: other });
    assert.ok(scanned.reads.length > 1);
    await assertSameReads(dropped, PLAIN);
  },
});

Deno.test({
  name: "openXz() decodes a block once for 16 readers, and on the pool it is given",
  ignore,
  fn: async () => {
    const stored = await compress("xz", PLAIN, "-0", "--block-size=200000");
    let decodes = 0;
    await using pool = new XzPool();
    await using reader = await openXz(memory(stored), {
      decodeXz: (bytes, limitBytes) => {
        decodes++;
        return pool.decode(bytes, limitBytes);
      },
    });
    await Promise.all(Array.from({ length: 16 }, async (_, i) => {
      const into = new Uint8Array(5000);
      await reader.readAt(200_000 + i * 12_000, into);
      assertSameBytes(into, PLAIN.subarray(200_000 + i * 12_000).subarray(0, 5000));
    }));
    assert.ok(decodes <= 2, `${decodes} decodes: the block, and one read ahead`);
    await assertSameReads(reader, PLAIN);
    assert.ok(decodes <= 4);
  },
});

Deno.test({
  name: "openXz() answers truncation and flipped bytes with an error or the same bytes",
  ignore,
  fn: async () => {
    const plain = content(9000);
    const one = await compress("xz", plain, "-0", "--block-size=4000", "--check=crc32");
    const stored = join(one, new Uint8Array(4), one);
    const whole = join(plain, plain);
    assert.equal(await outcomeOf(openXz, stored, whole, "whole"), "same");
    for (let length = 0; length < stored.length; length += length < 80 ? 1 : 29) {
      const outcome = await outcomeOf(
        openXz,
        stored.subarray(0, length),
        whole.subarray(0, 9000),
        `cut ${length}`,
      );
      // Cut behind the first stream it is a file of one stream.
      const isWhole = length >= one.length && length <= one.length + 4 &&
        (length - one.length) % 4 === 0;
      assert.equal(outcome === "same", isWhole, `cut at ${length}: ${outcome}`);
    }
    let refused = 0;
    let cases = 0;
    for (
      let at = 0;
      at < stored.length;
      at += at < 60 || at > one.length - 60 && at < one.length + 60 ? 1 : 37
    ) {
      const bytes = stored.slice();
      bytes[at]! ^= [1, 0x80, 0xff][at % 3]!;
      cases++;
      if (await outcomeOf(openXz, bytes, whole, `byte ${at}`) !== "same") refused++;
    }
    assert.equal(refused, cases);
  },
});

Deno.test({
  name: "XzBlockPieces gives a block of any size in a window, and says no to a wrong check",
  ignore,
  fn: async () => {
    const plain = join(PLAIN, new Uint8Array(5_000_000), content(400_000, 9), PLAIN);
    const signal = new AbortController().signal;
    for (
      const args of [
        ["--lzma2=preset=0,dict=64KiB", "--check=sha256"],
        ["--lzma2=preset=1,dict=4KiB,lp=2,lc=1", "--check=crc64"],
        ["--arm64", "--x86", "--delta=dist=3", "--lzma2=preset=0,dict=64KiB", "--check=crc32"],
      ]
    ) {
      const stored = await compress("xz", plain, "-T1", ...args);
      const { blocks: [block] } = await readXzBlockTable(memory(stored));
      const pieces = new XzBlockPieces(memory(stored), block!);
      const parts: Uint8Array[] = [];
      for (let piece; (piece = await pieces.next(signal)) !== undefined;) parts.push(piece.slice());
      assertSameBytes(join(...parts), plain, args.join(" "));
      stored[(block!.offsetBytes + block!.unpaddedSizeBytes + 3 & ~3) - 1]! ^= 1;
      const wrong = new XzBlockPieces(memory(stored), block!);
      await expectError("corrupt", async () => {
        while (await wrong.next(signal) !== undefined);
      }, "checksum");
    }
  },
});

Deno.test({
  name: "openXz() reads a block above 64 MiB front to back, where it is asked",
  ignore,
  fn: async () => {
    const plain = new Uint8Array(66 << 20);
    for (let at = 0; at < plain.length; at += 6 << 20) plain.set(PLAIN, at);
    const stored = await compress("xz", plain, "-0", "-T1");
    const source = new FaultyReader(stored);
    await using reader = await openXz(source);
    assert.equal(reader.sizeBytes, plain.length);
    const into = new Uint8Array(100_000);
    await reader.readAt(3 << 20, into);
    assertSameBytes(into, plain.subarray(3 << 20, (3 << 20) + 100_000));
    const far = Math.max(...source.reads.slice(3).map((read) => read.offsetBytes));
    assert.ok(far < stored.length / 2, `read up to ${far}`);
    await reader.readAt(plain.length - 100_000, into);
    assertSameBytes(into, plain.subarray(-100_000));
    await assertSameReads(reader, plain);
    // Three such blocks, of which two at a time may keep a window: the third begins again.
    await using three = await openXz(memory(join(stored, stored, stored)));
    for (const at of [1 << 20, 6 << 20, 7 << 20]) {
      await Promise.all([0, 1, 2, 1, 0].map(async (block, i) => {
        const part = new Uint8Array(100_000);
        await three.readAt(block * plain.length + at + i, part);
        assertSameBytes(part, plain.subarray(at + i, at + i + part.length), `${block}: ${at}`);
      }));
    }
    const over = new Uint8Array(2000);
    await three.readAt(plain.length - 1000, over);
    assertSameBytes(over, join(plain.subarray(-1000), plain.subarray(0, 1000)));
  },
});

Deno.test({
  name: "openXz() refuses content above the limit, and leaves the source to the caller",
  ignore,
  fn: async () => {
    const source = new FaultyReader(await compress("xz", PLAIN, "-0"));
    await expectError("limit", () => openXz(source, { maxOutputBytes: 1000 }), "700000");
    assert.equal(source.disposed, false);
    const reader = await openXz(source);
    await reader[Symbol.asyncDispose]();
    assert.equal(source.disposed, true);
    await expectError("cancelled", () => reader.readAt(0, new Uint8Array(1)), "closed");
    await expectError("corrupt", () => openXz(memory(new Uint8Array(0))));
    await expectError("corrupt", () => openXz(memory(new Uint8Array(1 << 20))));
    await expectError("limit", () => openXz(memory(new Uint8Array(9 << 20))), "padding");
  },
});

Deno.test({
  name: "XzBlockPieces refuses to keep a window above 256 MiB",
  ignore,
  fn: async () => {
    // The dictionary counts only as far as the block's content: the table says that there is more.
    const stored = await compress("xz", PLAIN, "-T1", "--lzma2=preset=0,dict=384MiB");
    const { blocks: [block] } = await readXzBlockTable(memory(stored));
    const large = { ...block!, plainSizeBytes: 2 ** 30 };
    const pieces = new XzBlockPieces(memory(stored), large);
    await expectError("limit", () => pieces.next(new AbortController().signal), "402653184");
  },
});
