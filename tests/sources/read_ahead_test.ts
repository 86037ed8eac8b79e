import assert from "node:assert/strict";
import { ReadAhead } from "../../lib/sources/read_ahead.ts";

const KIB = 1 << 10;

Deno.test("note() starts with the second read of a sequence and doubles to the bound", () => {
  const ahead = new ReadAhead(64 * KIB, 256 * KIB);
  assert.equal(ahead.note(0, 32 * KIB), undefined);
  assert.deepEqual(ahead.note(32 * KIB, 32 * KIB), { from: 64 * KIB, to: 128 * KIB });
  assert.deepEqual(ahead.note(64 * KIB, 32 * KIB), { from: 128 * KIB, to: 224 * KIB });
  assert.deepEqual(ahead.note(96 * KIB, 32 * KIB), { from: 224 * KIB, to: 384 * KIB });
  // More than half of the window is still ahead: nothing to do yet.
  assert.equal(ahead.note(128 * KIB, 32 * KIB), undefined);
});

Deno.test("note() asks for nothing on random or repeated reads", () => {
  const ahead = new ReadAhead(64 * KIB, 256 * KIB);
  for (let i = 0; i < 50; i++) {
    assert.equal(ahead.note((i * 37 % 50) * (4 << 20), 4 * KIB), undefined);
  }
  const again = new ReadAhead(64 * KIB, 256 * KIB);
  for (let i = 0; i < 5; i++) assert.equal(again.note(0, 4 * KIB), undefined);
});

Deno.test("note() follows sequences side by side, and reads that overtake each other", () => {
  const ahead = new ReadAhead(64 * KIB, 256 * KIB);
  for (const start of [0, 1 << 30, 2 << 30]) ahead.note(start, 64 * KIB);
  for (const start of [0, 1 << 30, 2 << 30]) {
    assert.equal(ahead.note(start + 128 * KIB, 64 * KIB)?.from, start + 192 * KIB);
    assert.equal(ahead.note(start + 64 * KIB, 64 * KIB), undefined);
    assert.notEqual(ahead.note(start + 192 * KIB, 64 * KIB), undefined);
  }
});

Deno.test("reset() forgets", () => {
  const ahead = new ReadAhead(64 * KIB, 256 * KIB);
  ahead.note(0, KIB);
  ahead.reset();
  assert.equal(ahead.note(KIB, KIB), undefined);
});
