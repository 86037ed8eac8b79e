import assert from "node:assert/strict";
import { BufferPool } from "../../lib/smoo/buffer_pool.ts";

const MiB = 1024 * 1024;

Deno.test("BufferPool gives a released buffer out again", () => {
  const pool = new BufferPool(MiB);
  const first = pool.take(5000);
  assert.equal(first.length, 8192);
  pool.release(first);
  assert.equal(pool.take(8192), first);
});

Deno.test("BufferPool holds no more than its limit", () => {
  const pool = new BufferPool(MiB);
  const held = [pool.take(MiB / 2), pool.take(MiB / 4)];
  assert.ok(pool.fits(MiB / 4));
  assert.ok(!pool.fits(MiB / 4 + 1));
  assert.throws(() => pool.take(MiB / 2), { kind: "internal" });
  held.forEach((one) => pool.release(one));
  assert.equal(pool.usedBytes, 0);
  assert.ok(pool.fits(MiB));
});

Deno.test("BufferPool gives idle buffers up when another size needs the room", () => {
  const pool = new BufferPool(MiB);
  const small = Array.from({ length: 256 }, () => pool.take(4096));
  small.forEach((one) => pool.release(one));
  const large = pool.take(MiB);
  pool.release(large);
  const fresh = pool.take(4096);
  assert.ok(!small.includes(fresh));
});

Deno.test("BufferPool never gives a discarded buffer out again", () => {
  const pool = new BufferPool(MiB);
  const first = pool.take(4096);
  pool.discard(first);
  assert.equal(pool.usedBytes, 0);
  assert.notEqual(pool.take(4096), first);
});
