import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../../lib/bytes/concat.ts";
import { Ext4Image } from "../../../lib/filesystems/ext4/image.ts";
import { layoutExt4 } from "../../../lib/filesystems/ext4/layout.ts";
import { openExt4 } from "../../../lib/filesystems/ext4/open_ext4.ts";
import { writeExt4 } from "../../../lib/filesystems/ext4/write.ts";
import { DirectoryTree } from "../../../lib/sources/directory.ts";
import type { Entry } from "../../../lib/sources/file_tree.ts";
import { openOutputFile } from "../../../lib/sources/output_file.ts";
import { openXattrs } from "../../../lib/sources/xattr.ts";
import { hasTool, run, sha256, withTempDir } from "../foreign_tools.ts";
import { directory, file, MemoryTree, type Node, symlink } from "../memory_tree.ts";
import { describeTree, IS_ROOT, makeHostTree } from "./host_tree.ts";
import { assertClean, bytesOf, e2fsck, imageOf } from "./images.ts";
import { tortureTree } from "./torture_tree.ts";

async function writeTo(image: Ext4Image, path: string): Promise<void> {
  await using output = openOutputFile(path);
  await writeExt4(image, output);
  output.commit();
}

/** A generator of numbers below 1 from a seed (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

Deno.test("Ext4Image.readAt() gives the same bytes in every cut and alignment", async () => {
  const image = await imageOf(tortureTree());
  const whole = await bytesOf(image);
  const seed = Date.now() | 0;
  const next = random(seed);
  for (let i = 0; i < 400; i++) {
    const offset = Math.floor(next() * image.sizeBytes);
    const length = Math.min(image.sizeBytes - offset, Math.floor(next() ** 3 * 200_000));
    // An odd start in its buffer makes typed-array views unaligned.
    const into = new Uint8Array(length + 3).fill(0xaa).subarray(i % 4, (i % 4) + length);
    await image.readAt(offset, into);
    assert.ok(
      indexedEqual(into, whole.subarray(offset, offset + length)),
      `offset ${offset}, length ${length}, seed ${seed}`,
    );
  }
  assert.ok(!indexedEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), "the comparison can fail");
});

function indexedEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

Deno.test("Ext4Image.readAt() refuses what lies outside and stops with its signal", async () => {
  const image = await imageOf(directory());
  for (
    const [offset, length] of [
      [image.sizeBytes, 1],
      [-1, 1],
      [0, image.sizeBytes + 1],
      [NaN, 1],
      [0.5, 1],
    ] as const
  ) {
    await assert.rejects(image.readAt(offset, new Uint8Array(length)), { kind: "limit" });
  }
  await image.readAt(image.sizeBytes, new Uint8Array(0));
  const signal = AbortSignal.abort();
  await assert.rejects(image.readAt(0, new Uint8Array(1), { signal }), { kind: "cancelled" });
});

Deno.test("Ext4Image.readAt() answers 64 overlapping reads over few descriptors", async () => {
  await withTempDir(async (folder) => {
    for (let i = 0; i < 200; i++) {
      const data = new Uint8Array(1000 + i * 97).map((_, k) => (k * 7 + i) & 255);
      Deno.writeFileSync(`${folder}/file-${String(i).padStart(3, "0")}`, data);
    }
    await using tree = new DirectoryTree(folder);
    const image = new Ext4Image(await layoutExt4(tree));
    const whole = await bytesOf(image);
    const next = random(1);
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 64 }, async () => {
        const offset = Math.floor(next() * (image.sizeBytes - 70_000));
        const into = new Uint8Array(1 + Math.floor(next() * 69_999));
        await image.readAt(offset, into);
        assert.ok(indexedEqual(into, whole.subarray(offset, offset + into.length)));
      }));
    }
  });
});

/** Fills `into` with the number of each block. */
function fillWithBlockNumbers(offsetBytes: number, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  for (let i = 0; i + 8 <= into.length; i += 8) {
    view.setFloat64(i, Math.floor((offsetBytes + i) / 4096));
  }
}

Deno.test("Ext4Image maps files to the last block at every depth of the extent tree", async () => {
  const extent = 32768 * 4096;
  for (
    const sizeBytes of [4 * extent, 340 * extent, 1360 * extent, 1361 * extent, 15 * 2 ** 40]
  ) {
    const source = new MemoryTree(directory({ "a": file("x"), "big": file(sizeBytes) }));
    source.open = () =>
      Promise.resolve({
        sizeBytes,
        identity: "big",
        // deno-lint-ignore require-await
        readAt: async (offset, into) => fillWithBlockNumbers(offset, into),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    await using tree = await openExt4(await imageOf(source));
    await using reader = await tree.open("big");
    const ends = [0, 1, 4, 340, 341, 1360, 340 * 340, sizeBytes / extent];
    for (const end of ends.filter((extents) => extents * extent <= sizeBytes)) {
      for (const offset of [end * extent - 4096, end * extent]) {
        if (offset < 0 || offset >= sizeBytes) continue;
        const [got, wanted] = [new Uint8Array(4096), new Uint8Array(4096)];
        await reader.readAt(offset, got);
        fillWithBlockNumbers(offset, wanted);
        assert.ok(indexedEqual(got, wanted), `offset ${offset} of ${sizeBytes}`);
      }
    }
  }
});

Deno.test("Ext4Image fails for a file that drifted and for no other", async () => {
  await withTempDir(async (folder) => {
    for (const name of ["a", "b", "c"]) {
      Deno.writeFileSync(`${folder}/${name}`, new Uint8Array(9000).fill(7));
    }
    await using tree = new DirectoryTree(folder);
    const image = new Ext4Image(await layoutExt4(tree));
    Deno.writeFileSync(`${folder}/b`, new Uint8Array(8999));
    const { geometry, files } = image.layout;
    await image.readAt(0, new Uint8Array(geometry.data * 4096));
    for (const inode of files) {
      const into = new Uint8Array(inode.blockCount * 4096);
      const reading = image.readAt(inode.startBlock * 4096, into);
      if (inode.path === "b") await assert.rejects(reading, { kind: "source" });
      else await reading;
    }
    // Not even when the old size and time are back.
    Deno.writeFileSync(`${folder}/b`, new Uint8Array(9000).fill(7));
    const b = files.find(({ path }) => path === "b")!;
    await assert.rejects(image.readAt(b.startBlock * 4096, new Uint8Array(10)), { kind: "source" });
    await assert.rejects(writeExt4(image, { write() {} }), { kind: "source" });
  });
});

Deno.test("writeExt4() streams exactly the virtual image, with and without holes", async () => {
  const image = await imageOf(
    directory({ "zeros": file(300_000), "data": file("x".repeat(70_000)), "d": directory() }),
  );
  const whole = await bytesOf(image);
  const piped: Uint8Array[] = [];
  let progress = 0;
  await writeExt4(image, { write: (bytes) => void piped.push(bytes.slice()) }, {
    onProgress: (done) => progress = done,
  });
  assert.ok(indexedEqual(concat(piped), whole));
  assert.equal(progress, image.sizeBytes);
  await withTempDir(async (folder) => {
    await writeTo(image, `${folder}/image`);
    assert.equal(await sha256(await Deno.readFile(`${folder}/image`)), await sha256(whole));
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["image"]);
  });
});

Deno.test("writeExt4() waits for the sink and passes its failure on", async () => {
  const image = await imageOf(directory({ "f": file("x".repeat(3_000_000)) }));
  let writing = 0;
  await assert.rejects(
    writeExt4(image, {
      async write() {
        assert.equal(++writing, 1, "one write at a time");
        await new Promise((resolve) => setTimeout(resolve));
        writing--;
        throw new Error("disk full");
      },
    }),
    /disk full/,
  );
  const signal = AbortSignal.abort();
  await assert.rejects(writeExt4(image, { write() {} }, { signal }), { kind: "cancelled" });
});

Deno.test({
  name: "Ext4Image of a directory is read back equal by debugfs",
  ignore: !hasTool("debugfs"),
  async fn() {
    await withTempDir(async (folder) => {
      const source = `${folder}/source`;
      await makeHostTree(source);
      // rdump makes neither devices nor FIFOs.
      for (const name of ["fifo", ...(IS_ROOT ? ["null", "far"] : [])]) {
        await Deno.remove(`${source}/${name}`);
      }
      await using tree = new DirectoryTree(source, { blockingReads: true });
      const image = new Ext4Image(await layoutExt4(tree, { owner: "source" }));
      await writeTo(image, `${folder}/image`);
      assert.equal((await e2fsck(`${folder}/image`)).code, 0);
      const dump = async (image: string, to: string) => {
        await Deno.mkdir(to);
        await run("debugfs", ["-R", `rdump / ${to}`, image]);
        return await run("diff", ["-r", "--no-dereference", source, to]);
      };
      const same = await dump(`${folder}/image`, `${folder}/out`);
      assert.equal(same.stdout + same.stderr, "");
      const bytes = await Deno.readFile(`${folder}/image`);
      const inode = image.layout.files.find(({ path }) => path.endsWith("size-300000.ko"))!;
      bytes[inode.startBlock * 4096 + 150_000]! ^= 1;
      await Deno.writeFile(`${folder}/flipped`, bytes);
      const differs = await dump(`${folder}/flipped`, `${folder}/out2`);
      assert.match(differs.stdout, /size-300000\.ko.* differ/);
    });
  },
});

/** Whether this process may mount images. */
const canMount = IS_ROOT && hasTool("losetup") &&
  (await run("losetup", ["-f"])).code === 0 &&
  /\bext4\b/.test(await Deno.readTextFile("/proc/filesystems").catch(() => ""));

Deno.test({
  name: "Ext4Image of a directory mounts, and the kernel sees what was there",
  ignore: !canMount,
  async fn() {
    await withTempDir(async (folder) => {
      const source = `${folder}/source`;
      const mounted = `${folder}/mounted`;
      await makeHostTree(source);
      await Deno.mkdir(mounted);
      await using tree = new DirectoryTree(source);
      await writeTo(new Ext4Image(await layoutExt4(tree, { owner: "source" })), `${folder}/image`);
      const mount = await run("mount", ["-t", "ext4", "-o", "loop", `${folder}/image`, mounted]);
      assert.equal(mount.code, 0, mount.stderr);
      try {
        assert.deepEqual(await describeTree(mounted), await describeTree(source));
        const args = [
          "-r",
          "--no-dereference",
          "--exclude=fifo",
          "--exclude=null",
          "--exclude=far",
        ];
        const { stdout, stderr } = await run("diff", [...args, source, mounted]);
        assert.equal(stdout + stderr, "");
        assert.equal(
          Deno.statSync(`${mounted}/shared`).ino,
          Deno.statSync(`${mounted}/kernel/shared-again`).ino,
        );
        assert.throws(() => Deno.statSync(`${mounted}/many/entry-3000`), Deno.errors.NotFound);
        assert.throws(() => Deno.writeTextFileSync(`${mounted}/new`, ""), /Read-only/);
      } finally {
        await run("umount", [mounted]);
      }
    });
  },
});

Deno.test({
  name: "Ext4Image carries times, devices and extended attributes the kernel reads back",
  ignore: !canMount,
  async fn() {
    await withTempDir(async (folder) => {
      const mounted = `${folder}/mounted`;
      await Deno.mkdir(mounted);
      const source = tortureTree();
      await writeTo(await imageOf(source, { owner: "source" }), `${folder}/image`);
      const mount = await run("mount", ["-t", "ext4", "-o", "loop", `${folder}/image`, mounted]);
      assert.equal(mount.code, 0, mount.stderr);
      try {
        const readXattrs = openXattrs((text) => assert.fail(text));
        await using tree = new DirectoryTree(mounted, { readXattrs });
        for (const path of ["times", "special", "xattrs", "modes", "links"]) {
          const comparable = (entries: Entry[]) =>
            entries.filter(({ name }) => !name.startsWith("too-")).map((entry) => ({
              ...entry,
              mtimeNanoseconds: Math.floor(entry.mtimeNanoseconds / 1e6),
              hardLinkKey: entry.hardLinkKey === undefined ? "" : "linked",
              stamp: 0,
              xattrs: [...entry.xattrs ?? []].sort(([a], [b]) => a < b ? -1 : 1),
            }));
          assert.deepEqual(comparable(await tree.list(path)), comparable(await source.list(path)));
        }
      } finally {
        await run("umount", [mounted]);
      }
    });
  },
});

Deno.test("Ext4Image is the same under another time zone and locale", async () => {
  await withTempDir(async (folder) => {
    const source = `${folder}/source`;
    await makeHostTree(source);
    const program = `
      import { DirectoryTree } from "${import.meta.resolve("../../../lib/sources/directory.ts")}";
      import { layoutExt4 } from "${
      import.meta.resolve("../../../lib/filesystems/ext4/layout.ts")
    }";
      import { Ext4Image } from "${import.meta.resolve("../../../lib/filesystems/ext4/image.ts")}";
      const image = new Ext4Image(await layoutExt4(new DirectoryTree(Deno.args[0])));
      const bytes = new Uint8Array(image.sizeBytes);
      await image.readAt(0, bytes);
      const hash = await crypto.subtle.digest("SHA-256", bytes);
      console.log(new Uint8Array(hash).toString(), image.identity);
    `;
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    const outputs = await Promise.all(["UTC", "Asia/Tokyo"].map(async (TZ) => {
      const args = ["run", "--no-config", "--no-check", "-A", `${folder}/program.ts`, source];
      const result = await run(Deno.execPath(), args, { env: { TZ, LANG: "de_DE.UTF-8" } });
      assert.equal(result.code, 0, result.stderr);
      return result.stdout;
    }));
    assert.equal(outputs[0], outputs[1]);
  });
});

const sizes = fc.constantFrom(0, 1, 59, 60, 4095, 4096, 4097, 50_000);
const names = fc.oneof(
  fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" }),
  fc.integer({ min: 1, max: 255 }).map((length) => "n".repeat(length)),
).filter((name) => !/^\.{1,2}$|[/\0]/.test(name) && new TextEncoder().encode(name).length <= 255);
const times = fc.record({
  mtimeSeconds: fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
  mode: fc.nat(0o7777),
});
const xattrs = fc.option(
  fc.dictionary(
    fc.constantFrom("user.a", "user.longer", "security.selinux", "trusted.x"),
    fc.uint8Array({ maxLength: 80 }),
  )
    .map((values) => ({ xattrs: new Map(Object.entries(values)) })),
  { nil: {} },
);
const leaves = fc.oneof(
  fc.tuple(sizes, times, xattrs).map(([size, t, x]) =>
    file(new Uint8Array(size).fill(65), { ...t, ...x })
  ),
  fc.tuple(fc.integer({ min: 1, max: 200 }), times).map(([length, t]) =>
    symlink("t".repeat(length), t)
  ),
  fc.constantFrom("1", "2").map((key) => file("linked", { hardLinkKey: key })),
);
const trees: fc.Arbitrary<Node> = fc.letrec<{ node: Node; folder: Node }>((tie) => ({
  node: fc.oneof({ depthSize: "small", withCrossShrink: true }, leaves, tie("folder")),
  folder: fc.tuple(fc.array(fc.tuple(names, tie("node")), { maxLength: 30 }), times)
    .map(([children, t]) => directory(new Map(children), t)),
})).folder;

Deno.test({
  name: "Ext4Image passes e2fsck for random trees",
  ignore: !hasTool("e2fsck"),
  async fn() {
    const seed = Number(Deno.env.get("FASTBOOP_SEED") ?? Date.now() & 0x7fffffff);
    console.log(`seed ${seed} (FASTBOOP_SEED repeats it)`);
    const property = fc.asyncProperty(trees, async (root) => {
      await assertClean(await imageOf(new MemoryTree(root), { owner: "source" }));
    });
    await fc.assert(property, { seed, numRuns: 60 });
  },
});
