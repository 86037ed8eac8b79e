import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  runBootprofileCreate,
  runBootprofileOptimize,
  runBootprofileShow,
} from "../../lib/cli/run_bootprofile.ts";
import { openPipeline } from "../../lib/images/pipeline/open_pipeline.ts";
import { pipelineIdentity } from "../../lib/images/pipeline/pipeline_identity.ts";
import { parseChannel } from "../../lib/profiles/boot/parse_channel.ts";
import { openChunkStore } from "../../lib/sources/chunk_store.ts";
import { openFile } from "../../lib/sources/file.ts";
import { hasTool, run, withTempDir } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";

const CONTENT = Uint8Array.from({ length: 3_000_001 }, (_, i) => (i * i) >> 9);
const sha512 = (bytes: Uint8Array) => `sha512:${createHash("sha512").update(bytes).digest("hex")}`;

/** A context, and what was said in it. */
function context() {
  const warnings: string[] = [];
  const progress = {
    phase: () => {},
    note: () => {},
    moving: () => {},
    warn: (text: string) => void warnings.push(text),
  };
  return { context: { signal: new AbortController().signal, progress }, warnings };
}

async function printed(action: () => Promise<number>): Promise<string> {
  const { log } = console;
  const lines: string[] = [];
  console.log = (line: string) => void lines.push(line);
  try {
    assert.equal(await action(), 0);
  } finally {
    console.log = log;
  }
  return `${lines.join("\n")}\n`;
}

const create = (path: string, options: Record<string, unknown>) =>
  runBootprofileCreate([path], options, context().context);

Deno.test("bootprofile create fills in what local files hold, and show gives it back", async () => {
  await withTempDir(async (dir) => {
    await Deno.writeFile(`${dir}/r.ero`, CONTENT);
    const manifest =
      `id: a\nrootfs: {erofs: {file: ${dir}/r.ero}}\nkernel: {path: /k, fat: {http: "https://a/k"}}\n`;
    await Deno.writeTextFile(`${dir}/p.yaml`, manifest);
    const { context: given, warnings } = context();
    const output = `${dir}/p.fbp`;
    assert.equal(await runBootprofileCreate([`${dir}/p.yaml`], { output }, given), 0);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^https:\/\/a\/k has no content/);
    const { bootProfiles } = parseChannel(await Deno.readFile(output));
    assert.deepEqual(bootProfiles[0]!.rootfs.pipeline, {
      kind: "file",
      path: `${dir}/r.ero`,
      content: { digest: sha512(CONTENT), sizeBytes: CONTENT.length },
    });
    const shown = await printed(() => runBootprofileShow([output], {}, given));
    await Deno.writeTextFile(`${dir}/again.yaml`, shown);
    await create(`${dir}/again.yaml`, { output: `${dir}/again.fbp` });
    assert.deepEqual(await Deno.readFile(`${dir}/again.fbp`), await Deno.readFile(output));
    const json = JSON.parse(
      await printed(() => runBootprofileShow([output], { json: true }, given)),
    );
    assert.equal(json.boot_profiles[0].rootfs.erofs.content.digest, sha512(CONTENT));
    assert.deepEqual(json.hints, []);
  });
});

Deno.test("bootprofile create reads a compiled overlay beside the manifest's words", async () => {
  await withTempDir(async (dir) => {
    const dtbo = new Uint8Array(44);
    dtbo.set([0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 44]);
    await Deno.writeFile(`${dir}/o.dtbo`, dtbo);
    const manifest = (path: string) =>
      `id: a\nrootfs: {erofs: {http: h}}\ndt_overlays: [{path: ${path}}]\n`;
    await Deno.writeTextFile(`${dir}/p.yaml`, manifest(`${dir}/o.dtbo`));
    await create(`${dir}/p.yaml`, { output: `${dir}/p.fbp` });
    const { bootProfiles } = parseChannel(await Deno.readFile(`${dir}/p.fbp`));
    assert.deepEqual(bootProfiles[0]!.dtOverlays, [dtbo]);
    await Deno.writeTextFile(`${dir}/p.yaml`, manifest(`${dir}/absent.dtbo`));
    await assert.rejects(create(`${dir}/p.yaml`, { output: `${dir}/x` }), ofKind("not-found"));
    await assert.rejects(Deno.stat(`${dir}/x`), Deno.errors.NotFound);
  });
});

Deno.test("bootprofile verbs refuse what is not theirs and leave nothing behind", async () => {
  await withTempDir(async (dir) => {
    const { context: given } = context();
    const output = `${dir}/out`;
    await Deno.writeTextFile(`${dir}/p.yaml`, "id: a\nrootfs: {erofs: {file: absent}}\n");
    await assert.rejects(create(`${dir}/p.yaml`, { output }), ofKind("not-found", /absent/));
    await assert.rejects(
      runBootprofileShow([`${dir}/p.yaml`], {}, given),
      ofKind("unsupported", /no compiled profile/),
    );
    await Deno.writeFile(`${dir}/p.yaml`, Uint8Array.of(0xff, 0xfe));
    await assert.rejects(create(`${dir}/p.yaml`, { output }), ofKind("corrupt", /UTF-8/));
    await Deno.writeTextFile(`${dir}/p.yaml`, "#".repeat((1 << 20) + 1));
    await assert.rejects(create(`${dir}/p.yaml`, { output }), ofKind("limit"));
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name), ["p.yaml"]);
  });
});

Deno.test({
  name: "bootprofile create --optimize and optimize give hints that open the image again",
  ignore: !hasTool("xz") || !hasTool("tar"),
  fn: () =>
    withTempDir(async (dir) => {
      await Deno.writeFile(`${dir}/r.img`, CONTENT);
      await run("tar", ["-C", dir, "-cf", `${dir}/r.tar`, "r.img"]);
      await run("xz", ["--block-size=1MiB", "-0", `${dir}/r.tar`]);
      const stored = `${dir}/r.tar.xz`;
      await Deno.writeTextFile(
        `${dir}/p.yaml`,
        `id: a\nrootfs: {ext4: {tar: {entry: r.img, xz: {file: ${stored}}}}}\n`,
      );
      await create(`${dir}/p.yaml`, { output: `${dir}/p.fbp`, optimize: true });
      const { bootProfiles, hints } = parseChannel(await Deno.readFile(`${dir}/p.fbp`));
      const { pipeline } = bootProfiles[0]!.rootfs;
      const [index, digest, hashes] = hints.get(pipelineIdentity(pipeline))!;
      assert.ok(index?.kind === "tar-entry-index" && index.sizeBytes === CONTENT.length);
      assert.ok(digest?.kind === "content-digest" && digest.digest === sha512(CONTENT));
      assert.ok(hashes?.kind === "block-hashes" && hashes.sizeBytes === CONTENT.length);
      assert.ok("source" in pipeline);
      const table = hints.get(pipelineIdentity(pipeline.source))!
        .find((hint) => hint.kind === "xz-blocks");
      assert.equal(table?.blocks.length, 3);
      const listing = await run("xz", ["--robot", "-lvv", stored]);
      assert.deepEqual(
        table!.blocks.map(({ offsetBytes, plainSizeBytes }) => [offsetBytes, plainSizeBytes]),
        [...listing.stdout.matchAll(/^block\t.*$/gm)].map(([line]) => {
          const columns = line.split("\t");
          return [Number(columns[4]), Number(columns[7])];
        }),
      );

      await using reader = await openPipeline(pipeline, {
        hints,
        openChunkStore,
        openLeaf: (leaf) => openFile(leaf.kind === "file" ? leaf.path : assert.fail()),
      });
      const bytes = new Uint8Array(reader.sizeBytes);
      await reader.readAt(0, bytes);
      assert.deepEqual(bytes, CONTENT);

      const whole = await Deno.readFile(`${dir}/p.fbp`);
      const { context: given } = context();
      const shown = await printed(() => runBootprofileShow([`${dir}/p.fbp`], {}, given));
      assert.match(shown, /^# hints of tar\{.*: tar-entry-index, content-digest, block-hashes$/m);
      await Deno.writeTextFile(`${dir}/again.yaml`, shown);
      await create(`${dir}/again.yaml`, { output: `${dir}/again.fbp`, optimize: true });
      assert.deepEqual(await Deno.readFile(`${dir}/again.fbp`), whole);
      // In place the old hints are replaced; elsewhere the record stands alone.
      await runBootprofileOptimize([`${dir}/p.fbp`], { output: `${dir}/p.fbp` }, given);
      assert.deepEqual(await Deno.readFile(`${dir}/p.fbp`), whole);
      await runBootprofileOptimize([`${dir}/p.fbp`], { output: `${dir}/p.fph` }, given);
      const record = await Deno.readFile(`${dir}/p.fph`);
      assert.deepEqual(record, whole.slice(-record.length));
      assert.deepEqual(parseChannel(record).hints, hints);
      await Deno.writeFile(`${dir}/p.fbp`, new Uint8Array(4096), { append: true });
      await assert.rejects(
        runBootprofileOptimize([`${dir}/p.fbp`], { output: `${dir}/p.fbp` }, given),
        ofKind("unsupported", /an artifact follows/),
      );
    }),
});
