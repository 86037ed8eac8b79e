/** Boots without --kernel: what is sent is made of the root file system's own kernel and modules. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { buildBootImage, buildInitramfsOnly } from "../../lib/boot/build_image.ts";
import { exportsOf } from "../../lib/boot/exports_of.ts";
import { inspect } from "../../lib/boot/inspect.ts";
import { prepareFor } from "../support/prepare_for.ts";
import { concat } from "../../lib/bytes/concat.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import { readInitramfs } from "../../lib/filesystems/cpio/read_initramfs.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { bzImage, dtbHeader, moduleElf, RELEASE } from "../kernel/fixture_tree.ts";
import { hasTool, run } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";
import { rootFiles, type RootInputs, rootInputs } from "../support/root_inputs.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const all = await loadBundledProfiles();
const pc = all.find(({ id }) => id === "virtual-x86_64")!;
const phone = all.find(({ id }) => id === "oneplus-fajita")!;
const signal = new AbortController().signal;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const request = ({ rootPath }: RootInputs, requireModules = ["erofs"]) => ({
  rootfs: rootPath,
  requireModules,
});
const options = (progress = new RecordedProgress()) => ({ env: {}, progress, signal });
const built = (inputs: RootInputs, progress = new RecordedProgress()) => ({
  request: { ...request(inputs), deviceProfile: pc.id },
  profiles: [pc],
  ...options(progress),
});
/** `modules.dep` and the like of the miniature root. */
const at = (name: string) => `usr/lib/modules/${RELEASE}/${name}`;

Deno.test("buildBootImage() takes kernel and modules out of the root, and stamps them", async () => {
  await using inputs = await rootInputs();
  const progress = new RecordedProgress();
  const { parts } = await buildBootImage(built(inputs, progress));
  const image = concat(parts);
  const found = await inspect(new MemoryReader(image, "boot.img"));
  assert.equal(found.kind, "boot-image");
  assert.equal(found.stamp!.release, RELEASE);
  assert.equal(found.stamp!.inputs.kernel, sha256(bzImage()));
  assert.match(found.stamp!.inputs.modules!, /^[0-9a-f]{64}$/);
  // The modules lie in the root: there is no export of theirs, and nothing to check their release by.
  assert.equal(found.settings.get("stage0.rootfs"), "ext4");
  assert.equal(found.settings.has("stage0.modules"), false);
  assert.equal(found.settings.has("stage0.kver"), false);
  assert.equal(progress.count(/boot\/vmlinuz-6.12.3-test: 6.12.3-test, x86_64/), 1);
});

Deno.test("buildInitramfsOnly() packs the root's modules unpacked, with what they depend on", async () => {
  await using inputs = await rootInputs();
  const { bytes } = await buildInitramfsOnly(built(inputs));
  const members = new Map(readInitramfs(bytes).members.map(({ path, data }) => [path, data]));
  assert.equal(new TextDecoder().decode(members.get("modules/order")), "crc.ko\nerofs.ko\n");
  const plain = moduleElf({ depends: "crc", vermagic: `${RELEASE} SMP ` });
  assert.deepEqual(new Uint8Array(members.get("modules/erofs.ko")!), plain);
  const { bytes: again } = await buildInitramfsOnly(built(inputs));
  assert.deepEqual(bytes, again);
});

Deno.test("buildInitramfsOnly() stamps another module as another build", async () => {
  const stampOf = async (aliases: string[]) => {
    const crc = moduleElf({ vermagic: `${RELEASE} SMP `, aliases });
    const files = { ...rootFiles(), [at("kernel/crc.ko.zst")]: zstdCompressSync(crc) };
    await using inputs = await rootInputs(files);
    const { bytes } = await buildInitramfsOnly(built(inputs));
    return (await inspect(new MemoryReader(bytes, "cpio"))).stamp!.inputs.modules;
  };
  assert.equal(await stampOf([]), await stampOf([]));
  assert.notEqual(await stampOf([]), await stampOf(["other"]));
});

Deno.test({
  name: "buildInitramfsOnly() reads modules of xz, and roots that depmod never saw",
  ignore: !hasTool("xz"),
  fn: async () => {
    const files = rootFiles();
    for (const name of ["modules.dep", "modules.softdep", "modules.alias"]) delete files[at(name)];
    await using scratch = await rootInputs({});
    for (const [name, depends] of [["erofs", "crc"], ["crc", ""]] as const) {
      delete files[at(`kernel/${name}.ko.zst`)];
      const path = `${scratch.dir}/${name}.ko`;
      await Deno.writeFile(path, moduleElf({ depends, vermagic: `${RELEASE} SMP ` }));
      assert.equal((await run("xz", ["--check=crc32", path])).code, 0);
      files[at(`kernel/${name}.ko.xz`)] = await Deno.readFile(`${path}.xz`);
    }
    await using inputs = await rootInputs(files);
    const { bytes } = await buildInitramfsOnly(built(inputs));
    const names = readInitramfs(bytes).members.map(({ path }) => path);
    assert.ok(names.includes("modules/crc.ko") && names.includes("modules/erofs.ko"), names.join());
  },
});

Deno.test("prepare() waits for the phone's profile, and reads on from export 0 afterwards", async () => {
  await using inputs = await rootInputs();
  await using web = new FaultyHttp(inputs.root);
  const wanted = { ...request(inputs), rootfs: web.url() };
  await using prepared = await prepareFor(wanted, undefined, options());
  const { tree, modules } = await prepared.kernelFor(pc);
  assert.equal(tree.release, RELEASE);
  assert.deepEqual(new Uint8Array(tree.image.bytes), bzImage());
  const [disk, ...others] = exportsOf({ rootfs: prepared.input.rootfs, modules });
  assert.deepEqual(others, []);
  await prepared.letGoOfKernel();
  const back = new Uint8Array(inputs.root.length);
  await disk!.reader.readAt(0, back);
  assert.deepEqual(back, inputs.root);
});

Deno.test("prepare() fails before a phone is looked for when the profile is known", async () => {
  await using inputs = await rootInputs();
  const other = prepareFor(request(inputs), phone, options());
  await assert.rejects(other, ofKind("not-found", /it is for x86_64, the device is aarch64/));
  await using bare = await rootInputs({ "sbin/init": "" });
  const none = prepareFor(request(bare), pc, options());
  await assert.rejects(none, ofKind("not-found", /looked in boot.*[^]*--kernel=DIR/));
});

Deno.test("prepare() finds the profile's device tree, which --dtb replaces", async () => {
  const files = rootFiles("aarch64");
  await using without = await rootInputs(files);
  const missing = prepareFor(request(without), phone, options());
  await assert.rejects(missing, ofKind("not-found", /no qcom\/sdm845-oneplus-fajita\.dtb/));
  await using own = await prepareFor({ ...request(without), dtb: "mine.dtb" }, phone, options());
  assert.equal((await own.kernelFor(phone)).tree.dtb, undefined);
  files["boot/dtbs/qcom/sdm845-oneplus-fajita.dtb"] = dtbHeader();
  await using inputs = await rootInputs(files);
  await using prepared = await prepareFor(request(inputs), phone, options());
  const { tree } = await prepared.kernelFor(phone);
  assert.deepEqual(tree.dtb!.bytes, dtbHeader());
});

Deno.test("prepare() names what the root's kernel lacks for stage0", async () => {
  const files = rootFiles();
  const config = files[`boot/config-${RELEASE}`] as string;
  files[`boot/config-${RELEASE}`] = config.replace("CONFIG_BLK_DEV_UBLK=y\n", "");
  await using inputs = await rootInputs(files);
  const unfit = prepareFor(request(inputs), pc, options());
  const says = /kernel 6\.12\.3-test[^]*CONFIG_BLK_DEV_UBLK=m[^]*--kernel=DIR/;
  await assert.rejects(unfit, ofKind("tree", says));
  delete files[`boot/config-${RELEASE}`];
  await using unknown = await rootInputs(files);
  const progress = new RecordedProgress();
  await using _prepared = await prepareFor(request(unknown), pc, options(progress));
  assert.equal(progress.count(/configuration is not known/), 1);
});

Deno.test("prepare() takes modules of a root that has none for missing", async () => {
  const files = rootFiles();
  for (const path of Object.keys(files)) if (path.startsWith("usr/")) delete files[path];
  const config = files[`boot/config-${RELEASE}`] as string;
  await using fit = await rootInputs(files);
  await using prepared = await prepareFor(request(fit), pc, options());
  assert.equal((await prepared.kernelFor(pc)).modules, undefined);
  files[`boot/config-${RELEASE}`] = config.replace("OVERLAY_FS=y", "OVERLAY_FS=m");
  await using unfit = await rootInputs(files);
  await assert.rejects(prepareFor(request(unfit), pc, options()), ofKind("tree", /OVERLAY_FS=y/));
});
