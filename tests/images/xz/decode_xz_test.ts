import assert from "node:assert/strict";
import { crc64 } from "../../../lib/images/xz/crc64.ts";
import { decodeXz } from "../../../lib/images/xz/decode_xz.ts";
import { Lzma2Decoder } from "../../../lib/images/xz/lzma2.ts";
import { XzPool } from "../../../lib/images/xz/xz_pool.ts";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { expectError } from "../../kernel/expect_error.ts";
import { compress, content } from "../decoded_readers.ts";
import { hasProgram } from "../../kernel/real_trees.ts";

const ignore = !hasProgram("xz");

const xz = (plain: Uint8Array, ...args: string[]) => compress("xz", plain, ...args);

Deno.test({
  name: "decodeXz() reads what xz writes, whatever its options",
  ignore,
  fn: async () => {
    const plain = content(700_000);
    for (
      const args of [
        ["-0"],
        ["-6"],
        ["-9e"],
        ["--check=crc32", "--lzma2=dict=1MiB"],
        ["--check=none"],
        ["--lzma2=preset=6,lc=0,lp=2,pb=0"],
        ["--lzma2=preset=6,lc=4,lp=0,pb=4"],
        ["--lzma2=dict=4KiB,nice=273,mf=bt2,mode=normal"],
        ["--block-size=100000"],
        ["-T2", "--block-size=100000"],
      ]
    ) {
      const decoded = decodeXz(await xz(plain, ...args), plain.length);
      assert.deepEqual(decoded, plain, args.join(" "));
    }
    for (const size of [0, 1, 5, 65_536]) {
      assert.deepEqual(decodeXz(await xz(content(size)), 1 << 20), content(size), String(size));
    }
  },
});

Deno.test({
  name: "decodeXz() refuses what is cut, damaged, too large or of another kind",
  ignore,
  fn: async () => {
    const plain = content(20_000);
    const stored = await xz(plain, "--check=crc32");
    for (let length = 0; length < stored.length; length += length < 64 ? 1 : 97) {
      await expectError("corrupt", () => decodeXz(stored.subarray(0, length), 1 << 20));
    }
    await expectError("corrupt", () => decodeXz(stored.subarray(0, -1), 1 << 20), "cut");
    await expectError("limit", () => decodeXz(stored, plain.length - 1), "19999");
    await expectError("limit", async () => decodeXz(await xz(new Uint8Array(9 << 20)), 8 << 20));
    const ia64 = await xz(plain, "--ia64", "--lzma2");
    await expectError("unsupported", () => decodeXz(ia64, 1 << 20), "filter IA-64");
    const four = new Uint8Array([...stored, 0, 0, 0, 0]);
    assert.deepEqual(decodeXz(four, 1 << 20), plain);
    await expectError("corrupt", () => decodeXz(four.subarray(0, -1), 1 << 20), "multiple of 4");
    const text = new Uint8Array([...stored, 116, 101, 120, 116]);
    await expectError("corrupt", () => decodeXz(text, 1 << 20), "follows");
  },
});

Deno.test({
  name: "decodeXz() answers every flipped byte with an error or the same bytes",
  ignore,
  fn: async () => {
    const plain = content(33_000);
    const stored = await xz(plain, "--check=crc32", "--block-size=12000");
    let refused = 0;
    for (let at = 0; at < stored.length; at += 3) {
      const bytes = stored.slice();
      bytes[at]! ^= 1 << (at % 8);
      try {
        assert.deepEqual(decodeXz(bytes, 1 << 20), plain, `byte ${at}`);
      } catch (error) {
        if (!(error instanceof FastboopError)) throw error;
        refused++;
      }
    }
    assert.equal(refused, Math.ceil(stored.length / 3));
  },
});

Deno.test("crc64() gives the format's check value", () => {
  assert.equal(crc64(new TextEncoder().encode("123456789")), 0x995dc9bbdf1939fan);
});

Deno.test({
  name: "XzPool decodes on several workers, passes errors on, and ends",
  ignore,
  fn: async () => {
    const plain = content(100_000);
    const stored = await xz(plain);
    const pool = new XzPool();
    try {
      const all = Array.from({ length: 8 }, () => pool.decode(stored.slice(), 1 << 20));
      for (const decoded of await Promise.all(all)) assert.deepEqual(decoded, plain);
      await expectError("corrupt", () => pool.decode(stored.slice(0, 500), 1 << 20), "cut");
      await expectError("limit", () => pool.decode(stored.slice(), 1000));
    } finally {
      await pool[Symbol.asyncDispose]();
    }
  },
});

Deno.test("XzPool rejects what it had not decoded when it is closed", async () => {
  const pool = new XzPool(1);
  const pending = pool.decode(new Uint8Array(100), 1000);
  await pool[Symbol.asyncDispose]();
  await expectError("cancelled", () => pending, "closed");
  await expectError("cancelled", () => pool.decode(new Uint8Array(100), 1000), "closed");
});

Deno.test({
  name: "Lzma2Decoder wants properties after each reset of the dictionary",
  ignore,
  fn: async () => {
    const raw = await xz(new Uint8Array(1000), "--format=raw", "--lzma2=preset=0");
    const bytes = new Uint8Array(1 << 16);
    bytes.set(raw);
    // In place of the end: a raw chunk that resets, and a chunk that keeps everything.
    bytes.set([1, 0, 0, 65, 0x80, 0, 0, 0, 5], raw.length - 1);
    const output = { bytes: new Uint8Array(4096), endBytes: 0, dictionaryStart: 0, reserve() {} };
    const decoder = new Lzma2Decoder(output, 4096);
    const first = decoder.step(bytes, 0, bytes.length)!;
    assert.equal(first, raw.length - 1);
    const second = decoder.step(bytes, first, bytes.length)!;
    await expectError("corrupt", () => decoder.step(bytes, second, bytes.length), "no properties");
  },
});
