import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import {
  decodeConfigExports,
  decodeIdent,
  decodeRequest,
  decodeResponse,
  decodeStatus,
  encodeConfigExports,
  encodeIdent,
  encodeRequest,
  encodeResponse,
  encodeStatus,
  OP_WRITE,
  type Request,
} from "../../lib/smoo/wire.ts";
import { seededRandom } from "./seeded_random.ts";

/** Bytes from hex with spaces. */
function hex(text: string): Uint8Array {
  return Uint8Array.from(text.trim().split(/[\s|]+/), (one) => parseInt(one, 16));
}

const corrupt = (error: unknown) => error instanceof FastboopError && error.kind === "corrupt";

const WRITE: Request = {
  op: OP_WRITE,
  requestId: 0x10005,
  exportId: 2,
  lba: 16n,
  numBlocks: 8,
  flags: 0,
};
const WRITE_BYTES = hex(
  "01 00 00 00 05 00 01 00 02 00 00 00 10 00 00 00 00 00 00 00 08 00 00 00 00 00 00 00",
);

Deno.test("decodeIdent() reads the published vector", () => {
  const bytes = hex("53 4d 4f 4f 00 00 01 00");
  assert.deepEqual(decodeIdent(bytes), { major: 0, minor: 1 });
  assert.deepEqual(encodeIdent({ major: 0, minor: 1 }), bytes);
});

Deno.test("decodeIdent() refuses another magic and another length", () => {
  assert.throws(() => decodeIdent(hex("53 4d 4f 50 00 00 01 00")), corrupt);
  assert.throws(() => decodeIdent(hex("53 4d 4f 4f 00 00 01")), corrupt);
  assert.throws(() => decodeIdent(hex("53 4d 4f 4f 00 00 01 00 00")), corrupt);
});

Deno.test("encodeConfigExports() writes the published vector", () => {
  const entries = [
    { id: 1, blockSizeBytes: 4096, sizeBytes: 2 ** 30 },
    { id: 2, blockSizeBytes: 4096, sizeBytes: 2 ** 26 },
  ];
  const bytes = hex(
    "00 00 02 00 00 00 00 00 | 01 00 00 00 00 10 00 00 00 00 00 40 00 00 00 00 00 00 00 00 00 00 00 00" +
      " | 02 00 00 00 00 10 00 00 00 00 00 04 00 00 00 00 00 00 00 00 00 00 00 00",
  );
  assert.deepEqual(encodeConfigExports(entries), bytes);
  assert.deepEqual(decodeConfigExports(bytes), entries);
});

Deno.test("encodeConfigExports() keeps sizes above 4 GiB", () => {
  const entries = [{ id: 1, blockSizeBytes: 512, sizeBytes: 2 ** 52 }];
  assert.deepEqual(decodeConfigExports(encodeConfigExports(entries)), entries);
});

Deno.test("decodeConfigExports() refuses what a gadget refuses", () => {
  const good = encodeConfigExports([{ id: 1, blockSizeBytes: 4096, sizeBytes: 8192 }]);
  const wrong: [string, number, number][] = [
    ["version", 0, 1],
    ["count without its entry", 2, 2],
    ["flags", 4, 1],
    ["id 0", 8, 0],
    ["block size 4097", 12, 1],
    ["block size above 64 KiB", 14, 2],
    ["a size of no whole blocks", 16, 1],
  ];
  for (const [what, at, value] of wrong) {
    const bytes = good.slice();
    bytes[at] = value;
    assert.throws(() => decodeConfigExports(bytes), corrupt, what);
  }
  assert.throws(() => decodeConfigExports(good.subarray(0, 7)), corrupt);
  const many = new Uint8Array(8 + 24 * 33);
  many[2] = 33;
  assert.throws(() => decodeConfigExports(many), { kind: "limit" });
});

Deno.test("decodeStatus() reads the published vector, session id in full", () => {
  const bytes = hex("00 00 01 00 02 00 00 00 08 07 06 05 04 03 02 01");
  const status = { flags: 1, exportCount: 2, sessionId: 0x0102030405060708n };
  assert.deepEqual(decodeStatus(bytes), status);
  assert.deepEqual(encodeStatus(status), bytes);
});

Deno.test("decodeStatus() refuses another version and another length", () => {
  assert.throws(
    () => decodeStatus(hex("01 00 01 00 02 00 00 00 08 07 06 05 04 03 02 01")),
    corrupt,
  );
  assert.throws(() => decodeStatus(new Uint8Array(15)), corrupt);
});

Deno.test("decodeRequest() reads the published vector", () => {
  assert.deepEqual(decodeRequest(WRITE_BYTES), WRITE);
  assert.deepEqual(encodeRequest(WRITE), WRITE_BYTES);
});

Deno.test("encodeResponse() writes the published vector of an error", () => {
  const expected = WRITE_BYTES.slice();
  expected[1] = 0x5f;
  assert.deepEqual(encodeResponse(WRITE, 95), expected);
  assert.deepEqual(decodeResponse(expected), { ...WRITE, status: 95 });
});

Deno.test("encodeResponse() echoes the flags", () => {
  const request = { ...WRITE, flags: 0xdeadbeef };
  assert.equal(decodeResponse(encodeResponse(request, 0)).flags, 0xdeadbeef);
});

Deno.test("decodeRequest() refuses 27 and 29 bytes, unknown opcodes and reserved bytes", () => {
  assert.throws(() => decodeRequest(WRITE_BYTES.subarray(0, 27)), corrupt);
  assert.throws(() => decodeRequest(new Uint8Array([...WRITE_BYTES, 0])), corrupt);
  assert.throws(() => decodeRequest(new Uint8Array(0)), corrupt);
  for (const [at, value] of [[0, 4], [0, 255], [1, 1], [2, 1], [3, 1]] as const) {
    const bytes = WRITE_BYTES.slice();
    bytes[at] = value;
    assert.throws(() => decodeRequest(bytes), corrupt, `byte ${at} = ${value}`);
  }
});

Deno.test("decoders throw FastboopError alone, and what they take they give back", () => {
  const random = seededRandom(0x5300);
  const decoders = [
    [decodeIdent, encodeIdent],
    [decodeStatus, encodeStatus],
    [decodeRequest, encodeRequest],
    [decodeConfigExports, encodeConfigExports],
  ] as unknown as [(bytes: Uint8Array) => unknown, (value: unknown) => Uint8Array][];
  const seeds = [
    encodeIdent({ major: 0, minor: 1 }),
    encodeStatus({ flags: 1, exportCount: 2, sessionId: 5n }),
    WRITE_BYTES,
    encodeConfigExports([{ id: 1, blockSizeBytes: 4096, sizeBytes: 8192 }]),
  ];
  let taken = 0;
  for (let round = 0; round < 20_000; round++) {
    const which = round % decoders.length;
    const [decode, encode] = decoders[which]!;
    const bytes = seeds[which]!.slice(0, random(20) === 0 ? random(40) : undefined);
    for (let flips = random(3); flips > 0 && bytes.length > 0; flips--) {
      bytes[random(bytes.length)] = random(256);
    }
    try {
      const again = encode(decode(bytes));
      taken++;
      // The reserved words of CONFIG_EXPORTS and STATUS' flags are the only bytes that may differ.
      assert.deepEqual(decode(again), decode(bytes));
    } catch (error) {
      assert.ok(error instanceof FastboopError, `round ${round}: ${error}`);
    }
  }
  assert.ok(taken > 1000);
});
