import assert from "node:assert/strict";
import { BLOCK_BYTES } from "../../../lib/sources/disk_cache/block_format.ts";
import { CachedReader } from "../../../lib/sources/disk_cache/cached_reader.ts";
import { DiskCache } from "../../../lib/sources/disk_cache/disk_cache.ts";
import { isPinned } from "../../../lib/sources/disk_cache/is_pinned.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import type { Reader } from "../../../lib/sources/reader.ts";
import { withTempDir } from "../../filesystems/foreign_tools.ts";
import { runAtTerminal } from "../../support/at_terminal.ts";
import { MemoryStorage } from "./memory_storage.ts";

const image = Uint8Array.from({ length: 5 * BLOCK_BYTES }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

async function readAll(reader: Reader): Promise<void> {
  const into = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, into);
  assert.ok(into.every((byte, i) => byte === image[i]), "right bytes");
}

/** Reads a source through the cache; the result is how much came from its upstream. */
async function use(cache: DiskCache, identity: string): Promise<number> {
  await using reader = cache.wrap(new MemoryReader(image, identity));
  await readAll(reader);
  return reader instanceof CachedReader ? reader.counters.fetchedBytes : NaN;
}

Deno.test("wrap() keeps what it reads in a directory of the user's own", async () => {
  await withTempDir(async (dir) => {
    const path = `${dir}/deep/blocks`;
    assert.equal(await use(await DiskCache.open(path), "a"), image.length);
    assert.equal(await use(await DiskCache.open(path), "a"), 0);
    assert.equal(await use(await DiskCache.open(path), "b"), image.length);
    const names = [...Deno.readDirSync(path)].map(({ name }) => name);
    assert.equal(names.length, 2);
    for (const name of names) {
      assert.match(name, /^[0-9a-f]{64}\.blocks$/);
      assert.equal(Deno.statSync(`${path}/${name}`).mode! & 0o777, 0o600);
    }
  });
});

Deno.test("files are sparse: blocks that were not read take no room", async () => {
  await withTempDir(async (dir) => {
    const large: Reader = {
      sizeBytes: 4 * 2 ** 30,
      identity: "large",
      readAt: (_offset, into) => Promise.resolve(void into.fill(1)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    await using reader = (await DiskCache.open(dir, { keepFreeBytes: 0 })).wrap(large);
    await reader.readAt(large.sizeBytes - 10, new Uint8Array(10));
    const [{ name }] = [...Deno.readDirSync(dir)] as [Deno.DirEntry];
    assert.ok(Deno.statSync(`${dir}/${name}`).blocks! * 512 < 1 << 20);
  });
});

Deno.test("isPinned() refuses identities that do not prove their content", () => {
  const good = [
    'http:https://a/x:size=5:etag="1"',
    "http:https://a/x:size=5:modified=Fri, 20 Nov 2026 10:00:00 GMT",
    'xz:(http:https://a/x:size=5:etag="1")',
    "file:/x:size=5:mtime=1:ino=2",
  ];
  const bad = [
    "http:https://a/x:size=5",
    'http:https://a/x:size=5:etag=W/"1"',
    "xz:(http:https://a/x:size=5)",
    "device:/dev/sda:size=5:rdev=2",
    "gpt:(device:/dev/sda:size=5:rdev=2)",
  ];
  assert.deepEqual(good.filter((identity) => !isPinned(identity)), []);
  assert.deepEqual(bad.filter(isPinned), []);
});

Deno.test("wrap() gives back what it cannot cache", () => {
  const cache = new DiskCache(new MemoryStorage());
  const open = new MemoryReader(image, "http:http://a/:size=655360");
  assert.equal(cache.wrap(open), open);
  const long = new MemoryReader(image, "x".repeat(20_000));
  assert.equal(cache.wrap(long), long);
});

Deno.test("the least recently used file goes first", async () => {
  const storage = new MemoryStorage();
  const cache = () => new DiskCache(storage, { capacityBytes: 4 << 20 });
  for (const name of ["a", "b", "c", "a", "d", "e", "f", "g"]) await use(cache(), name);
  const total = [...storage.files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(total <= 4 << 20, `${total}`);
  assert.equal(await use(cache(), "g"), 0, "the last one is there");
  assert.equal(await use(cache(), "b"), image.length, "the oldest is not");
});

Deno.test("a file that is open here is not evicted", async () => {
  const storage = new MemoryStorage();
  const cache = new DiskCache(storage, { capacityBytes: 2 << 20 });
  await using kept = cache.wrap(new MemoryReader(image, "kept"));
  await readAll(kept);
  const [name] = [...storage.files.keys()] as [string];
  for (const identity of ["a", "b", "c", "d", "e"]) await use(cache, identity);
  assert.ok(storage.files.has(name));
  assert.ok(storage.files.size < 6, "others were");
});

Deno.test("a file that is evicted under a reader costs it nothing but the cache", async () => {
  await withTempDir(async (dir) => {
    const options = { keepFreeBytes: 0 };
    await using reader = (await DiskCache.open(dir, options)).wrap(new MemoryReader(image, "a"));
    await readAll(reader);
    for (const { name } of Deno.readDirSync(dir)) Deno.removeSync(`${dir}/${name}`);
    await readAll(reader);
    assert.equal(await use(await DiskCache.open(dir, options), "a"), image.length);
    await readAll(reader);
  });
});

Deno.test("a source beyond the capacity is cached in part", async () => {
  const storage = new MemoryStorage();
  const cache = new DiskCache(storage, { capacityBytes: 3 * BLOCK_BYTES });
  await using reader = cache.wrap(new MemoryReader(image, "a"));
  for (let i = 0; i < 3; i++) {
    for (let at = 0; at < image.length; at += BLOCK_BYTES) {
      await reader.readAt(at, new Uint8Array(9));
    }
  }
  const kept = [0, 1, 2, 3, 4].filter((block) => (reader as CachedReader).has(block)).length;
  assert.ok(kept >= 1 && kept <= 3, `${kept} blocks`);
});

Deno.test("the cache takes half of what is free at most, and leaves the rest alone", async () => {
  for (
    const [free, keepFreeBytes, isCached] of [
      [4 << 20, 0, true],
      [1 << 20, 0, false],
      [1 << 29, 2 ** 30, false],
    ] as const
  ) {
    const storage = new MemoryStorage();
    storage.free = free;
    await using reader = new DiskCache(storage, { keepFreeBytes }).wrap(
      new MemoryReader(image, "a"),
    );
    await readAll(reader);
    assert.equal((reader as CachedReader).has(0), isCached, `${free}`);
  }
});

Deno.test("a disk that is full, read-only or failing costs one warning and nothing else", async () => {
  for (const call of ["open", "read", "write", "create", "list"] as const) {
    for (const after of [0, 1, 3]) {
      const storage = new MemoryStorage();
      let calls = 0;
      storage.fault = (now) => {
        if (now === call && ++calls > after) {
          throw Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
        }
      };
      const warnings: string[] = [];
      const cache = new DiskCache(storage, { onWarning: (text) => warnings.push(text) });
      for (const name of ["a", "b", "a", "b"]) await use(cache, name);
      assert.ok(warnings.length <= 1, `${call} ${after}`);
      if (after === 0) assert.match(warnings[0]!, /no space left; images are read without it/);
    }
  }
});

Deno.test("DiskCache.open() refuses what is not the user's own, with one warning", async () => {
  await withTempDir(async (dir) => {
    Deno.mkdirSync(`${dir}/shared`);
    Deno.chmodSync(`${dir}/shared`, 0o777);
    Deno.mkdirSync(`${dir}/real`, { mode: 0o700 });
    Deno.symlinkSync("real", `${dir}/link`);
    Deno.writeTextFileSync(`${dir}/file`, "");
    for (const name of ["shared", "link", "file", "file/below"]) {
      const warnings: string[] = [];
      const onWarning = (text: string) => warnings.push(text);
      const cache = await DiskCache.open(`${dir}/${name}`, { onWarning });
      await use(cache, "a");
      await use(cache, "b");
      assert.equal(warnings.length, 1, name);
    }
    assert.deepEqual([...Deno.readDirSync(`${dir}/real`)], []);
  });
});

Deno.test({
  name: "a cache asks for no permission at a terminal",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (dir) => {
      const module = import.meta.resolve("../../../lib/sources/disk_cache/host_storage.ts");
      const said = await runAtTerminal(
        ["--allow-read", "--allow-write"],
        `import { HostStorage } from ${JSON.stringify(module)};
        const storage = await HostStorage.open("${dir}/c", { create: true });
        console.log("free: " + await storage.freeBytes());`,
      );
      if (said === undefined) return console.log("  no script(1): not tested");
      assert.equal(said, "free: undefined");
    }),
});

Deno.test("a link where a file should be is not followed", async () => {
  await withTempDir(async (dir) => {
    const options = { keepFreeBytes: 0 };
    await use(await DiskCache.open(`${dir}/c`, options), "a");
    const [{ name }] = [...Deno.readDirSync(`${dir}/c`)] as [Deno.DirEntry];
    Deno.writeTextFileSync(`${dir}/victim`, "precious");
    Deno.removeSync(`${dir}/c/${name}`);
    Deno.symlinkSync("../victim", `${dir}/c/${name}`);
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    await use(await DiskCache.open(`${dir}/c`, { ...options, onWarning }), "a");
    assert.equal(Deno.readTextFileSync(`${dir}/victim`), "precious");
    assert.equal(warnings.length, 1);
  });
});

Deno.test("programs share a cache, also when one of them is killed", async () => {
  await withTempDir(async (dir) => {
    const start = (seed: number, milliseconds: number) =>
      new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", new URL("cache_child.ts", import.meta.url).pathname],
          ...[`${dir}/blocks`, `${seed}`, `${milliseconds}`],
        ],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
    const killed = start(1, 60_000);
    const other = start(2, 1500);
    const reader = killed.stdout.getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 200));
    killed.kill("SIGKILL");
    await killed.status;
    reader.releaseLock();
    await killed.stdout.cancel();
    const late = start(3, 0);
    for (const child of [other, late]) {
      assert.match(new TextDecoder().decode((await child.output()).stdout), /right\n$/);
    }
    const names = [...Deno.readDirSync(`${dir}/blocks`)].map(({ name }) => name);
    assert.equal(names.filter((name) => name.endsWith(".blocks")).length, 1);
  });
});
