import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeIndex,
  type IndexRecord,
  isIndexKey,
} from "../../../lib/kernel/depmod/encode_index.ts";

/** Reads the values of one key as kmod's reader does: by offsets, from the root. */
function lookUp(index: Uint8Array, key: string): { value: string; priority: number }[] {
  const view = new DataView(index.buffer, index.byteOffset, index.byteLength);
  assert.equal(view.getUint32(0), 0xb007f457);
  assert.equal(view.getUint32(4), 0x00020001);
  let node = view.getUint32(8);
  let depth = 0;
  const text = (at: number): string => {
    const end = index.indexOf(0, at);
    return new TextDecoder().decode(index.subarray(at, end));
  };
  for (;;) {
    let at = node & 0x0fff_ffff;
    if ((node & 0x8000_0000) !== 0) {
      const prefix = text(at);
      if (!key.startsWith(prefix, depth)) return [];
      depth += prefix.length;
      at += prefix.length + 1;
    }
    const hasChildren = (node & 0x2000_0000) !== 0;
    const [first, last] = hasChildren ? [index[at]!, index[at + 1]!] : [1, 0];
    if (depth < key.length) {
      const character = key.charCodeAt(depth++);
      if (character < first || character > last) return [];
      node = view.getUint32(at + 2 + (character - first) * 4);
      if (node === 0) return [];
      continue;
    }
    if ((node & 0x4000_0000) === 0) return [];
    at += hasChildren ? 2 + (last - first + 1) * 4 : 0;
    const count = view.getUint32(at);
    const values = [];
    at += 4;
    for (let i = 0; i < count; i++) {
      const value = text(at + 4);
      values.push({ value, priority: view.getUint32(at) });
      at += 5 + new TextEncoder().encode(value).length;
    }
    return values;
  }
}

Deno.test("encodeIndex() gives each key its values, by priority", () => {
  const key = fc.string({ unit: fc.constantFrom("a", "b", "_", "*", "\x7f"), maxLength: 6 });
  const record = fc.record({
    key,
    value: fc.string({ unit: fc.constantFrom("x", "y", "\u00e9"), maxLength: 4 }),
    priority: fc.nat(5),
  });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 40 }), key, (records, other) => {
      const index = encodeIndex(records);
      for (const wanted of [other, ...records.map((r) => r.key)]) {
        const expected = records.filter((r) => r.key === wanted)
          .toSorted((a, b) => a.priority - b.priority)
          .map(({ value, priority }) => ({ value, priority }));
        assert.deepEqual(lookUp(index, wanted), expected);
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});

Deno.test("encodeIndex() goes as deep as the longest key", () => {
  const records: IndexRecord[] = [];
  for (let i = 1; i <= 4095; i += 2) {
    records.push({ key: "a".repeat(i), value: `${i}`, priority: i });
  }
  const index = encodeIndex(records);
  assert.deepEqual(lookUp(index, "a".repeat(4095)), [{ value: "4095", priority: 4095 }]);
  assert.deepEqual(lookUp(index, "aa"), []);
});

Deno.test("isIndexKey() refuses what kmod cannot look up", () => {
  assert.ok(isIndexKey("pci:v*[0-9]"));
  for (const key of ["caf\u00e9", "a\0b", "a".repeat(4096)]) assert.ok(!isIndexKey(key));
});
