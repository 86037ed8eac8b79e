import assert from "node:assert/strict";
import { openZstd } from "../../../lib/images/zstd/open_zstd.ts";
import { xxh64 } from "../../../lib/images/zstd/xxh64.ts";
import { hasTool } from "../../filesystems/foreign_tools.ts";
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

const ignore = !hasTool("zstd");
const PLAIN = content(700_000);
const sized = (plain: Uint8Array, ...args: string[]) =>
  compress("zstd", plain, "-q", `--stream-size=${plain.length}`, ...args);

/** The seekable format: frames of `frameBytes` by zstd, then the seek table. */
async function seekable(plain: Uint8Array, frameBytes: number, frameArgs: string[], sums: boolean) {
  const frames: Uint8Array[] = [];
  const entries: number[] = [];
  for (let at = 0; at < plain.length; at += frameBytes) {
    const part = plain.subarray(at, at + frameBytes);
    const frame = await compress("zstd", part, "-q", ...frameArgs);
    frames.push(frame);
    entries.push(frame.length, part.length);
    // The frame's own checksum is the same number, by the format.
    if (sums) entries.push(Number(xxh64(part) & 0xffff_ffffn));
  }
  const table = new DataView(new ArrayBuffer(8 + entries.length * 4 + 9));
  const numbers = [0x184d2a5e, entries.length * 4 + 9, ...entries, frames.length];
  numbers.forEach((value, i) => table.setUint32(i * 4, value, true));
  table.setUint8(table.byteLength - 5, sums ? 0x80 : 0);
  table.setUint32(table.byteLength - 4, 0x8f92eab1, true);
  return join(...frames, new Uint8Array(table.buffer));
}

Deno.test({
  name: "openZstd() reads what zstd writes, with and without sizes and checksums",
  ignore,
  fn: async () => {
    const skippable = new Uint8Array([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    const parts = [PLAIN, content(0), content(200_001, 5)];
    const variants = [
      await sized(PLAIN),
      await sized(PLAIN, "-19", "--no-check"),
      await compress("zstd", PLAIN, "-q"),
      await compress("zstd", PLAIN, "-q", "--long=27", "--no-check"),
      await compress("zstd", PLAIN, "-q", "--no-compress-literals", "-1"),
    ];
    for (const stored of variants) {
      await using reader = await openZstd(memory(stored));
      await assertSameReads(reader, PLAIN);
    }
    for (const make of [sized, (plain: Uint8Array) => compress("zstd", plain, "-q")]) {
      const [a, b, c] = [await make(parts[0]!), await make(parts[1]!), await make(parts[2]!)];
      const stored = join(skippable, a, b, skippable, c, skippable);
      await using reader = await openZstd(memory(stored));
      await assertSameReads(reader, join(...parts));
      assertSameBytes(await compress("zstd", stored, "-d", "-q"), join(...parts));
    }
  },
});

Deno.test({
  name: "openZstd() decodes the one frame of the seekable format that holds the bytes",
  ignore,
  fn: async () => {
    for (const [args, sums] of [[["--no-check"], true], [[], true], [[], false]] as const) {
      const stored = await seekable(PLAIN, 100_000, [...args], sums);
      assertSameBytes(await compress("zstd", stored, "-d", "-q"), PLAIN);
      const source = new FaultyReader(stored);
      await using reader = await openZstd(source);
      assert.equal(source.reads.length, 2);
      const into = new Uint8Array(1000);
      await reader.readAt(350_000, into);
      assertSameBytes(into, PLAIN.subarray(350_000, 351_000));
      const readBytes = source.reads.reduce((sum, read) => sum + read.lengthBytes, 0);
      assert.ok(readBytes < stored.length / 3, `${readBytes} bytes of ${stored.length}`);
      await assertSameReads(reader, PLAIN);
      // The checksum of the first frame in the table: 12 bytes each, of which it is the last four.
      if (!sums) continue;
      const wrong = stored.slice();
      wrong[stored.length - 9 - 7 * 12 + 8]! ^= 1;
      await using bad = await openZstd(memory(wrong));
      await expectError("corrupt", () => bad.readAt(0, into), "seek table");
      await bad.readAt(150_000, into);
    }
  },
});

Deno.test({
  name: "openZstd() answers truncation, flipped bytes and what follows with a typed error",
  ignore,
  fn: async () => {
    const plain = content(40_000);
    const whole = join(plain, plain);
    const files = [
      { one: await sized(plain), two: await sized(plain) },
      { one: await compress("zstd", plain, "-q"), two: await compress("zstd", plain, "-q") },
    ];
    for (const { one, two } of files) {
      const stored = join(one, two);
      for (let length = 0; length < stored.length; length += length < 40 ? 1 : 331) {
        const outcome = await outcomeOf(
          openZstd,
          stored.subarray(0, length),
          plain,
          `cut ${length}`,
        );
        assert.equal(outcome, length === one.length ? "same" : "corrupt", `cut at ${length}`);
      }
      await expectError(
        "corrupt",
        () => openZstd(memory(stored.subarray(0, one.length - 1))),
        "cut",
      );
      let refused = 0;
      let cases = 0;
      for (let at = 0; at < stored.length; at += at < 20 ? 1 : 331) {
        const bytes = stored.slice();
        bytes[at]! ^= [1, 0x80, 0xff][at % 3]!;
        cases++;
        if (await outcomeOf(openZstd, bytes, whole, `byte ${at}`) !== "same") refused++;
      }
      // A wider window decodes the same.
      assert.ok(refused >= cases - 4, `${refused} of ${cases}`);
      await expectError(
        "corrupt",
        () => openZstd(memory(join(one, new Uint8Array(7)))),
        "no Zstandard",
      );
    }
    const table = await seekable(plain, 9000, [], true);
    for (let at = table.length - 9 - 5 * 12 - 8; at < table.length; at++) {
      const bytes = table.slice();
      bytes[at]! ^= 0x11;
      await outcomeOf(openZstd, bytes, plain, `table byte ${at}`);
    }
  },
});

Deno.test({
  name: "openZstd() reads a frame above 64 MiB front to back, and refuses a window above 256 MiB",
  ignore,
  fn: async () => {
    const plain = new Uint8Array(66 << 20);
    for (let at = 0; at < plain.length; at += 6 << 20) plain.set(PLAIN, at);
    const stored = await sized(plain, "-1");
    const source = new FaultyReader(stored);
    await using reader = await openZstd(source);
    const into = new Uint8Array(100_000);
    await reader.readAt(plain.length - 100_000, into);
    assertSameBytes(into, plain.subarray(-100_000));
    await assertSameReads(reader, plain);
    const long = await compress(
      "zstd",
      PLAIN,
      "-q",
      "--ultra",
      "--long=29",
      "--stream-size=900000000",
    )
      .catch(() => undefined);
    assert.equal(long, undefined, "zstd must notice the wrong size");
    const wide = await compress("zstd", PLAIN, "-q", "--long=29");
    await expectError("limit", () => openZstd(memory(wide)), "536870912");
  },
});

Deno.test({
  name: "openZstd() stops a bomb at its limit",
  ignore,
  fn: async () => {
    const stored = await compress("zstd", new Uint8Array(64 << 20), "-q");
    await expectError("limit", () => openZstd(memory(stored), { maxOutputBytes: 1 << 20 }));
    const tiny = await compress("zstd", content(1), "-q");
    const many = join(...Array.from({ length: 3000 }, () => tiny));
    await expectError("limit", () => openZstd(memory(many)), "nearly empty");
    const known = await sized(new Uint8Array(8 << 20));
    await expectError(
      "limit",
      () => openZstd(memory(known), { maxOutputBytes: 1 << 20 }),
      "8388608",
    );
  },
});

Deno.test("xxh64() gives the hashes of the specification's reference", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  assert.equal(xxh64(text("")), 0xef46db3751d8e999n);
  assert.equal(xxh64(text("abc")), 0x44bc2cf5ad770999n);
});
