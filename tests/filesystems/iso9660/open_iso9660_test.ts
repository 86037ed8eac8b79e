import assert from "node:assert/strict";
import { openIso9660 } from "../../../lib/filesystems/iso9660/open_iso9660.ts";
import { openFile } from "../../../lib/sources/file.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import type { FileTree } from "../../../lib/sources/file_tree.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { assertReads, readAll } from "../../support/read_all.ts";
import { makeArchiveTree } from "../archive_trees.ts";
import { assertSameTree } from "../compare_trees.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";
import { flips, mutations, outcomeOf, tally, truncations, usedRanges } from "../hostile_images.ts";

const MAKERS: string[][] = [["xorriso", "-as", "mkisofs"], ["genisoimage"]]
  .filter(([program]) => hasTool(program!));
const ignore = MAKERS.length === 0;

/** An image of what `fill` puts into a directory, which stays for `use`. */
async function withImage(
  maker: readonly string[],
  words: string,
  fill: (path: string) => Promise<void>,
  use: (image: string, tree: string) => Promise<void>,
): Promise<void> {
  await withTempDir(async (folder) => {
    await Deno.mkdir(`${folder}/in`);
    await fill(`${folder}/in`);
    const [program, ...start] = maker;
    const rock = program === "xorriso" && !words.includes("-R") ? ["--norock"] : [];
    const args = [
      ...start,
      "-quiet",
      ...rock,
      ...words.split(" "),
      "-o",
      `${folder}/a.iso`,
      `${folder}/in`,
    ];
    const made = await run(program!, args);
    assert.equal(made.code, 0, made.stderr);
    await use(`${folder}/a.iso`, `${folder}/in`);
  });
}

async function walk(tree: FileTree, folder = ""): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await tree.list(folder)) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    paths.push(path);
    if (entry.kind === "directory") paths.push(...await walk(tree, path));
  }
  return paths;
}

Deno.test({
  name:
    "openIso9660() gives with Rock Ridge what was packed: modes, links, devices, long and deep names",
  ignore,
  async fn(t) {
    for (const maker of MAKERS) {
      await t.step(maker[0]!, async () => {
        const fill = async (path: string) => {
          await makeArchiveTree(path, { special: true });
          await Deno.remove(`${path}/etc/text-again`);
          const deep = `${path}/1/2/3/4/5/6/7/8/9/10`;
          await Deno.mkdir(deep, { recursive: true });
          await Deno.writeTextFile(`${deep}/bottom`, "deep");
          await Deno.writeTextFile(`${path}/${"n".repeat(240)}`, "long");
          await Deno.symlink("../".repeat(60) + "nowhere/" + "x".repeat(200), `${path}/far`);
          await run("find", [
            path,
            "-exec",
            "touch",
            "-h",
            "-d",
            "2020-01-02T03:04:05Z",
            "{}",
            "+",
          ]);
        };
        await withImage(maker, "-R", fill, async (image, path) => {
          await using tree = await openIso9660(await openFile(image));
          // Where directories were moved to is a directory of the image's own.
          if (await tree.stat("rr_moved") !== undefined) {
            assert.deepEqual(await tree.list("rr_moved"), []);
            const entry = (await tree.stat("rr_moved"))!;
            await Deno.mkdir(`${path}/rr_moved`);
            await Deno.chmod(`${path}/rr_moved`, entry.mode);
            await Deno.chown(`${path}/rr_moved`, entry.uid, entry.gid);
            await Deno.utime(`${path}/rr_moved`, entry.mtimeSeconds, entry.mtimeSeconds);
          }
          const seen = await assertSameTree(tree, path);
          assert.ok(seen.names > 25 && seen.bytes > 70_000);
          await Deno.chmod(`${path}/etc/text`, 0o600);
          await assert.rejects(assertSameTree(tree, path), /etc\/text/);
        });
      });
    }
  },
});

Deno.test({
  name: "openIso9660() keeps hard links together where serial numbers tell of them",
  ignore: !hasTool("xorriso"),
  async fn() {
    const fill = async (path: string) => {
      await Deno.writeTextFile(`${path}/a`, "linked");
      await Deno.link(`${path}/a`, `${path}/b`);
      await Deno.writeTextFile(`${path}/c`, "alone");
    };
    const words = "-R --hardlinks";
    await withImage(["xorriso", "-as", "mkisofs"], words, fill, async (image) => {
      await using tree = await openIso9660(await openFile(image));
      const [a, b, c] = await tree.list("");
      assert.ok(a!.hardLinkKey !== undefined && a!.hardLinkKey === b!.hardLinkKey);
      assert.equal(c!.hardLinkKey, undefined);
    });
  },
});

const fillNames = async (path: string) => {
  await Deno.mkdir(`${path}/Folder`);
  await Deno.writeTextFile(`${path}/Folder/A long name, with space.text`, "joliet");
  await Deno.writeTextFile(`${path}/Folder/\u00e9t\u00e9`, "accent");
  await Deno.writeTextFile(`${path}/noext`, "plain");
};

Deno.test({
  name: "openIso9660() takes Joliet's names without Rock Ridge, else plain ones in lower case",
  ignore,
  async fn() {
    for (const maker of MAKERS) {
      await withImage(maker, "-J -input-charset utf-8", fillNames, async (image) => {
        await using tree = await openIso9660(await openFile(image));
        assert.deepEqual(await walk(tree), [
          "Folder",
          "Folder/A long name, with space.text",
          "Folder/\u00e9t\u00e9",
          "noext",
        ]);
        await using file = await tree.open("Folder/\u00e9t\u00e9");
        assert.equal(new TextDecoder().decode(await readAll(file)), "accent");
        assert.equal((await tree.stat("noext"))!.mode, 0o444);
      });
      const plain = async (path: string) => {
        await Deno.mkdir(`${path}/FOLDER`);
        await Deno.writeTextFile(`${path}/FOLDER/FILE.TXT`, "plain");
        await Deno.writeTextFile(`${path}/NOEXT`, "none");
      };
      await withImage(maker, "-iso-level 1", plain, async (image) => {
        await using tree = await openIso9660(await openFile(image));
        assert.deepEqual(await walk(tree), ["folder", "folder/file.txt", "noext"]);
      });
    }
  },
});

const small = new Map<string, Uint8Array<ArrayBuffer>>();

/** A small image in memory, the caller's own. */
async function smallImage(words: string): Promise<Uint8Array<ArrayBuffer>> {
  const made = small.get(words) ?? await makeSmallImage(words);
  small.set(words, made);
  return made.slice();
}

async function makeSmallImage(words: string): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array();
  const fill = async (path: string) => {
    await Deno.mkdir(`${path}/dir/inner`, { recursive: true });
    await Deno.writeFile(`${path}/aa`, new Uint8Array(4096).fill(0x61));
    await Deno.writeFile(`${path}/ab`, new Uint8Array(3000).fill(0x62));
    await Deno.writeTextFile(`${path}/dir/inner/${"f".repeat(9)}`, "inner");
    if (words.includes("-R")) {
      await Deno.symlink("aa", `${path}/link`);
      await Deno.writeTextFile(`${path}/dir/${"n".repeat(250)}`, "long");
    }
  };
  await withImage(MAKERS[0]!, `${words} -no-pad`, fill, async (image) => {
    bytes = await Deno.readFile(image);
  });
  return bytes;
}

/** Offset of the record of that stored name. */
function recordAt(image: Uint8Array, name: string): number {
  const wanted = [name.length, ...new TextEncoder().encode(name)];
  for (let at = 17 * 2048; at < image.length; at++) {
    if (wanted.every((byte, i) => image[at + 32 + i] === byte)) return at;
  }
  throw new Error(`no record ${name}`);
}

const open = (image: Uint8Array) => openIso9660(new MemoryReader(image, "image"));

Deno.test({
  name: "openIso9660() takes Joliet where System Use fields tell of no Rock Ridge",
  ignore,
  async fn() {
    const image = await smallImage("-R -J");
    const names = async () => {
      await using tree = await open(image);
      return [(await tree.stat("link"))?.kind, (await tree.stat("aa"))?.mode];
    };
    assert.deepEqual(await names(), ["symlink", 0o644]);
    const root = new DataView(image.buffer).getUint32(16 * 2048 + 158, true) * 2048;
    const at = image.findIndex((byte, i) => i > root && byte === 0x50 && image[i + 1] === 0x58);
    assert.ok(at < root + 200);
    image[at] = 0x58;
    assert.deepEqual(await names(), [undefined, 0o444]);
  },
});

Deno.test({
  name: "openIso9660() joins a file of several extents",
  ignore,
  async fn() {
    const image = await smallImage("-iso-level 1");
    const first = recordAt(image, "AA.;1");
    const second = recordAt(image, "AB.;1");
    image[first + 25]! |= 0x80;
    image[second + 34] = 0x41;
    await using tree = await open(image);
    assert.deepEqual((await tree.list("")).map(({ name }) => name), ["aa", "dir"]);
    await using file = await tree.open("aa");
    const expected = new Uint8Array(7096).fill(0x61);
    expected.fill(0x62, 4096);
    await assertReads(file, expected);
    image[second + 34] = 0x42;
    await using broken = await open(image);
    await assert.rejects(broken.list(""), ofKind("corrupt", /breaks off/));
  },
});

Deno.test({
  name: "openIso9660() refuses loops, numbers that differ and extents behind the end",
  ignore,
  async fn() {
    const patch = async (change: (image: Uint8Array) => void, path: string) => {
      const image = await smallImage("-iso-level 1");
      change(image);
      await using tree = await open(image);
      await tree.list(path);
    };
    const root = (image: Uint8Array) => image.slice(16 * 2048 + 158, 16 * 2048 + 166);
    const loop = (name: string) => (image: Uint8Array) => {
      image.set(root(image), recordAt(image, name) + 2);
    };
    await assert.rejects(patch(loop("DIR"), ""), ofKind("corrupt", /two places/));
    await assert.rejects(patch(loop("INNER"), "dir"), ofKind("corrupt", /two places/));
    const flip = (offset: number) => (image: Uint8Array) =>
      image[recordAt(image, "DIR") + offset]! ^= 1;
    await assert.rejects(patch(flip(3), ""), ofKind("corrupt", /byte orders/));
    await assert.rejects(patch(flip(17), ""), ofKind("corrupt", /byte orders/));
    const far = (image: Uint8Array) =>
      image.set([0xff, 0, 0, 0, 0, 0, 0, 0xff], recordAt(image, "AA.;1") + 2);
    const behind = (image: Uint8Array) =>
      image.set([0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff], recordAt(image, "AA.;1") + 2);
    await patch(far, "").catch((error) => assert.ok(ofKind("corrupt")(error)));
    await assert.rejects(patch(behind, ""), ofKind("corrupt", /behind the end/));
    await assert.rejects(patch((image) => image[16 * 2048 + 1] = 0, ""), ofKind("corrupt"));
    const interleaved = async () => {
      const image = await smallImage("-iso-level 1");
      image[recordAt(image, "AA.;1") + 26] = 1;
      await using tree = await open(image);
      await tree.open("aa");
    };
    await assert.rejects(interleaved(), ofKind("unsupported", /interleaved/));
  },
});

Deno.test({
  name: "openIso9660() answers damaged images with its files or a typed error",
  ignore,
  async fn() {
    for (const words of ["-R", "-J", "-iso-level 1"]) {
      const image = await smallImage(words);
      const whole = await outcomeOf(openIso9660, image);
      assert.match(whole, /^[0-9a-f]{40}$/);
      const cut = await tally(openIso9660, whole, truncations(image, 512));
      assert.equal(cut.same + cut.different, 0, JSON.stringify(cut));
      const ranges = usedRanges(image, 16 * 2048);
      const flipped = await tally(openIso9660, whole, flips(image, ranges));
      assert.ok(flipped.error > 100, JSON.stringify(flipped));
      const mutated = await tally(openIso9660, whole, mutations(image, ranges, 5, 600));
      assert.ok(mutated.error > 100, JSON.stringify(mutated));
    }
  },
});
