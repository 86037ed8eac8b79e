/** One of several programs on one cache: reads at random and compares until its time is over. */
import { DiskCache } from "../../../lib/sources/disk_cache/disk_cache.ts";
import { PatternReader } from "../../support/pattern_reader.ts";

const [directory, seed, milliseconds] = Deno.args as [string, string, string];
const source = { seed: 7, blockSizeBytes: 4096, sizeBytes: (12 << 20) + 4096 };
const pattern = new PatternReader(source);
const cache = await DiskCache.open(directory, { keepFreeBytes: 0 });
let state = Number(seed);
const random = (below: number) => (state = (state * 48271) % 0x7fffffff) % below;
const endMs = performance.now() + Number(milliseconds);
console.log("started");
for (let reads = 0; reads < 20 || performance.now() < endMs;) {
  await using reader = cache.wrap(new PatternReader(source));
  for (let i = 0; i < 20; i++, reads++) {
    const offset = random(source.sizeBytes / 4096 - 100) * 4096;
    const into = new Uint8Array((random(100) + 1) * 4096);
    await reader.readAt(offset, into);
    const expected = new Uint8Array(into.length);
    pattern.fill(offset, expected);
    if (into.some((byte, at) => byte !== expected[at])) {
      console.log(`wrong bytes at ${offset}`);
      Deno.exit(1);
    }
  }
}
console.log("right");
