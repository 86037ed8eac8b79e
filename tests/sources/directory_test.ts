import assert from "node:assert/strict";
import { DirectoryTree } from "../../lib/sources/directory.ts";
import type { Entry } from "../../lib/sources/file_tree.ts";

async function withTempDir(body: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "fastboop-test-" });
  try {
    await body(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

function command(program: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

const IS_ROOT = Deno.build.os === "linux" && Deno.uid() === 0;

Deno.test("DirectoryTree.list() tells kind, mode, size, time and target", async () => {
  await withTempDir(async (path) => {
    Deno.writeTextFileSync(`${path}/file`, "12345");
    Deno.chmodSync(`${path}/file`, 0o4640);
    Deno.utimeSync(`${path}/file`, 1_700_000_000.25, 1_700_000_000.25);
    Deno.mkdirSync(`${path}/folder`);
    Deno.symlinkSync("f\u00fcr", `${path}/link`);
    command("mkfifo", `${path}/pipe`);
    await using tree = new DirectoryTree(path);
    const entries = await tree.list("");
    assert.deepEqual(entries.map(({ name, kind }) => [name, kind]), [
      ["file", "file"],
      ["folder", "directory"],
      ["link", "symlink"],
      ["pipe", "fifo"],
    ]);
    const [file, , link] = entries;
    assert.equal(file!.mode, 0o4640);
    assert.equal(file!.sizeBytes, 5);
    assert.equal(file!.mtimeSeconds, 1_700_000_000);
    assert.equal(file!.mtimeNanoseconds, 250_000_000);
    assert.equal(link!.linkTarget, "f\u00fcr");
    assert.equal(link!.sizeBytes, 4);
    assert.equal(file!.hardLinkKey, undefined);
    assert.deepEqual(await tree.stat("file"), file);
    assert.equal((await tree.stat(""))?.kind, "directory");
    assert.equal(await tree.stat("nothing"), undefined);
    assert.equal(await tree.stat("file/below"), undefined);
  });
});

Deno.test("DirectoryTree.open() takes a file from before 1970 for what it is", async () => {
  await withTempDir(async (path) => {
    Deno.writeTextFileSync(`${path}/old`, "old");
    Deno.utimeSync(`${path}/old`, -304_815_476.544, -304_815_476.544);
    await using tree = new DirectoryTree(path);
    const [entry] = await tree.list("");
    await using reader = await tree.open("old", entry);
    const bytes = new Uint8Array(3);
    await reader.readAt(0, bytes);
    assert.equal(new TextDecoder().decode(bytes), "old");
  });
});

Deno.test("DirectoryTree.list() sorts by UTF-8 bytes", async () => {
  await withTempDir(async (path) => {
    const names = ["Z", "a", "a-b", "a.b", "\u00e9", "\uff21", "\u{1f4f1}"];
    for (const name of names.toReversed()) Deno.writeTextFileSync(`${path}/${name}`, "");
    await using tree = new DirectoryTree(path);
    assert.deepEqual((await tree.list("")).map(({ name }) => name), names);
  });
});

Deno.test({
  name: "DirectoryTree.list() splits device numbers as the kernel does",
  ignore: !IS_ROOT,
  async fn() {
    await withTempDir(async (path) => {
      command("mknod", `${path}/a`, "c", "1", "3");
      command("mknod", `${path}/b`, "b", "259", "70000");
      command("mknod", `${path}/c`, "c", "0", "0");
      await using tree = new DirectoryTree(path);
      const found = (await tree.list("")).map((e) => [e.kind, e.deviceMajor, e.deviceMinor]);
      assert.deepEqual(found, [
        ["character-device", 1, 3],
        ["block-device", 259, 70_000],
        ["character-device", 0, 0],
      ]);
    });
  },
});

Deno.test("DirectoryTree.list() gives links of one inode one key", async () => {
  await withTempDir(async (path) => {
    Deno.writeTextFileSync(`${path}/a`, "x");
    Deno.linkSync(`${path}/a`, `${path}/b`);
    Deno.writeTextFileSync(`${path}/c`, "x");
    await using tree = new DirectoryTree(path);
    const [a, b, c] = await tree.list("");
    assert.ok(a!.hardLinkKey);
    assert.equal(a!.hardLinkKey, b!.hardLinkKey);
    assert.equal(c!.hardLinkKey, undefined);
  });
});

Deno.test({
  name: "DirectoryTree.list() refuses names and targets that are not UTF-8, with the place",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await withTempDir(async (path) => {
      Deno.mkdirSync(`${path}/inner`);
      command("sh", "-c", `: > "$(printf '%s/inner/a\\377b' '${path}')"`);
      await using tree = new DirectoryTree(path);
      await assert.rejects(tree.list("inner"), (error: Error) => {
        assert.match(error.message, /not valid UTF-8/);
        assert.ok(error.message.includes(`${tree.rootPath}/inner`));
        return true;
      });
      Deno.removeSync(`${path}/inner`, { recursive: true });
      command("sh", "-c", `ln -s "$(printf 'a\\377b')" '${path}/link'`);
      await assert.rejects(tree.list(""), { kind: "unsupported" });
    });
  },
});

Deno.test("DirectoryTree never follows a link but the one to its root", async () => {
  await withTempDir(async (path) => {
    Deno.mkdirSync(`${path}/tree/real`, { recursive: true });
    Deno.writeTextFileSync(`${path}/tree/real/f`, "inside");
    Deno.writeTextFileSync(`${path}/secret`, "outside");
    Deno.symlinkSync("..", `${path}/tree/up`);
    Deno.symlinkSync("real", `${path}/tree/alias`);
    Deno.symlinkSync("tree", `${path}/root-link`);
    await using tree = new DirectoryTree(`${path}/root-link`);
    assert.equal((await tree.stat("real/f"))?.kind, "file");
    assert.equal(await tree.stat("up/secret"), undefined);
    assert.equal(await tree.stat("alias/f"), undefined);
    await assert.rejects(tree.list("up"), { kind: "not-found" });
    await assert.rejects(tree.open("up/secret"), { kind: "not-found" });
    await assert.rejects(tree.open("alias"), { kind: "unsupported" });
    for (const outside of ["../secret", "real/../../secret", "..", "real/.."]) {
      assert.equal(await tree.stat(outside), undefined, outside);
      await assert.rejects(tree.open(outside), { kind: "not-found" });
      await assert.rejects(tree.list(outside), { kind: "not-found" });
    }
    assert.equal(await tree.stat("..."), undefined);
  });
});

Deno.test("new DirectoryTree() says what is wrong with its path", async () => {
  await withTempDir((path) => {
    Deno.writeTextFileSync(`${path}/f`, "");
    assert.throws(() => new DirectoryTree(`${path}/none`), { kind: "not-found" });
    assert.throws(() => new DirectoryTree(`${path}/f`), { kind: "usage" });
    return Promise.resolve();
  });
});

for (const blockingReads of [false, true]) {
  const how = blockingReads ? "blocking" : "pooled";

  Deno.test(`DirectoryTree.open() reads any range and keeps 64 descriptors (${how})`, async () => {
    await withTempDir(async (path) => {
      for (let i = 0; i < 150; i++) {
        Deno.writeTextFileSync(`${path}/${i}`, `file ${i}`.repeat(1000));
      }
      const before = countDescriptors();
      await using tree = new DirectoryTree(path, { blockingReads });
      for (const entry of await tree.list("")) {
        const reader = await tree.open(entry.name, entry);
        const expected = Deno.readFileSync(`${path}/${entry.name}`);
        assert.equal(reader.sizeBytes, expected.length);
        const into = new Uint8Array(500);
        await reader.readAt(1234, into);
        assert.deepEqual(into, expected.slice(1234, 1734));
        await assert.rejects(reader.readAt(expected.length, into), { kind: "limit" });
      }
      assert.ok(countDescriptors() - before <= 66, `${countDescriptors() - before} are open`);
      await tree[Symbol.asyncDispose]();
      assert.ok(countDescriptors() - before <= 2);
    });
  });

  Deno.test(`readers of a DirectoryTree leave nothing open after its end (${how})`, async () => {
    await withTempDir(async (path) => {
      Deno.writeTextFileSync(`${path}/f`, "bytes");
      const before = countDescriptors();
      const tree = new DirectoryTree(path, { blockingReads });
      const reader = await tree.open("f");
      await reader.readAt(0, new Uint8Array(3));
      await tree[Symbol.asyncDispose]();
      for (const lengthBytes of [3, 5]) {
        await reader.readAt(0, new Uint8Array(lengthBytes));
      }
      await assert.rejects(reader.readAt(0.5, new Uint8Array(1)), { kind: "limit" });
      assert.equal(countDescriptors(), before);
    });
  });

  Deno.test(`DirectoryTree.open() refuses a drifted file for good (${how})`, async () => {
    await withTempDir((path) => driftEverywhere(path, blockingReads));
  });
}

function countDescriptors(): number {
  return Deno.build.os === "linux" ? [...Deno.readDirSync("/proc/self/fd")].length : 0;
}

/** What can happen to a file behind our back. */
const DRIFTS: Record<string, (path: string) => void> = {
  "truncated": (path) => Deno.truncateSync(path, 10),
  "grown": (path) => Deno.writeTextFileSync(path, "more", { append: true }),
  "replaced": (path) => {
    Deno.writeFileSync(`${path}.new`, new Uint8Array(5000).fill(2));
    Deno.renameSync(`${path}.new`, path);
  },
  "deleted": (path) => Deno.removeSync(path),
  "rewritten with its time restored": (path) => {
    const { mtime } = Deno.statSync(path);
    Deno.writeFileSync(path, new Uint8Array(5000).fill(2));
    Deno.utimeSync(path, mtime!, mtime!);
  },
  "made unreadable": (path) => Deno.chmodSync(path, 0),
  "swapped for a FIFO": (path) => {
    Deno.removeSync(path);
    command("mkfifo", path);
  },
  "swapped for a directory": (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(path);
  },
  "swapped for a link": (path) => {
    Deno.renameSync(path, `${path}.moved`);
    Deno.symlinkSync(`${path}.moved`, path);
  },
};

/** Each drift twice: of a file whose descriptor is open already, and of one never opened. */
async function driftEverywhere(path: string, blockingReads: boolean): Promise<void> {
  const names = Object.keys(DRIFTS).flatMap((drift) => [`${drift}, open`, `${drift}, closed`]);
  for (const name of [...names, "untouched"]) {
    Deno.writeFileSync(`${path}/${name}`, new Uint8Array(5000).fill(1));
  }
  await using tree = new DirectoryTree(path, { blockingReads });
  const entries = new Map<string, Entry>();
  for (const entry of await tree.list("")) entries.set(entry.name, entry);
  const read = async (name: string) => {
    const into = new Uint8Array(100);
    await (await tree.open(name, entries.get(name)!)).readAt(0, into);
    return into;
  };
  for (const name of names.filter((n) => n.endsWith("open"))) await read(name);
  // Deno tells the change time in whole seconds: a change within the same one cannot be seen.
  await new Promise((resolve) => setTimeout(resolve, 1050 - Date.now() % 1000));
  for (const name of names) DRIFTS[name.replace(/, (open|closed)$/, "")]!(`${path}/${name}`);
  for (const name of names) {
    await assert.rejects(read(name), { name: "FastboopError", kind: "source" }, name);
  }
  // The old bytes coming back do not help: half of the file may have been read before.
  const name = "deleted, open";
  Deno.writeFileSync(`${path}/${name}`, new Uint8Array(5000).fill(1));
  await assert.rejects(read(name), { kind: "source" });
  // A fresh look does.
  entries.set(name, (await tree.stat(name))!);
  assert.equal((await read(name))[0], 1);
  assert.equal((await read("untouched"))[0], 1);
}
