import assert from "node:assert/strict";
import fc from "fast-check";
import { PostcardReader, PostcardWriter } from "../../lib/bytes/postcard.ts";
import { ofKind } from "../support/expect_kind.ts";

const reader = (...bytes: number[]) => new PostcardReader(Uint8Array.from(bytes), "Read it");

function written(write: (writer: PostcardWriter) => void): number[] {
  const writer = new PostcardWriter();
  write(writer);
  return [...writer.finish()];
}

Deno.test("PostcardWriter writes the format's own examples", () => {
  // The table of varints in the wire specification.
  for (
    const [value, bytes] of [
      [0, [0]],
      [127, [0x7f]],
      [128, [0x80, 1]],
      [16383, [0xff, 0x7f]],
      [16384, [0x80, 0x80, 1]],
      [65535, [0xff, 0xff, 3]],
      [0xffff_ffff, [0xff, 0xff, 0xff, 0xff, 0x0f]],
    ] as const
  ) {
    assert.deepEqual(written((writer) => writer.varint(value)), [...bytes]);
  }
  assert.deepEqual(written((writer) => writer.string("\u00e9")), [2, 0xc3, 0xa9]);
  assert.deepEqual(written((writer) => writer.option(undefined, () => {})), [0]);
  assert.deepEqual(written((writer) => writer.option(5, (value) => writer.byte(value))), [1, 5]);
  assert.deepEqual(
    written((writer) => writer.list([true, false], (value) => writer.bool(value))),
    [2, 1, 0],
  );
});

Deno.test("PostcardReader gives back what PostcardWriter wrote", () => {
  const value = fc.tuple(fc.maxSafeNat(), fc.string({ unit: "grapheme" }), fc.uint8Array());
  fc.assert(
    fc.property(value, ([number, text, bytes]) => {
      const from = reader(...written((writer) => {
        writer.varint(number);
        writer.string(text);
        writer.bytes(bytes);
      }));
      assert.deepEqual([from.varint("u64"), from.string(1000)], [number, text]);
      assert.deepEqual([...from.bytes(1000)], [...bytes]);
      assert.equal(from.leftBytes, 0);
    }),
    { seed: 30 },
  );
});

Deno.test("PostcardReader refuses numbers their type cannot hold", () => {
  assert.equal(reader(0xff, 0xff, 3).varint("u16"), 65535);
  assert.throws(() => reader(0xff, 0xff, 4).varint("u16"), ofKind("corrupt", /16 bits/));
  assert.throws(() => reader(0xff, 0xff, 0x83, 0).varint("u16"), ofKind("corrupt", /16 bits/));
  assert.throws(() => reader(0xff, 0xff, 0xff, 0xff, 0x10).varint("u32"), ofKind("corrupt"));
  const safe = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
  assert.equal(reader(...safe).varint("u64"), Number.MAX_SAFE_INTEGER);
  assert.throws(
    () => reader(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10).varint("u64"),
    ofKind("limit", /2\^53/),
  );
  assert.throws(() => reader(...Array(10).fill(0xff)).varint("u64"), ofKind("corrupt", /64 bits/));
  assert.throws(() => reader(0x80).varint("u32"), ofKind("corrupt", /too early/));
});

Deno.test("PostcardReader holds every count against what is left", () => {
  const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
  assert.throws(() => reader(...huge, 1).bytes(2 ** 40), ofKind("corrupt", /1 are left/));
  assert.throws(() => reader(...huge, 1).list(1, 2 ** 40, () => 0), ofKind("corrupt", /1 bytes/));
  assert.throws(() => reader(2, 1, 1).bytes(1), ofKind("limit"));
  assert.throws(() => reader(2, 1, 1).list(1, 1, () => 0), ofKind("limit"));
  assert.throws(() => reader(2).bool(), ofKind("corrupt"));
  assert.throws(() => reader(1, 0xff).string(9), ofKind("corrupt", /UTF-8/));
});
