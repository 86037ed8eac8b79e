/** Root images in containers and on disks, made by the tools that people make them with. */
import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { concat } from "../../lib/bytes/concat.ts";
import { type BootInput, openInput } from "../../lib/boot/open_input.ts";
import { must } from "../images/disk_images.ts";
import { makeCasync } from "../images/casync/casync_stores.ts";
import { hasTool } from "../filesystems/foreign_tools.ts";
import { WebServer } from "../lab/web_server.ts";
import { ofKind } from "../support/expect_kind.ts";
import { readAll } from "../support/read_all.ts";
import { DISK_TOOLS, gptDisk, mbrDisk } from "../support/root_disks.ts";
import { rootInputs } from "../support/root_inputs.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const TOOLS = [...DISK_TOOLS, "xz", "zip", "tar", "img2simg"];
const signal = new AbortController().signal;
const X86_ROOT = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";

function open(rootfs: string, partition?: string, progress = new RecordedProgress()) {
  return openInput({ rootfs, partition }, { env: { TMPDIR: "/tmp" }, progress, signal });
}

/** Every byte of the root, and its files read beside it. */
async function assertHolds(input: BootInput, root: Uint8Array): Promise<void> {
  const { reader, filesystem, blockSizeBytes } = input.rootfs;
  assert.deepEqual([filesystem, blockSizeBytes], ["ext4", 4096]);
  assert.deepEqual(await readAll(reader), root);
  await using tree = await input.rootfs.openTree();
  assert.deepEqual((await tree.list("")).map(({ name }) => name), [
    ...["boot", "sbin", "usr"],
  ]);
}

/** Makes one file of another. */
const PACKED: Record<string, (path: string, to: string) => Promise<unknown>> = {
  "an xz file": (path, to) => must("sh", ["-c", `xz -0 -c ${path} > ${to}`]),
  "an xz file of several blocks": (path, to) =>
    must("sh", ["-c", `xz -0 --block-size=16384 -c ${path} > ${to}`]),
  "a gzip file": async (path, to) => await Deno.writeFile(to, gzipSync(await Deno.readFile(path))),
  "a zstd file": async (path, to) =>
    await Deno.writeFile(to, zstdCompressSync(await Deno.readFile(path))),
  "a zip file": (path, to) => must("sh", ["-c", `zip -q -j - ${path} > ${to}`]),
  "a tar archive in a gzip file": async (path, to) => {
    await must("tar", ["-czf", to, "-C", path.replace(/[^/]*$/, ""), path.replace(/.*\//, "")]);
  },
  "a sparse image": (path, to) => must("img2simg", [path, to]),
  "a sparse image in an xz file": async (path, to) => {
    await must("img2simg", [path, `${to}.simg`]);
    await must("sh", ["-c", `xz -0 -c ${to}.simg > ${to}`]);
  },
  "a disk with a GPT": async (path, to) =>
    await gptDisk(to, [{ bytes: new Uint8Array(4096) }, { bytes: await Deno.readFile(path) }]),
  "a disk with an MBR": async (path, to) =>
    await mbrDisk(to, [
      { bytes: new Uint8Array(4096), type: "c" },
      { bytes: await Deno.readFile(path) },
    ]),
  "a disk in a sparse image in an xz file": async (path, to) => {
    await PACKED["a disk with a GPT"]!(path, `${to}.disk`);
    await PACKED["a sparse image in an xz file"]!(`${to}.disk`, to);
  },
};

for (const [what, pack] of Object.entries(PACKED)) {
  Deno.test({
    name: `openInput() finds the root in ${what}`,
    ignore: !TOOLS.every(hasTool),
    fn: async () => {
      await using inputs = await rootInputs();
      const path = `${inputs.dir}/packed.img`;
      await pack(inputs.rootPath, path);
      const progress = new RecordedProgress();
      await using input = await open(path, undefined, progress);
      await assertHolds(input, inputs.root);
      assert.equal(progress.count(/^note .*: 84 KiB$/), 1, progress.lines.join("\n"));
      assert.equal(progress.lines.at(-1), "note ext4, 84 KiB");
    },
  });
}

Deno.test({
  name: "openInput() chooses among partitions by type, and by the user's word",
  ignore: !TOOLS.every(hasTool),
  fn: async () => {
    await using inputs = await rootInputs();
    const other = concat([inputs.root, new Uint8Array(4096)]);
    const disk = await gptDisk(`${inputs.dir}/disk`, [
      { bytes: other, label: "first" },
      { bytes: inputs.root, label: "second", type: X86_ROOT },
    ]);
    const chosen = [[undefined, inputs.root], ["first", other], ["2", inputs.root]] as const;
    for (const [partition, bytes] of chosen) {
      await using input = await open(disk, partition);
      assert.deepEqual(await readAll(input.rootfs.reader), bytes);
    }
    await must("sgdisk", ["-t", "2:8300", disk]);
    await assert.rejects(
      open(disk),
      ofKind(
        "usage",
        /2 may be the root[^]*1: "first", ext4, 88 KiB[^]*2: "second", ext4[^]*--part/,
      ),
    );
    await assert.rejects(open(disk, "3"), ofKind("not-found", /1 "first", 2 "second"/));
    await assert.rejects(open(inputs.rootPath, "1"), ofKind("usage", /no partition table/));
  },
});

Deno.test({
  name: "openInput() ends with a typed error for containers that are cut or hold no root",
  ignore: !TOOLS.every(hasTool),
  fn: async () => {
    await using inputs = await rootInputs();
    const path = `${inputs.dir}/packed.img`;
    for (const what of ["an xz file", "a zip file", "a sparse image"]) {
      await PACKED[what]!(inputs.rootPath, path);
      await Deno.truncate(path, Math.floor((await Deno.stat(path)).size / 2));
      await assert.rejects(open(path), ofKind("corrupt"), what);
    }
    await PACKED["a disk with an MBR"]!(inputs.rootPath, path);
    await Deno.truncate(path, (2 << 20) + 40_000);
    for (const partition of ["2", undefined]) {
      const expected = ofKind("corrupt", /partition 2 ends at byte 2183168[^]*cut off/);
      await assert.rejects(open(path, partition), expected);
    }
    await Deno.writeFile(path, gzipSync(new Uint8Array(8192).fill(7)));
    await assert.rejects(
      open(path),
      ofKind("unsupported", /inside \(gzip\) is nothing that is rec/),
    );
  },
});

Deno.test("openInput() gathers the chunks of a casync index, by path and by URL", async () => {
  await using inputs = await rootInputs();
  const { root, dir } = inputs;
  const chunks = [root.subarray(0, 50_000), root.subarray(50_000)];
  const { index, files } = makeCasync(chunks, (chunk) => zstdCompressSync(chunk));
  await Deno.mkdir(`${dir}/indexes`);
  await Deno.writeFile(`${dir}/indexes/root.caibx`, index);
  for (const [name, bytes] of files) {
    await Deno.mkdir(`${dir}/chunks/${name.slice(0, 4)}`, { recursive: true });
    await Deno.writeFile(`${dir}/chunks/${name}`, bytes);
  }
  await using web = new WebServer({
    "/indexes/root.caibx": `${dir}/indexes/root.caibx`,
    ...Object.fromEntries(
      [...files.keys()].map((name) => [`/chunks/${name}`, `${dir}/chunks/${name}`]),
    ),
  });
  for (const path of [`${dir}/indexes/root.caibx`, web.url("/indexes/root.caibx")]) {
    await using input = await open(path);
    await assertHolds(input, root);
  }
  await Deno.remove(`${dir}/chunks`, { recursive: true });
  await assert.rejects(open(`${dir}/indexes/root.caibx`), ofKind("source"));
});
