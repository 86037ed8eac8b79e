import assert from "node:assert/strict";
import { openFat } from "../../../lib/filesystems/fat/open_fat.ts";
import { withTempDir } from "../foreign_tools.ts";
import { flips, mutations, outcomeOf, tally, truncations } from "../hostile_images.ts";
import { fillFat, HAS_FAT_TOOLS, makeFat, makeSmallFat32 } from "./fat_images.ts";

const FUZZ_CASES = 3000;
/** KiB, options, and bytes of tables and root in front of the data. */
const VARIANTS: readonly (readonly [sizeKib: number, words: string, end: number])[] = [
  [180, "-F 12 -s 1 -r 32", 4096],
  [2400, "-F 16 -s 1 -r 32", 20_480],
  [600, "-F 32", 13_312],
];

async function makeImage(sizeKib: number, words: string): Promise<Uint8Array> {
  return await withTempDir(async (folder) => {
    await Deno.mkdir(`${folder}/tree/sub folder/inner`, { recursive: true });
    await Deno.writeTextFile(`${folder}/tree/HELLO`, "hello\n");
    await Deno.writeTextFile(`${folder}/tree/a long name`, "line of the text\n".repeat(300));
    for (let i = 0; i < 4; i++) {
      await Deno.writeTextFile(`${folder}/tree/sub folder/inner/${i}`, `${i}`);
    }
    if (words === "-F 32") await makeSmallFat32(`${folder}/image`);
    else {
      await makeFat(`${folder}/image`, sizeKib, words);
      await fillFat(`${folder}/image`, `${folder}/tree`);
    }
    return await Deno.readFile(`${folder}/image`);
  });
}

/** 16 bytes at a time, what is neither zero nor behind `end`. */
function usedOf(image: Uint8Array, end: number): [number, number][] {
  const ranges: [number, number][] = [];
  for (let at = 0; at < end; at += 16) {
    if (image.subarray(at, at + 16).some((byte) => byte !== 0)) ranges.push([at, at + 16]);
  }
  return ranges;
}

Deno.test({
  name: "openFat() answers a damaged image with files or a typed error",
  ignore: !HAS_FAT_TOOLS,
  async fn(t) {
    for (const [sizeKib, words, end] of VARIANTS) {
      await t.step(words, async () => {
        const image = await makeImage(sizeKib, words);
        const whole = await outcomeOf(openFat, image);
        assert.match(whole, /^[0-9a-f]{40}$/);
        const cut = await tally(openFat, whole, truncations(image, 10_007));
        assert.equal(cut.same + cut.different, 0, JSON.stringify(cut));
        const used = usedOf(image, end);
        const flipped = await tally(openFat, whole, flips(image, used));
        assert.ok(flipped.error > 20 && flipped.different > 10, JSON.stringify(flipped));
        const fuzzed = await tally(openFat, whole, mutations(image, used, 1121, FUZZ_CASES));
        assert.ok(fuzzed.error > 100, JSON.stringify(fuzzed));
      });
    }
  },
});
