import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { pieces } from "../../lib/fastboot/pieces.ts";
import { ofKind } from "../support/expect_kind.ts";

async function collect(parts: Uint8Array[], totalBytes: number, pieceBytes: number) {
  const all: Uint8Array[] = [];
  for await (const piece of pieces(parts, totalBytes, pieceBytes)) all.push(piece);
  return all;
}

Deno.test("pieces() keeps every byte in order and only the last piece short, for any parts", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
    fc.integer({ min: 1, max: 17 }),
    async (parts, pieceBytes) => {
      const whole = Buffer.concat(parts);
      const got = await collect(parts, whole.length, pieceBytes);
      assert.deepEqual(Buffer.concat(got), whole);
      for (const piece of got.slice(0, -1)) assert.equal(piece.length, pieceBytes);
      assert.ok(got.every((piece) => piece.length > 0));
    },
  ));
});

Deno.test("pieces() passes whole pieces on without a copy", async () => {
  const part = new Uint8Array(10);
  const got = await collect([part], 10, 4);
  assert.equal(got[0]!.buffer, part.buffer);
  assert.deepEqual(got.map((piece) => piece.length), [4, 4, 2]);
});

Deno.test("pieces() yields no byte beyond the total and says when parts are missing", async () => {
  const seen: number[] = [];
  const tooMuch = async () => {
    for await (const piece of pieces([new Uint8Array(8), new Uint8Array(9)], 16, 4)) {
      seen.push(piece.length);
    }
  };
  await assert.rejects(tooMuch(), ofKind("internal", /more than 16/));
  assert.deepEqual(seen, [4, 4]);
  await assert.rejects(collect([new Uint8Array(3)], 4, 4), ofKind("internal", /have 3 bytes/));
});
