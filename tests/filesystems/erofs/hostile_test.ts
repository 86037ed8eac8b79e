import assert from "node:assert/strict";
import { updateCrc32c } from "../../../lib/bytes/crc32c.ts";
import { openErofs } from "../../../lib/filesystems/erofs/open_erofs.ts";
import { newerErofs } from "../../support/newer_erofs.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";
import { flips, mutations, outcomeOf, tally, truncations, usedRanges } from "../hostile_images.ts";

const FUZZ_CASES = 20_000;
const HAS_TOOL = hasTool("mkfs.erofs");
const NEWER = HAS_TOOL ? await newerErofs("mkfs.erofs") : undefined;

const VARIANTS: readonly (readonly [newer: boolean, words: string])[] = [
  [false, "-x-1"],
  [false, "-x1"],
  [false, "--chunksize=4096"],
  [false, "-zlz4"],
  [false, "-zlz4hc -C65536 -Elegacy-compress"],
  [false, "-zlz4 -Eztailpacking"],
  [true, "-zlz4 -Eall-fragments"],
  [true, "-zzstd -Ededupe"],
  [true, "-zlzma -b1024"],
  [true, "-E48bit -zdeflate -b1024"],
  [true, "-m4096 -zlz4"],
];

/** A tree of a few names whose files still take several clusters. */
async function makeSmallTree(path: string): Promise<void> {
  await Deno.mkdir(`${path}/folder/inner`, { recursive: true });
  await Deno.writeTextFile(`${path}/hello`, "hello\n");
  let text = "";
  for (let i = 0; text.length < 5_500; i++) text += `line ${i * 7919 % 1000} of the text\n`;
  await Deno.writeTextFile(`${path}/folder/text`, text);
  await Deno.writeTextFile(`${path}/folder/again`, `x${text}`);
  await Deno.symlink("folder/text", `${path}/link`);
  for (let i = 0; i < 4; i++) await Deno.writeTextFile(`${path}/folder/inner/${i}`, `${i}`);
}

/** Small images of all variants there are tools for, by their words. */
async function smallImages(): Promise<Map<string, Uint8Array>> {
  return await withTempDir(async (folder) => {
    await makeSmallTree(`${folder}/tree`);
    const images = new Map<string, Uint8Array>();
    for (const [newer, words] of VARIANTS) {
      if (newer && NEWER === undefined) continue;
      const [program, ...start] = newer ? NEWER! : ["mkfs.erofs"];
      const path = `${folder}/image-${images.size}`;
      const args = [...start, "--quiet", "-T0", "-U", crypto.randomUUID(), ...words.split(" ")];
      const { code, stderr } = await run(program!, [...args, path, `${folder}/tree`]);
      assert.equal(code, 0, `${words}: ${stderr}`);
      images.set(words, await Deno.readFile(path));
    }
    return images;
  });
}

/** Makes the superblock's checksum right again, so that what is behind it is reached. */
function repair(bytes: Uint8Array): void {
  const blockBytes = 2 ** Math.min(bytes[1036]!, 16);
  const end = blockBytes > 1024 ? blockBytes : 1024 + blockBytes;
  const block = bytes.slice(1024, end);
  block.fill(0, 4, 8);
  new DataView(bytes.buffer).setUint32(1028, updateCrc32c(0xffffffff, block), true);
}

Deno.test({
  name: "openErofs() answers a truncated or flipped image with its files or a typed error",
  ignore: !HAS_TOOL,
  async fn(t) {
    for (const [words, image] of await smallImages()) {
      await t.step(words, async () => {
        const whole = await outcomeOf(openErofs, image);
        assert.match(whole, /^[0-9a-f]{40}$/);
        const cut = await tally(openErofs, whole, truncations(image, 128));
        assert.equal(cut.same + cut.different, 0, JSON.stringify(cut));
        // Every byte that is used, the checksum off: what is read then is not the superblock alone.
        const open = image.slice();
        open[1032]! &= ~1;
        const flipped = await tally(openErofs, whole, flips(open, usedRanges(open, 1024)));
        assert.ok(flipped.error > 20, JSON.stringify(flipped));
      });
    }
  },
});

Deno.test({
  name: "openErofs() notices every flipped bit of a superblock with a checksum",
  ignore: !HAS_TOOL,
  async fn() {
    for (const image of (await smallImages()).values()) {
      const whole = await outcomeOf(openErofs, image);
      const seen = await tally(openErofs, whole, flips(image, [[1024, 1032], [1036, 1152]]));
      assert.equal(seen.different, 0);
      assert.equal(seen.same, 0);
    }
  },
});

Deno.test({
  name: "openErofs() answers 20,000 mutated images with files or a typed error",
  ignore: !HAS_TOOL,
  async fn() {
    const images = [...(await smallImages()).values()];
    const each = Math.ceil(FUZZ_CASES / images.length);
    let errors = 0;
    for (const [i, image] of images.entries()) {
      const ranges = usedRanges(image, 1024);
      // Most of an image is data; half of the changes go to where the inodes and names are.
      const meta = ranges.filter(([from]) => from < 8192);
      for (const [k, where] of [ranges, meta].entries()) {
        const cases = mutations(image, where, 1 + i * 2 + k, each / 2, repair);
        errors += (await tally(openErofs, "", cases)).error;
      }
    }
    assert.ok(errors > FUZZ_CASES / 20, `only ${errors} cases were refused`);
  },
});
