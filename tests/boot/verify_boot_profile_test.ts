/** `inspect --verify-only` of files built with a boot profile, overlays or a root's own kernel. */
import assert from "node:assert/strict";
import { buildInitramfsOnly } from "../../lib/boot/build_image.ts";
import { readChannelProfiles } from "../../lib/boot/channel_profiles.ts";
import { inspect } from "../../lib/boot/inspect.ts";
import { verifyBuild, type VerifyRequest } from "../../lib/boot/verify_build.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import { encodeBootProfile } from "../../lib/profiles/boot/encode_boot_profile.ts";
import { parseBootProfile } from "../../lib/profiles/boot/parse_boot_profile.ts";
import type { DeviceProfile } from "../../lib/profiles/device_profile.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { fdtBlob, type Token } from "../devicetree/fdt_blob.ts";
import { type BootInputs, bootInputs } from "../support/boot_inputs.ts";
import { ofKind } from "../support/expect_kind.ts";
import { fastboop } from "../support/fastboop.ts";
import { rootInputs } from "../support/root_inputs.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const all = await loadBundledProfiles();
const pc = all.find(({ id }) => id === "virtual-x86_64")!;
const signal = new AbortController().signal;
const text = (word: string) => new TextEncoder().encode(`${word}\0`);

const DTB = fdtBlob([
  ...[["{", ""], ["{", "wifi"], ["=", "compatible", text("acme,wifi")], ["}"]] as Token[],
  ...[["}"], ["end"]] as Token[],
]);

/** Adds a property to the root. */
const overlay = (name: string) =>
  fdtBlob([
    ...[["{", ""], ["{", "fragment@0"], ["=", "target-path", text("/")]] as Token[],
    ...[["{", "__overlay__"], ["=", name, new Uint8Array()], ["}"]] as Token[],
    ...[["}"], ["}"], ["end"]] as Token[],
  ]);

/** A profile that adds all that one may, for the device of the tests and for another one. */
async function writeProfile({ dir, rootPath }: BootInputs, words: string): Promise<string> {
  const manifest = [
    `id: edge\nrootfs: {erofs: {file: ${rootPath}}}\nextra_cmdline: ${words}`,
    `dt_overlays: [{base64: ${overlay("of-profile").toBase64()}}]`,
    `stage0: {kernel_modules: [libcrc32c], devices: {other: {}, ${pc.id}: {`,
    "  extra_cmdline: device, stage0: {inject_mac: {wifi: 'acme,wifi'}}}}}\n",
  ].join("\n");
  const path = `${dir}/edge.fbp`;
  await Deno.writeFile(path, encodeBootProfile(await parseBootProfile(manifest, "the manifest")));
  return path;
}

async function built(rootfs: string, inputs: Pick<BootInputs, "env">, words: object) {
  const request = { rootfs, requireModules: [], deviceProfile: pc.id, ...words };
  const progress = new RecordedProgress();
  return (await buildInitramfsOnly({
    ...{ request, profiles: [pc], env: inputs.env, progress, signal },
  })).bytes;
}

async function verdicts(
  bytes: Uint8Array,
  request: VerifyRequest,
  rootfs?: string,
  profile: DeviceProfile = pc,
) {
  const options = { env: { TMPDIR: "/tmp" }, progress: new RecordedProgress(), signal };
  const { bootProfile } = rootfs === undefined
    ? {}
    : await readChannelProfiles({ rootfs, deviceProfile: profile.id }, options);
  const found = await inspect(new MemoryReader(bytes, "test"));
  return await verifyBuild(found, request, { env: {}, profile, bootProfile, signal });
}

const stale = (stages: Awaited<ReturnType<typeof verdicts>>) =>
  stages.filter(({ state }) => state !== "fresh").map(({ stage, state }) => `${stage} ${state}`);

Deno.test("verifyBuild() compares with what boot profile and overlays add", async () => {
  await using inputs = await bootInputs();
  const profile = await writeProfile(inputs, "quiet");
  const [dtb, dtbo] = [`${inputs.dir}/board.dtb`, `${inputs.dir}/mine.dtbo`];
  await Deno.writeFile(dtb, DTB);
  await Deno.writeFile(dtbo, overlay("mine"));
  const request = { kernel: inputs.tree, requireModules: [], dtb, dtbOverlays: [dtbo] };
  const bytes = await built(profile, inputs, request);
  assert.deepEqual(stale(await verdicts(bytes, request, profile)), []);

  assert.deepEqual(stale(await verdicts(bytes, { ...request, dtbOverlays: [] }, profile)), [
    "dtb stale",
  ]);
  const without = ["dtb stale", "cmdline stale"];
  assert.deepEqual(stale(await verdicts(bytes, request)), without);
  await writeProfile(inputs, "loud");
  assert.deepEqual(stale(await verdicts(bytes, request, profile)), ["cmdline stale"]);
  const other = { ...pc, id: "third" };
  await assert.rejects(verdicts(bytes, request, profile, other), ofKind("usage", /third/));
});

Deno.test("verifyBuild() does not compare a root image's own kernel with a tree", async () => {
  await using tree = await bootInputs();
  await using inputs = await rootInputs();
  const bytes = await built(inputs.rootPath, { env: {} }, { requireModules: ["erofs"] });
  const stages = await verdicts(bytes, { kernel: tree.tree, requireModules: ["erofs"] });
  assert.deepEqual(new Set(stages.map(({ state }) => state)), new Set(["missing"]));
  assert.match(stages[0]!.why, /root image's own kernel, not of a tree/);
});

Deno.test("inspect --verify-only takes --rootfs, --boot-profile and --dtbo as boot", async () => {
  await using inputs = await bootInputs();
  const profile = await writeProfile(inputs, "quiet");
  const [dtb, dtbo] = [`${inputs.dir}/board.dtb`, `${inputs.dir}/mine.dtbo`];
  await Deno.writeFile(dtb, DTB);
  await Deno.writeFile(dtbo, overlay("mine"));
  const request = { kernel: inputs.tree, dtb, dtbOverlays: [dtbo] };
  const file = `${inputs.dir}/stage0.cpio`;
  await Deno.writeFile(file, await built(profile, inputs, request));
  const words = ["inspect", file, "--verify-only", `--kernel=${inputs.tree}`, "--dtb", dtb];
  const more = ["--dtbo", dtbo, "--rootfs", profile, "--boot-profile", "edge"];
  const fresh = await fastboop([...words, ...more], { env: inputs.env });
  assert.equal(fresh.code, 0, new TextDecoder().decode(fresh.stdout) + fresh.talk);
  const nowhere = await fastboop([...words, "--boot-profile", "edge"], { env: inputs.env });
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.talk, /nothing says where it is\nhint: Pass --rootfs/);
});
