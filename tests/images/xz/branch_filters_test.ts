import assert from "node:assert/strict";
import { decodeXz } from "../../../lib/images/xz/decode_xz.ts";
import { hasTool } from "../../filesystems/foreign_tools.ts";
import { seededRandom } from "../../smoo/seeded_random.ts";
import { assertSameBytes, compress } from "../decoded_readers.ts";

const ignore = !hasTool("xz");

/** Bytes in which calls of every processor are frequent, near and far, also one inside another. */
function commands(sizeBytes: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) bytes[at] = random(256);
  const opcodes = [
    0xe8,
    0xe9,
    0xeb,
    0x48,
    0x4b,
    0x40,
    0x7f,
    0x94,
    0x97,
    0x90,
    0xb0,
    0xf0,
    0xf8,
    0,
    0xff,
  ];
  for (let i = 0; i < sizeBytes / 2; i++) {
    bytes[random(sizeBytes)] = opcodes[random(opcodes.length)]!;
  }
  return bytes;
}

for (
  const filters of [
    ["--x86"],
    ["--x86=start=4096"],
    ["--arm"],
    ["--armthumb"],
    ["--arm64"],
    ["--arm64=start=4294963200"],
    ["--powerpc"],
    ["--sparc"],
    ["--delta=dist=1"],
    ["--delta=dist=256"],
    ["--delta=dist=3", "--x86", "--arm"],
  ]
) {
  Deno.test({
    name: `decodeXz() undoes ${filters.join(" ")}`,
    ignore,
    fn: async () => {
      for (const sizeBytes of [0, 3, 4, 5, 6, 7, 9, 120_001]) {
        const plain = commands(sizeBytes, sizeBytes + 5);
        const stored = await compress("xz", plain, ...filters, "--lzma2=preset=0");
        assertSameBytes(decodeXz(stored, sizeBytes), plain, `${sizeBytes} bytes`);
      }
    },
  });
}

Deno.test({
  name: "decodeXz() undoes x86 of a program",
  ignore,
  fn: async () => {
    const plain = Deno.readFileSync(Deno.execPath()).subarray(8 << 20, 9 << 20);
    const stored = await compress("xz", plain, "--x86", "--lzma2=preset=0");
    assertSameBytes(decodeXz(stored, plain.length), plain);
    const without = await compress("xz", plain, "--lzma2=preset=0");
    assert.notEqual(stored.length, without.length, "the filter must have changed something");
  },
});
