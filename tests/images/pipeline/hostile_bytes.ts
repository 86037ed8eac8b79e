/** Random bytes and damaged files for a decoder: each must end in a value or a typed error. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FastboopError } from "../../../lib/errors/errors.ts";

const TYPED = ["corrupt", "limit", "unsupported"];

/** How many of `runs` damaged inputs were refused; fails on any other end and on a slow one. */
export function refusedOf(
  valid: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => unknown,
  runs: number,
  seed: number,
): number {
  let refused = 0;
  const at = fc.nat(1 << 20);
  const damage = fc.oneof(
    fc.tuple(fc.constant("random" as const), fc.uint8Array({ maxLength: 200 })),
    fc.tuple(fc.constant("cut" as const), at),
    fc.tuple(fc.constant("flip" as const), at, fc.integer({ min: 1, max: 255 })),
    fc.tuple(fc.constant("insert" as const), at, fc.uint8Array({ minLength: 1, maxLength: 12 })),
  );
  const property = fc.property(fc.nat(valid.length - 1), damage, (which, how) => {
    const start = performance.now();
    try {
      decode(apply(valid[which]!, how));
    } catch (error) {
      assert.ok(error instanceof FastboopError && TYPED.includes(error.kind), `${error}`);
      refused++;
    }
    assert.ok(performance.now() - start < 1000, "too slow");
  });
  fc.assert(property, { numRuns: runs, seed });
  return refused;
}

type Damage =
  | ["random", Uint8Array]
  | ["cut", number]
  | ["flip", number, number]
  | ["insert", number, Uint8Array];

function apply(bytes: Uint8Array, how: Damage): Uint8Array {
  // A random tail after the magic and version, or else every case would end at the first eight bytes.
  if (how[0] === "random") return Uint8Array.of(...bytes.subarray(0, 10), ...how[1]);
  const at = how[1] % bytes.length;
  if (how[0] === "cut") return bytes.slice(0, at);
  if (how[0] === "insert") {
    return Uint8Array.of(...bytes.subarray(0, at), ...how[2], ...bytes.subarray(at));
  }
  const changed = bytes.slice();
  changed[at]! ^= how[2];
  return changed;
}
