import assert from "node:assert/strict";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { decodeIndex } from "../../../lib/kernel/depmod/decode_index.ts";
import { encodeIndex, type IndexRecord } from "../../../lib/kernel/depmod/encode_index.ts";

const RECORDS: IndexRecord[] = [
  { key: "", value: "of the root", priority: 0 },
  { key: "net", value: "a", priority: 3 },
  { key: "net", value: "b", priority: 9 },
  { key: "net-pf-10", value: "ipv6", priority: 1 },
  { key: "netlink", value: "", priority: 0 },
  { key: "symbol:foo", value: "c", priority: 2 },
];

Deno.test("decodeIndex() gives the records that were encoded", () => {
  assert.deepEqual(decodeIndex(encodeIndex(RECORDS), "x.bin"), RECORDS);
  assert.deepEqual(decodeIndex(encodeIndex([]), "x.bin"), []);
});

Deno.test("decodeIndex() refuses other files, and every cut", () => {
  const whole = encodeIndex(RECORDS);
  assert.throws(() => decodeIndex(new Uint8Array(40), "x.bin"), { kind: "corrupt" });
  const other = whole.slice();
  other[5] = 1;
  assert.throws(() => decodeIndex(other, "x.bin"), { kind: "unsupported" });
  for (let size = 0; size < whole.length; size++) {
    assert.throws(() => decodeIndex(whole.subarray(0, size), "x.bin"), { kind: "corrupt" });
  }
});

Deno.test("decodeIndex() ends in records or a typed error for every flipped bit", () => {
  const whole = encodeIndex(RECORDS);
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bytes = whole.slice();
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    try {
      decodeIndex(bytes, "x.bin");
    } catch (error) {
      assert.ok(error instanceof FastboopError, String(error));
    }
  }
});

Deno.test("decodeIndex() does not unfold nodes that share a child", () => {
  // 60 nodes, each with the next one as both of its children: 2 to the 60 records.
  const bytes = new Uint8Array(12 + 60 * 10 + 16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xb007f457);
  view.setUint32(4, 0x0002_0001);
  for (let i = 0; i < 60; i++) {
    const at = 12 + i * 10;
    bytes.set([0x61, 0x62], at);
    for (const child of [0, 1]) view.setUint32(at + 2 + child * 4, 0x2000_0000 + at + 10);
  }
  view.setUint32(8, 0x2000_0000 + 12);
  assert.throws(() => decodeIndex(bytes, "x.bin"), { kind: "corrupt" });
});

Deno.test("decodeIndex() does not read the values of one node again for others", () => {
  // 100 children whose values each begin one value behind those of the one before.
  const children = 100;
  const valuesAt = 12 + 2 + 4 * children;
  const count = 20_000;
  const bytes = new Uint8Array(valuesAt + 4 + count * 5);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xb007f457);
  view.setUint32(4, 0x0002_0001);
  view.setUint32(8, 0x2000_0000 + 12);
  bytes.set([1, children], 12);
  for (let i = 0; i < children; i++) view.setUint32(14 + 4 * i, 0x4000_0000 + valuesAt + 5 * i);
  for (let i = 0; i < count; i++) view.setUint32(valuesAt + 5 * i, Math.max(0, count - i - 300));
  assert.throws(() => decodeIndex(bytes, "x.bin"), { kind: "corrupt", state: /out of place/ });
});

Deno.test("decodeIndex() bounds keys that are long all together", () => {
  const long = "k".repeat(4000);
  const records = Array.from({ length: 20_000 }, (_, i) => ({
    key: `${long}${String(i).padStart(5, "0")}`,
    value: "",
    priority: 0,
  }));
  const bytes = encodeIndex(records);
  assert.ok(bytes.length < 1 << 20);
  assert.throws(() => decodeIndex(bytes, "x.bin"), { kind: "limit" });
});
