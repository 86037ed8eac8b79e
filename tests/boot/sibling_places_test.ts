/** Boots of disks without a profile whose kernel lies on a partition beside the root. */
import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import { openInput } from "../../lib/boot/open_input.ts";
import { SiblingPlaces } from "../../lib/boot/sibling_places.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import { openImage } from "../../lib/filesystems/open_image.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { hasTool } from "../filesystems/foreign_tools.ts";
import { must } from "../images/disk_images.ts";
import { bzImage, dtbHeader, RELEASE } from "../kernel/fixture_tree.ts";
import { Link, type RootFiles } from "../kernel/root_kernel/root_tree.ts";
import { assertFetchedOnce } from "../lab/assert_fetched_once.ts";
import { WebServer } from "../lab/web_server.ts";
import { ofKind } from "../support/expect_kind.ts";
import { prepareFor } from "../support/prepare_for.ts";
import { readAll } from "../support/read_all.ts";
import { DISK_TOOLS, type DiskPart, fatImage, gptDisk, mbrDisk } from "../support/root_disks.ts";
import { rootFiles, type RootInputs, rootInputs } from "../support/root_inputs.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const ignore = ![...DISK_TOOLS, "mkfs.erofs", "img2simg", "xz"].every(hasTool);
const all = await loadBundledProfiles();
const pc = all.find(({ id }) => id === "virtual-x86_64")!;
const phone = all.find(({ id }) => id === "oneplus-fajita")!;
const signal = new AbortController().signal;
const DTB = "sdm845-oneplus-fajita.dtb";

function prepare(
  rootfs: string,
  profile = pc,
  progress = new RecordedProgress(),
  partition?: string,
) {
  const request = { rootfs, requireModules: ["erofs"], partition };
  return prepareFor(request, profile, { env: { TMPDIR: "/tmp" }, progress, signal });
}

/** The miniature root apart: what is in /boot, without that name, and the rest. */
function apart(files: RootFiles): { boot: Record<string, Uint8Array>; root: RootFiles } {
  const boot: Record<string, Uint8Array> = {};
  const root: RootFiles = {};
  for (const [path, content] of Object.entries(files)) {
    if (!path.startsWith("boot/")) root[path] = content;
    else if (content instanceof Uint8Array) boot[path.slice(5)] = content;
    else boot[path.slice(5)] = new TextEncoder().encode(String(content));
  }
  return { boot, root };
}

/** Makes a boot partition of the files. */
const MADE: Record<
  string,
  (dir: string, files: Record<string, Uint8Array>) => Promise<Uint8Array>
> = {
  fat: fatImage,
  ext4: async (_, files) => {
    await using made = await rootInputs(files);
    return made.root;
  },
  erofs: async (dir, files) => {
    for (const [path, bytes] of Object.entries(files)) {
      const at = `${dir}/tree/${path}`;
      await Deno.mkdir(at.slice(0, at.lastIndexOf("/")), { recursive: true });
      await Deno.writeFile(at, bytes);
    }
    await must("mkfs.erofs", [`${dir}/erofs`, `${dir}/tree`]);
    return await Deno.readFile(`${dir}/erofs`);
  },
};

/** A disk of the parts around the root, as a sparse image in xz. */
async function published(inputs: RootInputs, parts: readonly DiskPart[]): Promise<string> {
  const { dir, root } = inputs;
  const disk = await gptDisk(`${dir}/disk`, [...parts, { bytes: root, label: "root" }]);
  await must("img2simg", [disk, `${dir}/simg`]);
  await must("sh", ["-c", `xz -0 --block-size=1MiB -c ${dir}/simg > ${dir}/disk.img.xz`]);
  return `${dir}/disk.img.xz`;
}

for (const [format, make] of Object.entries(MADE)) {
  Deno.test({
    name: `prepare() takes the kernel of a boot partition of ${format}, and the root's modules`,
    ignore,
    fn: async () => {
      const { boot, root } = apart(rootFiles());
      await using inputs = await rootInputs(root);
      const nothing = { bytes: new Uint8Array(4096).fill(7), label: "misc" };
      const bytes = await make(inputs.dir, boot);
      const path = await published(inputs, [nothing, { bytes, label: "pmOS_boot" }]);
      await using web = new WebServer({ "/disk": path });
      const progress = new RecordedProgress();
      await using prepared = await prepare(web.url("/disk"), pc, progress);
      const { tree, modules } = await prepared.kernelFor(pc);
      assert.deepEqual(new Uint8Array(tree.image.bytes), bzImage());
      assert.equal(modules!.directory, `usr/lib/modules/${RELEASE}`);
      assert.deepEqual([...modules!.index.modules.keys()].sort(), ["crc", "erofs"]);
      // The configuration beside it is the one that was checked.
      assert.ok(tree.kconfig!.size > 3);
      const says = /note vmlinuz-6\.12\.3-test on partition 2 "pmOS_boot": 6\.12\.3-test, x86_64/;
      assert.equal(progress.count(says), 1, progress.lines.join("\n"));
      await prepared.letGoOfKernel();
      assert.deepEqual(await readAll(prepared.input.rootfs.reader), inputs.root);
      await assertFetchedOnce({ web, lab: { rootImage: path }, rootUrl: web.url("/disk") });
    },
  });
}

Deno.test({
  name: "prepare() takes device trees from the boot partition, else from the root",
  ignore,
  fn: async () => {
    const { boot, root } = apart(rootFiles("aarch64"));
    const note = async (boot: Record<string, Uint8Array>, root: RootFiles) => {
      await using inputs = await rootInputs(root);
      const disk = await mbrDisk(`${inputs.dir}/disk`, [
        { bytes: await fatImage(inputs.dir, boot), type: "c" },
        { bytes: inputs.root },
      ]);
      const progress = new RecordedProgress();
      await using prepared = await prepare(disk, phone, progress);
      assert.deepEqual((await prepared.kernelFor(phone)).tree.dtb!.bytes, dtbHeader());
      return progress.lines.find((line) => line.includes(" kernel, "))!.replace(/.* kernel, /, "");
    };
    const beside = { ...boot, [`dtbs/qcom/${DTB}`]: dtbHeader() };
    assert.equal(await note(beside, root), `dtbs/qcom/${DTB} on partition 1`);
    const inside = `usr/lib/linux-image-${RELEASE}/qcom/${DTB}`;
    assert.equal(await note(boot, { ...root, [inside]: dtbHeader() }), inside);
  },
});

Deno.test({
  name: "prepare() goes on to the next partition where a kernel does not fit or cannot be read",
  ignore,
  fn: async () => {
    const { boot, root } = apart(rootFiles());
    await using inputs = await rootInputs(root);
    const other = await MADE["ext4"]!(inputs.dir, { "vmlinuz": bzImage("5.1.0") });
    const spoilt = other.slice();
    // s_feature_incompat, 0x60 of the superblock at 1024.
    spoilt.fill(0xff, 1024 + 0x60, 1024 + 0x64);
    const parts = [
      { bytes: spoilt, label: "spoilt" },
      { bytes: other, label: "recovery" },
      { bytes: await fatImage(inputs.dir, boot), label: "boot" },
    ];
    const disk = await published(inputs, parts);
    const progress = new RecordedProgress();
    await using prepared = await prepare(disk, pc, progress, "root");
    assert.equal((await prepared.kernelFor(pc)).tree.release, RELEASE);
    const passed =
      /^note passed over: partition 2 "recovery": the modules are those of 6\.12\.3-test/;
    assert.equal(progress.count(passed), 1, progress.lines.join("\n"));
    assert.equal(progress.count(/^note passed over: partition 1 "spoilt": /), 1);
    const without = await published(inputs, parts.slice(0, 2));
    await assert.rejects(
      prepare(without, pc, new RecordedProgress(), "root"),
      ofKind(
        "tree",
        /the root file system: there is none[^]*partition 2 "recovery": .* 5\.1\.0[^]*boot profile/,
      ),
    );
  },
});

Deno.test({
  name: "prepare() follows a boot partition's links to /boot, unless it has a boot of its own",
  ignore,
  fn: async () => {
    const { boot, root } = apart(rootFiles());
    const name = `vmlinuz-${RELEASE}`;
    const kernel = boot[name]!;
    delete boot[name];
    await using inputs = await rootInputs(root);
    const linked = async (more: RootFiles) => {
      const links = { vmlinuz: new Link("/boot/store/one"), "store/one": kernel };
      await using beside = await rootInputs({ ...boot, ...links, ...more });
      return await published(inputs, [{ bytes: beside.root, label: "boot" }]);
    };
    const progress = new RecordedProgress();
    await using prepared = await prepare(await linked({}), pc, progress, "root");
    assert.deepEqual(new Uint8Array((await prepared.kernelFor(pc)).tree.image.bytes), bzImage());
    assert.equal(progress.count(/^note store\/one on partition 1 "boot": 6\.12\.3-test/), 1);
    const other = await linked({ "boot/other": "" });
    await assert.rejects(prepare(other, pc, new RecordedProgress(), "root"), ofKind("not-found"));
  },
});

Deno.test({
  name: "SiblingPlaces opens eight file systems at most, each once, and closes them",
  ignore,
  fn: async () => {
    await using inputs = await rootInputs();
    await using other = await rootInputs({ "file": zstdCompressSync("words") });
    const disk = await gptDisk(`${inputs.dir}/disk`, [
      { bytes: inputs.root, label: "root" },
      ...[1, 2].map(() => ({ bytes: new Uint8Array(5000).fill(7) })),
      ...Array.from({ length: 12 }, () => ({ bytes: other.root })),
    ]);
    const bytes = await Deno.readFile(disk);
    await using image = await openImage(new MemoryReader(bytes, "disk"), { partition: "root" });
    await using places = new SiblingPlaces(image, signal);
    const namesOf = async () => {
      const names: string[] = [];
      for await (const { name } of places) names.push(name);
      return names;
    };
    const expected = [4, 5, 6, 7, 8, 9, 10, 11].map((number) => `partition ${number}`);
    assert.deepEqual(await namesOf(), expected);
    assert.deepEqual(await namesOf(), expected);
    const trees = [];
    for await (const place of places) trees.push(await place.openTree());
    assert.deepEqual((await trees[7]!.list("")).map(({ name }) => name), ["file"]);
    await places[Symbol.asyncDispose]();
    await assert.rejects(image.openSibling(0), ofKind("not-found"));
    assert.notEqual(await image.openSibling(3), undefined);
  },
});

Deno.test({
  name: "SiblingPlaces ends as cancelled once its signal says so",
  ignore,
  fn: async () => {
    const { boot, root } = apart(rootFiles());
    await using inputs = await rootInputs(root);
    const bytes = await fatImage(inputs.dir, boot);
    const path = await published(inputs, [{ bytes, label: "boot" }]);
    const stop = new AbortController();
    const options = {
      env: { TMPDIR: "/tmp" },
      progress: new RecordedProgress(),
      signal: stop.signal,
    };
    await using input = await openInput({ rootfs: path, partition: undefined }, options);
    await using places = input.rootfs.openSiblings!(stop.signal);
    stop.abort();
    let count = 0;
    for await (const place of places) {
      await assert.rejects(place.openTree(), ofKind("cancelled"));
      count++;
    }
    assert.equal(count, 1);
  },
});
