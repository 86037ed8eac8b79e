import assert from "node:assert/strict";
import { updateCrc32c } from "../../../lib/bytes/crc32c.ts";
import { openExt4 } from "../../../lib/filesystems/ext4/open_ext4.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";
import { flips, mutations, outcomeOf, tally, truncations, usedRanges } from "../hostile_images.ts";

const FUZZ_CASES = 20_000;
const HAS_TOOL = hasTool("mke2fs") && hasTool("debugfs");

const CHECKED = "-t ext4 -b 1024 -O ^has_journal,^resize_inode -N 24";
const VARIANTS = [
  CHECKED,
  "-t ext4 -b 1024 -O ^has_journal,^resize_inode,inline_data -I 256 -N 24",
  "-t ext4 -b 1024 -O ^has_journal,^resize_inode,^metadata_csum -N 24",
  "-t ext2 -b 1024 -O ^resize_inode -N 24",
];

/** Small images by the words they were made with; every file's data is text of whole 16 bytes. */
async function smallImages(): Promise<Map<string, Uint8Array>> {
  return await withTempDir(async (folder) => {
    await Deno.mkdir(`${folder}/tree/folder`, { recursive: true });
    await Deno.writeTextFile(`${folder}/tree/hello`, "hello, 16 bytes\n");
    await Deno.writeTextFile(`${folder}/tree/folder/text`, "some text.\n".repeat(1600));
    await Deno.symlink("folder/text", `${folder}/tree/link`);
    await Deno.symlink(`${"./".repeat(40)}hello`, `${folder}/tree/long`);
    const images = new Map<string, Uint8Array>();
    for (const words of VARIANTS) {
      const path = `${folder}/image-${images.size}`;
      const args = ["-qF", ...words.split(" "), "-d", `${folder}/tree`, path, "80k"];
      const { code, stderr } = await run("mke2fs", args);
      assert.equal(code, 0, `${words}: ${stderr}`);
      images.set(words, await Deno.readFile(path));
    }
    return images;
  });
}

/** Makes the superblock's checksum right again, so that what is behind it is reached. */
function repair(bytes: Uint8Array): void {
  const checksum = updateCrc32c(0xffffffff, bytes.subarray(1024, 1024 + 0x3fc));
  new DataView(bytes.buffer).setUint32(1024 + 0x3fc, checksum, true);
}

Deno.test({
  name: "openExt4() answers a truncated or flipped image with its files or a typed error",
  ignore: !HAS_TOOL,
  async fn(t) {
    for (const [words, image] of await smallImages()) {
      await t.step(words, async () => {
        const whole = await outcomeOf(openExt4, image);
        assert.match(whole, /^[0-9a-f]{40}$/);
        const cut = await tally(openExt4, whole, truncations(image, 128));
        assert.equal(cut.same + cut.different, 0, JSON.stringify(cut));
        const wrong: string[] = [];
        const cases = flips(image, usedRanges(image, 1024));
        const seen = await tally(openExt4, whole, cases, (story) => wrong.push(story));
        assert.ok(seen.error > 100, JSON.stringify(seen));
        // With checksums no damage to metadata may go unseen.
        if (words === CHECKED) assert.deepEqual(wrong, []);
      });
    }
  },
});

Deno.test({
  name: "openExt4() answers 20,000 mutated images with files or a typed error",
  ignore: !HAS_TOOL,
  async fn() {
    let errors = 0;
    const images = [...await smallImages()].filter(([words]) => words !== CHECKED);
    for (const [i, [words, image]] of images.entries()) {
      const bytes = image.slice();
      // Checksums would stop every mutation at the door: the feature is taken away.
      if (words.includes("inline_data")) {
        const view = new DataView(bytes.buffer, 1024);
        view.setUint32(0x64, view.getUint32(0x64, true) & ~0x400, true);
      }
      const ranges = usedRanges(bytes, 1024);
      const behind = ranges.filter(([from]) => from >= 2048);
      for (const [k, where] of [ranges, behind].entries()) {
        const count = Math.ceil(FUZZ_CASES / images.length / 2);
        const cases = mutations(bytes, where, 101 + i * 2 + k, count, repair);
        errors += (await tally(openExt4, "", cases)).error;
      }
    }
    assert.ok(errors > FUZZ_CASES / 20, `only ${errors} cases were refused`);
  },
});
