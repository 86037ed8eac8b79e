import assert from "node:assert/strict";
import { decodeLz4Block } from "../../lib/bytes/lz4_block.ts";
import { lz4Module, SLACK_BYTES } from "../../lib/bytes/lz4_module.ts";

/** The format's text in its plainest form: what the module is judged by. */
function plainDecode(
  input: Uint8Array,
  room: number,
): { output: number[]; complete: boolean } | undefined {
  const output: number[] = [];
  let from = 0;
  const run = (low: number, full: number): number | undefined => {
    if (low !== full) return low;
    for (let sum = low;;) {
      const more = input[from++];
      if (more === undefined) return undefined;
      sum += more;
      if (more !== 255) return sum;
    }
  };
  while (from < input.length) {
    const token = input[from++]!;
    const literals = run(token >>> 4, 15);
    if (literals === undefined || literals > input.length - from) return undefined;
    const fits = Math.min(literals, room - output.length);
    output.push(...input.subarray(from, from + fits));
    from += literals;
    if (from === input.length) return { output, complete: fits === literals };
    if (output.length === room) return { output, complete: false };
    if (input.length - from < 2) return undefined;
    const distance = input[from]! + input[from + 1]! * 256;
    from += 2;
    if (distance === 0 || distance > output.length) return undefined;
    const length = run((token & 15) + 4, 19);
    if (length === undefined) return undefined;
    for (let i = 0; i < length && output.length < room; i++) output.push(output.at(-distance)!);
  }
  return undefined;
}

/** mulberry32 */
function randomOf(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Sequences with runs and distances of every size class, the last of literals only. */
function makeBlock(random: (below: number) => number): { block: Uint8Array; sizeBytes: number } {
  const block: number[] = [];
  let sizeBytes = 0;
  const more = (rest: number) => {
    for (; rest >= 255; rest -= 255) block.push(255);
    block.push(rest);
  };
  const literals = (count: number, low: number) => {
    block.push((Math.min(count, 15) << 4) | low);
    if (count >= 15) more(count - 15);
    for (let i = 0; i < count; i++) block.push(random(256));
    sizeBytes += count;
  };
  for (let left = 1 + random(12); left > 0; left--) {
    const length = 4 + random(random(2) ? 12 : 700);
    const low = Math.min(length - 4, 15);
    literals((sizeBytes === 0 ? 1 : 0) + random(random(2) ? 14 : 400), low);
    const most = Math.min(sizeBytes, 65535);
    const distance = 1 + random(random(2) ? Math.min(most, 20) : most);
    block.push(distance & 255, distance >>> 8);
    if (low === 15) more(length - 19);
    sizeBytes += length;
  }
  literals(random(20), 0);
  return { block: Uint8Array.from(block), sizeBytes };
}

function assertAlike(block: Uint8Array, room: number): void {
  const expected = plainDecode(block, room);
  const output = new Uint8Array(room);
  const result = decodeLz4Block(block, output);
  if (expected === undefined) return assert.equal(result, undefined);
  assert.deepEqual(result, { written: expected.output.length, complete: expected.complete });
  assert.deepEqual(output.subarray(0, expected.output.length), Uint8Array.from(expected.output));
}

Deno.test("decodeLz4Block() decodes as the format says when blocks are whole, cut or changed", () => {
  const random = randomOf(4);
  for (let round = 0; round < 400; round++) {
    const { block, sizeBytes } = makeBlock(random);
    const exact = decodeLz4Block(block, new Uint8Array(sizeBytes));
    assert.deepEqual(exact, { written: sizeBytes, complete: true });
    for (const room of [sizeBytes, sizeBytes + 50, random(sizeBytes + 1)]) assertAlike(block, room);
    assertAlike(block.subarray(0, random(block.length)), sizeBytes);
    for (let i = 0; i < 5; i++) {
      const changed = block.slice();
      changed[random(changed.length)]! ^= 1 << random(8);
      assertAlike(changed, sizeBytes + 100);
    }
  }
});

Deno.test("decodeLz4Block() refuses a match before the start far from the ends, too", () => {
  for (let literals = 8; literals < 15; literals++) {
    for (let distance = 8; distance < literals + 20; distance++) {
      const rest = [0xf0, 185, ...new Uint8Array(200)];
      const start = [literals << 4, ...new Uint8Array(literals).fill(7), distance, 0];
      assertAlike(Uint8Array.from([...start, ...rest]), literals + 4 + 200);
    }
  }
});

Deno.test("lz4Module() reads and writes nothing beyond the slack of input and output", () => {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const bytes = new Uint8Array(memory.buffer);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(lz4Module()), {
    env: { memory },
  });
  const decode = exports.decode as (...addresses: number[]) => number;
  const random = randomOf(7);
  for (let round = 0; round < 400; round++) {
    const { block, sizeBytes } = makeBlock(random);
    const input = round % 4 < 2 ? block : block.subarray(0, random(block.length));
    const room = 1 + random(sizeBytes);
    // One of the two slacks ends with the memory: what goes beyond it is a trap.
    const last = bytes.length - SLACK_BYTES;
    const [from, start] = round % 2 ? [last - input.length, 16] : [16, last - room];
    bytes.fill(0xa5);
    bytes.set(input, from);
    decode(from, from + input.length, start, start + room);
    const rest = bytes.slice();
    assert.deepEqual(rest.subarray(from, from + input.length), input);
    rest.fill(0xa5, from, from + input.length);
    rest.fill(0xa5, start, start + room + SLACK_BYTES);
    assert.ok(rest.every((byte) => byte === 0xa5));
  }
});

Deno.test("decodeLz4Block() refuses run lengths beyond every block", () => {
  const endless = new Uint8Array(5 << 20).fill(255);
  assert.equal(decodeLz4Block(endless, new Uint8Array(16)), undefined);
  endless.set([0x1f, 0x61, 1, 0]);
  assert.equal(decodeLz4Block(endless, new Uint8Array(16)), undefined);
});
