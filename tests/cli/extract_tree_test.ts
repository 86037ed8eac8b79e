import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { FastboopError } from "../../lib/errors/errors.ts";
import { extractTree } from "../../lib/cli/extract_tree.ts";
import type { Entry, FileTree } from "../../lib/sources/file_tree.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { withTempDir } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";

const entry = (name: string, kind: Entry["kind"], more: Partial<Entry> = {}): Entry => ({
  name,
  kind,
  mode: kind === "directory" ? 0o755 : 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtimeSeconds: 1,
  mtimeNanoseconds: 0,
  ...more,
});
const ROOT = entry("", "directory");

/** Gives whatever names it is told to, as no reader of ours would. */
class LyingTree implements FileTree {
  readonly #lists: Record<string, Entry[]>;

  constructor(lists: Record<string, Entry[]>) {
    this.#lists = lists;
  }

  stat(): Promise<Entry | undefined> {
    return Promise.resolve(ROOT);
  }

  list(path: string): Promise<Entry[]> {
    return Promise.resolve(this.#lists[path] ?? []);
  }

  open(path: string): Promise<Reader> {
    return Promise.resolve(new MemoryReader(new TextEncoder().encode("pwned"), path));
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const options = { signal: new AbortController().signal, isRoot: false };

for (const name of ["..", ".", "", "a/b", "../x", "/etc", "x\0y"]) {
  Deno.test(`extractTree() refuses the name ${JSON.stringify(name)}`, () =>
    withTempDir(async (dir) => {
      const tree = new LyingTree({ "": [entry(name, "file")] });
      await assert.rejects(extractTree(tree, "", ROOT, `${dir}/out`, options), ofKind("corrupt"));
      assert.deepEqual([...Deno.readDirSync(dir)].map((one) => one.name), ["out"]);
    }));
}

Deno.test("extractTree() writes nothing through a link of the image", () =>
  withTempDir(async (dir) => {
    await Deno.mkdir(`${dir}/outside`);
    await Deno.writeTextFile(`${dir}/outside/kept`, "mine");
    const link = entry("a", "symlink", { linkTarget: "../outside" });
    const twice = new LyingTree({
      "": [link, entry("a", "directory")],
      a: [entry("kept", "file"), entry("new", "file")],
    });
    await assert.rejects(extractTree(twice, "", ROOT, `${dir}/one`, options), ofKind("source"));
    const file = new LyingTree({
      "": [{ ...link, linkTarget: "../outside/kept" }, entry("a", "file")],
    });
    await assert.rejects(extractTree(file, "", ROOT, `${dir}/two`, options), ofKind("source"));
    assert.equal(await Deno.readTextFile(`${dir}/outside/kept`), "mine");
    assert.deepEqual([...Deno.readDirSync(`${dir}/outside`)].map(({ name }) => name), ["kept"]);
  }));

Deno.test("extractTree() changes neither mode nor time of what a link points at", () =>
  withTempDir(async (dir) => {
    await Deno.writeTextFile(`${dir}/victim`, "mine");
    await Deno.chmod(`${dir}/victim`, 0o600);
    const before = Deno.statSync(`${dir}/victim`);
    const link = entry("a", "symlink", {
      linkTarget: `${dir}/victim`,
      mode: 0o777,
      hardLinkKey: "7",
    });
    const tree = new LyingTree({ "": [link, { ...link, name: "b" }] });
    await extractTree(tree, "", ROOT, `${dir}/out`, options);
    const after = Deno.statSync(`${dir}/victim`);
    assert.deepEqual([after.mode, after.mtime, after.nlink], [before.mode, before.mtime, 1]);
    assert.equal(Deno.readLinkSync(`${dir}/out/b`), `${dir}/victim`);
  }));

Deno.test("extractTree() makes holes, and writes what is between them and behind them", () =>
  withTempDir(async (dir) => {
    const zeros = 200_000;
    const ends: [name: string, ends: number[]][] = [
      ["front", [0]],
      ["both", [0, (2 << 20) + 5]],
      ["back", [(2 << 20) + 5]],
      ["middle", [(1 << 20) - 1, 1 << 20]],
      ["none", []],
    ];
    const contents = new Map(ends.map(([name, at]) => {
      const bytes = new Uint8Array((2 << 20) + 6 + zeros);
      for (const one of at) bytes[one] = 7;
      return [name, bytes.subarray(0, name === "both" ? (2 << 20) + 6 : undefined)];
    }));
    contents.set("empty", new Uint8Array());
    const tree = new LyingTree({ "": [...contents.keys()].map((name) => entry(name, "file")) });
    tree.open = (path) => Promise.resolve(new MemoryReader(contents.get(path)!, path));
    const { bytes } = await extractTree(tree, "", ROOT, `${dir}/out`, options);
    let total = 0;
    for (const [name, expected] of contents) {
      assert.equal(Buffer.compare(await Deno.readFile(`${dir}/out/${name}`), expected), 0, name);
      const { blocks } = await Deno.stat(`${dir}/out/${name}`);
      assert.ok(blocks! * 512 <= 256 << 10, `${name} takes ${blocks} blocks`);
      total += expected.length;
    }
    assert.equal(bytes, total);
  }));

Deno.test("extractTree() ends with no time of an image that cannot be set", () =>
  withTempDir(async (dir) => {
    const old = { mtimeSeconds: -86_400 };
    const late = { mtimeSeconds: Number.MAX_SAFE_INTEGER, mtimeNanoseconds: 999_999_999 };
    const tree = new LyingTree({
      "": [
        entry("old", "file", old),
        entry("late", "file", late),
        entry("link", "symlink", { ...old, linkTarget: "old" }),
      ],
    });
    await extractTree(tree, "", ROOT, `${dir}/out`, options);
    assert.equal(Deno.statSync(`${dir}/out/old`).mtime!.getTime(), -86_400_000);
    assert.equal(Deno.lstatSync(`${dir}/out/link`).mtime!.getTime(), 0);
  }));

Deno.test("extractTree() keeps set-user-ID bits from who is not root", () =>
  withTempDir(async (dir) => {
    const tree = new LyingTree({ "": [entry("su", "file", { mode: 0o4755 })] });
    const { leftOut } = await extractTree(tree, "", ROOT, `${dir}/out`, options);
    assert.equal(Deno.statSync(`${dir}/out/su`).mode! & 0o7777, 0o755);
    assert.ok(leftOut.has("set-user-ID and set-group-ID bits"));
  }));

Deno.test("extractTree() ends in a directory that contains itself", () =>
  withTempDir(async (dir) => {
    const tree = new LyingTree({});
    tree.list = () => Promise.resolve([entry("loop".repeat(50), "directory")]);
    await assert.rejects(extractTree(tree, "", ROOT, `${dir}/out`, options), ofKind("limit"));
  }));

Deno.test("extractTree() keeps hard links, and ends with the error of whichever file fails", () =>
  withTempDir(async (dir) => {
    const names = Array.from({ length: 200 }, (_, i) => `f${i}`);
    const files = names.map((name) => entry(name, "file", { hardLinkKey: `${name.length}` }));
    const linked = new LyingTree({ "": files });
    await extractTree(linked, "", ROOT, `${dir}/linked`, options);
    const inodes = new Set(names.map((name) => Deno.statSync(`${dir}/linked/${name}`).ino));
    assert.equal(inodes.size, 3);

    const damaged = new LyingTree({ "": names.map((name) => entry(name, "file")) });
    const open = damaged.open.bind(damaged);
    damaged.open = async (path) => {
      const reader = await open(path);
      if (path !== "f20") return reader;
      const error = new FastboopError({ kind: "corrupt", action: "Read", state: "it is damaged" });
      return Object.assign(reader, { readAt: () => Promise.reject(error) });
    };
    const extracting = extractTree(damaged, "", ROOT, `${dir}/damaged`, options);
    await assert.rejects(extracting, ofKind("corrupt"));
    const written = [...Deno.readDirSync(`${dir}/damaged`)].length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal([...Deno.readDirSync(`${dir}/damaged`)].length, written);
    assert.ok(written < names.length);
  }));
