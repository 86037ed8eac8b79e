import assert from "node:assert/strict";
import { layoutExt4 } from "../../../lib/filesystems/ext4/layout.ts";
import { openExt4 } from "../../../lib/filesystems/ext4/open_ext4.ts";
import { MODULES_IMAGE_LIMITS } from "../../../lib/filesystems/limits.ts";
import { hasTool, run, sha256, withTempDir } from "../foreign_tools.ts";
import {
  type Children,
  directory,
  file,
  manyFiles,
  MemoryTree,
  type Node,
  symlink,
} from "../memory_tree.ts";
import { assertClean, bytesOf, e2fsck, imageOf, slowTree, writeMetadata } from "./images.ts";
import { tortureTree } from "./torture_tree.ts";

const ignore = !hasTool("e2fsck") || !hasTool("debugfs");
const layout = (root: Node, options = {}) => layoutExt4(new MemoryTree(root), options);

Deno.test("layoutExt4() opens no file", async () => {
  const tree = new MemoryTree(directory({ a: file("a"), b: directory({ c: file("c") }) }));
  const image = await imageOf(tree);
  await image.readAt(0, new Uint8Array(image.layout.geometry.data * 4096));
  assert.deepEqual(tree.opened, []);
  await bytesOf(image);
  assert.deepEqual(tree.opened, ["a", "b/c"]);
});

Deno.test("layoutExt4() makes the same bytes of the same tree, whatever order it was made in", async () => {
  const children: Children = {
    "b": file("b", { mtimeSeconds: 5 }),
    "a": directory({ "y": symlink("x"), "x": file("x", { hardLinkKey: "1:2" }) }),
    "c": file("x", { hardLinkKey: "1:2" }),
  };
  const reversed = Object.fromEntries(Object.entries(children).reverse());
  const renamed = structuredClone(reversed);
  renamed.c!.entry = { ...renamed.c!.entry, hardLinkKey: "9:9" };
  renamed.a!.children!.get("x")!.entry = { ...renamed.c!.entry, hardLinkKey: "9:9" };
  const hash = async (c: Children) =>
    await sha256(await bytesOf(await imageOf(directory(c), { label: "x" })));
  assert.equal(await hash(children), await hash(reversed));
  assert.equal(await hash(children), await hash(renamed));
});

Deno.test("layoutExt4() makes known bytes of small trees", async () => {
  const hash = async (root: Node) => await sha256(await bytesOf(await imageOf(root)));
  assert.equal(
    await hash(directory()),
    "928a6e14e6404f6b9af21f87ccb39f490baf968242909b7555ea04595a12c692",
  );
  assert.equal(
    await hash(directory({ "hello": file("hello world\n", { mtimeSeconds: 1_795_000_000 }) })),
    "fde86d0bb0fe8d8df6b0c95b8055be58257fe8b358b29c0f92d223e9210e53ab",
  );
});

Deno.test("layoutExt4() gives every change of the tree another UUID and identity", async () => {
  const base = () => ({ "f": file("1", { mtimeSeconds: 1 }), "l": symlink("f") });
  const variants: Node[] = [
    directory(base()),
    directory({ ...base(), "f": file("1", { mtimeSeconds: 2 }) }),
    directory({ ...base(), "f": file("1", { mtimeSeconds: 1, mtimeNanoseconds: 1 }) }),
    directory({ ...base(), "f": file("12", { mtimeSeconds: 1 }) }),
    directory({ ...base(), "f": file("1", { mtimeSeconds: 1, mode: 0o600 }) }),
    directory({
      ...base(),
      "f": file("1", { mtimeSeconds: 1, xattrs: new Map([["user.a", new Uint8Array(1)]]) }),
    }),
    directory({ ...base(), "l": symlink("g") }),
    directory({ ...base(), "g": file("1") }),
    directory({ "d": directory(base()) }),
  ];
  const identities = new Set<string>();
  for (const root of variants) identities.add((await layout(root)).identity);
  identities.add((await layout(variants[0]!, { label: "other" })).identity);
  assert.equal(identities.size, variants.length + 1);
  const { uuid } = await layout(variants[0]!);
  assert.equal(uuid[6]! >> 4, 8, "version");
  assert.equal(uuid[8]! >> 6, 2, "variant");
});

Deno.test("layoutExt4() keeps the UUID but not the identity when only clamped times differ", async () => {
  const root = (mtimeSeconds: number) => directory({ "f": file("1", { mtimeSeconds }) });
  const options = { timestamps: { clampSeconds: 100 } };
  const [a, b, early] = [
    await layout(root(1000), options),
    await layout(root(2000), options),
    await layout(root(50), options),
  ];
  assert.deepEqual(a.uuid, b.uuid);
  assert.notEqual(a.identity, b.identity);
  assert.notDeepEqual(a.uuid, early.uuid);
  assert.deepEqual(
    await bytesOf(await imageOf(root(1000), options)),
    await bytesOf(await imageOf(root(2000), options)),
  );
});

Deno.test("layoutExt4() stores the last time ext4 can tell for later ones, whatever the clamp", async () => {
  const root = directory({ "f": file("", { mtimeSeconds: 2 ** 35, mtimeNanoseconds: 7 }) });
  for (const clampSeconds of [2 ** 34, 2 ** 36]) {
    await using tree = await openExt4(await imageOf(root, { timestamps: { clampSeconds } }));
    assert.equal((await tree.stat("f"))!.mtimeSeconds, 2 ** 34 - 2 ** 31 - 1);
  }
});

Deno.test("layoutExt4() refuses names, sizes and targets at the limit plus one", async () => {
  const cases: [Node, string][] = [
    [directory({ ["n".repeat(256)]: file() }), "limit"],
    [directory({ ["\u00e9".repeat(128)]: file() }), "limit"],
    [directory({ ["n".repeat(5000)]: file() }), "limit"],
    [directory({ "l": symlink("t".repeat(4096)) }), "limit"],
    [directory({ "l": symlink("") }), "limit"],
    [directory({ "a/b": file() }), "corrupt"],
    [directory({ "..": file() }), "corrupt"],
    [directory({ "": file() }), "corrupt"],
    [directory({ "nul\0": file() }), "corrupt"],
    [directory({ "\ud800": file() }), "corrupt"],
    [directory({ "f": file(0.5) }), "corrupt"],
    [directory({ "f": file(2 ** 44) }), "limit"],
    [
      directory({ "f": file("", { xattrs: new Map([["system.other", new Uint8Array(1)]]) }) }),
      "unsupported",
    ],
    [
      directory({ "f": file("", { xattrs: new Map([["user.a", new Uint8Array(4060)]]) }) }),
      "limit",
    ],
    [file(), "not-found"],
  ];
  for (const [root, kind] of cases) {
    await assert.rejects(layout(root), { name: "FastboopError", kind });
  }
  await layout(directory({ ["n".repeat(255)]: file(), "l": symlink("t".repeat(4095)) }));
  await assert.rejects(layout(directory(), { label: "\u00e9".repeat(8) + "x" }), { kind: "usage" });
  await layout(directory(), { label: "\u00e9".repeat(8) });
});

Deno.test("layoutExt4() holds the limits of the modules image at N and refuses N + 1", async () => {
  const limits = MODULES_IMAGE_LIMITS;
  const files = (count: number) => directory(manyFiles(count, (i) => String(i)));
  await layout(files(limits.entryCount), { limits });
  await assert.rejects(layout(files(limits.entryCount + 1), { limits }), { kind: "limit" });
  const overhead =
    (await layout(directory({ "f": file(limits.imageBytes - 2 ** 22) }))).geometry.data;
  const largest = limits.imageBytes - overhead * 4096;
  assert.equal(
    (await layout(directory({ "f": file(largest) }), { limits })).sizeBytes,
    limits.imageBytes,
  );
  await assert.rejects(layout(directory({ "f": file(largest + 1) }), { limits }), {
    kind: "limit",
  });
});

Deno.test("layoutExt4() refuses more hard links than ext4 counts", async () => {
  const links = (count: number) => {
    const link = file("x", { hardLinkKey: "k" });
    return directory(new Map(Array.from({ length: count }, (_, i) => [String(i), link])));
  };
  await layout(links(65_000));
  await assert.rejects(layout(links(65_001)), { kind: "limit" });
});

Deno.test("layoutExt4() stops when its signal does, also during the walk", async () => {
  const aborted = AbortSignal.abort();
  await assert.rejects(layout(directory(), { signal: aborted }), { kind: "cancelled" });
  const tree = slowTree();
  const signal = AbortSignal.timeout(10);
  await assert.rejects(layoutExt4(tree, { signal }), { kind: "cancelled" });
  assert.ok(tree.listed < 200, `${tree.listed} listed`);
});

Deno.test({
  name: "Ext4Image passes e2fsck for every sort of tree",
  ignore,
  async fn() {
    await assertClean(await imageOf(directory()));
    await assertClean(await imageOf(directory({ "f": file("x") })));
    await assertClean(await imageOf(tortureTree(), { owner: "source", label: "torture" }));
    await assertClean(await imageOf(tortureTree(), { timestamps: { clampSeconds: 2 ** 33 } }));
  },
});

Deno.test({
  name: "Ext4Image passes e2fsck with 70000 names, two hash levels and 66000 subdirectories",
  ignore,
  async fn() {
    await assertClean(
      await imageOf(directory({ "d": directory(manyFiles(70_000, (i) => `f${i}`)) })),
    );
    const long = manyFiles(20_000, (i) => String(i).padStart(200, "n"));
    const image = await imageOf(directory({ "d": directory(long) }));
    assert.ok([...image.layout.plans.values()].some(({ hashed }) => (hashed?.nodeCount ?? 0) > 0));
    await assertClean(image);
    const empty = directory();
    const folders = new Map(Array.from({ length: 66_000 }, (_, i) => [`d${i}`, empty]));
    await assertClean(await imageOf(directory(folders)));
  },
});

Deno.test({
  name: "Ext4Image passes e2fsck with files of several extents, nodes and levels",
  ignore,
  async fn() {
    const extent = 32768 * 4096;
    for (
      const sizeBytes of [
        4 * extent,
        4 * extent + 1,
        340 * extent,
        340 * extent + 1,
        4 * 340 * extent,
        4 * 340 * extent + 1,
      ]
    ) {
      await assertClean(
        await imageOf(directory({ "a": file("x"), "big": file(sizeBytes), "z": file("z") })),
      );
    }
    // Full groups: the last block of the image is the last of a group, or the first of the next.
    for (const blocks of [32768 - 8, 32768 - 7, 32768 - 6, 32768 - 5, 65536 - 9, 65536 - 8]) {
      await assertClean(await imageOf(directory({ "f": file(blocks * 4096) })));
    }
  },
});

Deno.test({
  name: "e2fsck as a judge fails on one flipped byte in every sort of block",
  ignore,
  async fn() {
    await withTempDir(async (folder) => {
      const image = await imageOf(tortureTree());
      const { geometry: g, directories, plans, treeBlock, inodes, xattrs } = image.layout;
      const hashed = directories.find((d) => plans.get(d)!.hashed)!;
      const xattrBlock = inodes.find((i) => xattrs.get(i)?.place === "block")!.xattrBlock;
      const offsets: Record<string, number> = {
        "superblock": 1024 + 0x4c,
        "descriptors": 4096 + 0x10,
        "block bitmap": g.blockBitmaps * 4096,
        "inode bitmap": g.inodeBitmaps * 4096,
        "inode": g.inodeTable * 4096 + 256 + 0x10,
        "directory leaf": directories[0]!.startBlock * 4096 + 30,
        "hash root": hashed.startBlock * 4096 + 0x28,
        "hash leaf": (hashed.startBlock + 1) * 4096 + 9,
        "attributes": xattrBlock * 4096 + 40,
      };
      assert.ok(treeBlock <= xattrBlock);
      const path = `${folder}/image`;
      writeMetadata(image, path);
      assert.equal((await e2fsck(path)).code, 0);
      using device = Deno.openSync(path, { read: true, write: true });
      const byte = new Uint8Array(1);
      for (const [what, offset] of Object.entries(offsets)) {
        device.seekSync(offset, Deno.SeekMode.Start);
        device.readSync(byte);
        for (const value of [byte[0]! ^ 1, byte[0]!]) {
          device.seekSync(offset, Deno.SeekMode.Start);
          device.writeSync(Uint8Array.of(value));
          assert.equal((await e2fsck(path)).code === 0, value === byte[0], what);
        }
      }
    });
  },
});

Deno.test({
  name: "Ext4Image has the feature set it promises",
  ignore: ignore || !hasTool("dumpe2fs"),
  async fn() {
    await withTempDir(async (folder) => {
      const path = `${folder}/image`;
      writeMetadata(await imageOf(tortureTree(), { label: "fastboop-modules" }), path);
      const { stdout } = await run("dumpe2fs", ["-h", path]);
      const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(stdout)?.[1];
      assert.deepEqual(
        field("Filesystem features")!.split(" ").sort().join(" "),
        "64bit dir_index dir_nlink ext_attr extent extra_isize filetype flex_bg huge_file " +
          "large_file metadata_csum read-only sparse_super2",
      );
      assert.equal(field("Filesystem volume name"), "fastboop-modules");
      assert.equal(field("Free blocks"), "0");
      assert.equal(field("Filesystem state"), "clean");
      assert.equal(field("Maximum mount count"), "-1");
    });
  },
});
