import assert from "node:assert/strict";
import { DigestCache } from "../../lib/kernel/digest_cache.ts";
import { digestModules } from "../../lib/kernel/digest_modules.ts";
import { modulesDigest } from "../../lib/kernel/modules_digest.ts";
import { TreeFiles } from "../../lib/kernel/tree_files.ts";
import { setTime, temporary, writeBuild, writeFiles } from "./fixture_tree.ts";

/** Counts what is read. */
class CountingFiles extends TreeFiles {
  readonly reads: string[] = [];
  override async read(path: string, limitBytes: number) {
    this.reads.push(path.slice(path.lastIndexOf("/") + 1));
    return await super.read(path, limitBytes);
  }
}

const NOW_MS = 1_800_000_000_000;
const nowMs = () => NOW_MS;

Deno.test("modulesDigest() depends on content and order, not on times or the place", async () => {
  await using held = await temporary();
  const [one, two] = [`${held.path}/one`, `${held.path}/two`];
  await writeBuild(one, "x86_64");
  await writeBuild(two, "x86_64");
  const files = new TreeFiles();
  const of = (dir: string) => modulesDigest(files, dir, { cache: new DigestCache(), nowMs });
  const first = await of(one);
  assert.match(first!, /^[0-9a-f]{64}$/);
  await setTime(`${two}/lib/libcrc32c.ko`, 99);
  assert.equal(await of(two), first);
  await writeFiles(two, { "modules.order": "lib/libcrc32c.o\nfs/erofs/erofs.o\n" });
  assert.notEqual(await of(two), first);
  await writeFiles(two, { "modules.order": "kernel/fs/erofs/erofs.ko\nkernel/lib/libcrc32c.ko\n" });
  assert.equal(await of(two), first, "the form before Linux 5.3");
  const module = await Deno.readFile(`${two}/lib/libcrc32c.ko`);
  module[module.length - 1]! ^= 1;
  await Deno.writeFile(`${two}/lib/libcrc32c.ko`, module);
  assert.notEqual(await of(two), first, "one flipped byte");
});

Deno.test("modulesDigest() reads a module once while its size and time stay", async () => {
  await using held = await temporary();
  await writeBuild(held.path, "x86_64");
  const files = new CountingFiles();
  const modules = () => files.reads.splice(0).filter((name) => name.endsWith(".ko")).sort();
  const cache = new DigestCache();
  const first = await modulesDigest(files, held.path, { cache, nowMs });
  assert.deepEqual(modules(), ["erofs.ko", "libcrc32c.ko"]);
  assert.equal(await modulesDigest(files, held.path, { cache, nowMs }), first);
  assert.deepEqual(modules(), []);
  const kept = DigestCache.parse(cache.encode());
  assert.equal(await modulesDigest(files, held.path, { cache: kept, nowMs }), first);
  assert.deepEqual(modules(), []);
  assert.equal(kept.isChanged, false);
  await setTime(`${held.path}/fs/erofs/erofs.ko`, 50);
  assert.equal(await modulesDigest(files, held.path, { cache: kept, nowMs }), first);
  assert.deepEqual(modules(), ["erofs.ko"]);
});

Deno.test("modulesDigest() does not keep what was written moments before it was read", async () => {
  await using held = await temporary();
  await writeBuild(held.path, "x86_64");
  const { mtimeMs } = (await new TreeFiles().stat(`${held.path}/lib/libcrc32c.ko`))!;
  const cache = new DigestCache();
  const soon = { cache, nowMs: () => mtimeMs + 1000 };
  await modulesDigest(new TreeFiles(), held.path, soon);
  const files = new CountingFiles();
  await modulesDigest(files, held.path, soon);
  assert.ok(files.reads.includes("libcrc32c.ko"));
});

Deno.test("modulesDigest() reads no more when one module is missing", async () => {
  await using held = await temporary();
  const names = Array.from({ length: 50 }, (_, i) => `m${i}`);
  await writeFiles(held.path, {
    "modules.order": ["gone", ...names].map((name) => `${name}.o\n`).join(""),
    ...Object.fromEntries(names.map((name) => [`${name}.ko`, "content"])),
  });
  const files = new CountingFiles();
  const digest = modulesDigest(files, held.path, { cache: new DigestCache(), nowMs });
  await assert.rejects(digest, { kind: "tree" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(files.reads.length < 10, `${files.reads.length} files were read`);
});

Deno.test("modulesDigest() answers tree for a module that is missing or changes meanwhile", async () => {
  await using held = await temporary();
  await writeBuild(held.path, "x86_64");
  class Meddling extends TreeFiles {
    override async read(path: string, limitBytes: number) {
      const bytes = await super.read(path, limitBytes);
      if (path.endsWith("erofs.ko")) await setTime(path, 777);
      return bytes;
    }
  }
  const options = { cache: new DigestCache(), nowMs };
  await assert.rejects(modulesDigest(new Meddling(), held.path, options), {
    kind: "tree",
    message: /changed while/,
  });
  await writeFiles(held.path, { "lib/libcrc32c.ko": null });
  await assert.rejects(modulesDigest(new TreeFiles(), held.path, options), { kind: "tree" });
  await writeFiles(held.path, { "modules.order": "" });
  assert.equal(await modulesDigest(new TreeFiles(), held.path, options), undefined);
});

Deno.test("DigestCache.parse() passes over damage", () => {
  const cache = DigestCache.parse(`fastboop digests 1\nxx\n${"ab".repeat(32)} 5 7 /a b\n\0\n`);
  const facts = { kind: "file", sizeBytes: 5, mtimeMs: 7 } as const;
  assert.equal(cache.get("/a b", facts), "ab".repeat(32));
  assert.equal(cache.get("/a b", { ...facts, mtimeMs: 8 }), undefined);
  assert.equal(cache.get("/a b", { ...facts, sizeBytes: 6 }), undefined);
  assert.equal(DigestCache.parse("other\n").get("/a b", facts), undefined);
});

Deno.test("digestModules() keeps its cache in the user's folder, and does without one", async () => {
  await using held = await temporary();
  const tree = `${held.path}/linux`;
  await writeBuild(tree, "x86_64");
  const env = { FASTBOOP_CACHE_DIR: `${held.path}/cache` };
  const first = await digestModules(tree, { env });
  const files = [...Deno.readDirSync(`${held.path}/cache/module-digests`)];
  assert.equal(files.length, 1);
  assert.equal(await digestModules(tree, { env }), first);
  assert.equal(await digestModules(tree, { env: {} }), first);
  await Deno.writeTextFile(`${held.path}/file`, "");
  const blocked = { FASTBOOP_CACHE_DIR: `${held.path}/file` };
  assert.equal(await digestModules(tree, { env: blocked }), first);
});
