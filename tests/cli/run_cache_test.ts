import assert from "node:assert/strict";
import { CACHE_COMMANDS } from "../../lib/cli/cache_commands.ts";
import { cacheDirectory } from "../../lib/cli/cache_directory.ts";
import { DiskCache } from "../../lib/sources/disk_cache/disk_cache.ts";
import { openSource } from "../../lib/sources/open.ts";
import { withTempDir } from "../filesystems/foreign_tools.ts";
import { FaultyHttp } from "../support/faulty_http.ts";

const image = Uint8Array.from({ length: 3 << 20 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

/** Runs a verb of the table with options as commander gives them; the result is what it printed. */
async function run(name: string, options: Record<string, unknown>): Promise<string> {
  const command = CACHE_COMMANDS.find((command) => command.name === name)!;
  const lines: string[] = [];
  const log = console.log;
  console.log = (line: string) => void lines.push(line);
  try {
    const progress = { phase() {}, note() {}, moving() {}, warn() {} };
    const context = { signal: new AbortController().signal, progress };
    assert.equal(await command.run([], options, context), 0);
  } finally {
    console.log = log;
  }
  return lines.join("\n");
}

/** A cache with two sources, the first with a trace, and things that are not the cache's. */
async function withCache(work: (directory: string) => Promise<void>): Promise<void> {
  const before = Deno.env.get("FASTBOOP_CACHE_DIR");
  await withTempDir(async (dir) => {
    Deno.env.set("FASTBOOP_CACHE_DIR", dir);
    try {
      await using server = new FaultyHttp(image);
      const diskCache = await DiskCache.open(`${dir}/blocks`, { keepFreeBytes: 0 });
      for (const [path, trace] of [["/a.ero", "record+replay"], ["/b.ero", "off"]] as const) {
        const cache = { readAheadBytes: 0 };
        await using reader = await openSource(server.url(path), { diskCache, trace, cache });
        await reader.readAt(0, new Uint8Array(1 << 20));
      }
      Deno.writeTextFileSync(`${dir}/precious`, "1");
      Deno.writeTextFileSync(`${dir}/blocks/notes.txt`, "2");
      Deno.symlinkSync("../precious", `${dir}/blocks/${"0".repeat(64)}.blocks`);
      await work(`${dir}/blocks`);
      assert.equal(Deno.readTextFileSync(`${dir}/precious`), "1");
      assert.equal(Deno.readTextFileSync(`${dir}/blocks/notes.txt`), "2");
    } finally {
      if (before === undefined) Deno.env.delete("FASTBOOP_CACHE_DIR");
      else Deno.env.set("FASTBOOP_CACHE_DIR", before);
    }
  });
}

const owned = (directory: string) =>
  [...Deno.readDirSync(directory)].filter(({ isFile, name }) => isFile && name !== "notes.txt");

Deno.test("cache ls tells each source's size, kept bytes and trace", async () => {
  await withCache(async () => {
    const sources = JSON.parse(await run("cache ls", { json: true }));
    const [b, a] = sources;
    assert.equal(sources.length, 2);
    assert.match(a.identity, /^http:.*\/a\.ero:size=3145728:etag="one"$/);
    assert.deepEqual([a.sizeBytes, a.cachedBytes, a.traceBlocks], [3 << 20, 1 << 20, 8]);
    assert.deepEqual([b.cachedBytes, b.traceBlocks], [1 << 20, 0]);
    assert.ok(Date.now() - Date.parse(a.lastUse) < 60_000);
    assert.match(
      await run("cache ls", {}),
      /^KEPT .*\n1 MiB +3 MiB .*b\.ero.*\n1 MiB .* 8 .*a\.ero/,
    );
  });
});

Deno.test("cache prune --all removes the cache's own files and nothing else", async () => {
  await withCache(async (directory) => {
    assert.match(await run("cache prune", { all: true }), /^freed 2\.\d MiB, kept 0 B$/);
    assert.deepEqual(owned(directory), []);
    assert.equal(await run("cache ls", {}), "nothing is kept");
  });
});

Deno.test("cache prune --max keeps what was used last", async () => {
  await withCache(async (directory) => {
    await run("cache prune", { max: 1 << 30 });
    assert.equal(owned(directory).length, 3);
    await run("cache prune", { max: 3 << 19 });
    const sources = JSON.parse(await run("cache ls", { json: true }));
    assert.deepEqual(sources.map((s: { cachedBytes: number }) => s.cachedBytes), [1 << 20, 0]);
    assert.match(sources[0].identity, /b\.ero/);
    assert.equal(sources[1].traceBlocks, 8, "a trace stays longer than blocks");
  });
});

Deno.test("cache prune refuses words that contradict each other or are no size", async () => {
  await withCache(async () => {
    await assert.rejects(run("cache prune", { all: true, max: 5 }), { kind: "usage" });
  });
  const parse = CACHE_COMMANDS[1]!.options[0]!.parse!;
  assert.equal(parse("2GiB", undefined), 2 * 2 ** 30);
  assert.equal(parse("500m", undefined), 500 * 2 ** 20);
  assert.equal(parse("17", undefined), 17);
  for (const word of ["", "-1", "2.5G", "9999999999999T", "G"]) {
    assert.throws(() => parse(word, undefined), { kind: "usage" });
  }
});

Deno.test("cacheDirectory() takes the first absolute path of the environment", () => {
  assert.equal(cacheDirectory({ FASTBOOP_CACHE_DIR: "/a", HOME: "/h" }), "/a/blocks");
  assert.equal(cacheDirectory({ XDG_CACHE_HOME: "/x", HOME: "/h" }), "/x/fastboop/blocks");
  assert.equal(
    cacheDirectory({ FASTBOOP_CACHE_DIR: "a", HOME: "/h" }),
    "/h/.cache/fastboop/blocks",
  );
  assert.equal(cacheDirectory({}), undefined);
});
