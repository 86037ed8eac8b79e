import assert from "node:assert/strict";
import {
  assembleBootImage,
  assembleCmdline,
  assembleInitramfs,
  type AssembleInput,
} from "../../lib/boot/assemble.ts";
import { prepareFor } from "../support/prepare_for.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import type { DeviceProfile } from "../../lib/profiles/device_profile.ts";
import { type BootInputs, bootInputs } from "../support/boot_inputs.ts";
import { fdtBlob } from "../devicetree/fdt_blob.ts";
import { ofKind } from "../support/expect_kind.ts";
import { IDENTITY } from "./gadget_device.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const all = await loadBundledProfiles();
const plain = all.find(({ id }) => id === "virtual-x86_64")!;
const signal = new AbortController().signal;

/** Everything prepared for `profile`; `work` gets what assembling takes. */
async function prepared(
  inputs: BootInputs,
  profile: DeviceProfile,
  request: { requireModules?: string[]; append?: string },
  work: (input: AssembleInput) => Promise<void>,
): Promise<void> {
  const whole = { rootfs: inputs.rootPath, kernel: inputs.tree, requireModules: [], ...request };
  const options = { env: inputs.env, progress: new RecordedProgress(), signal };
  await using made = await prepareFor(whole, profile, options);
  const { tree, modules } = await made.kernelFor(profile);
  await work({
    ...{ rootfs: made.input.rootfs, tree, modules, profile, signal, onWarning: () => {} },
    ...{ request: whole, identity: IDENTITY, env: inputs.env },
  });
}

const holds = (bytes: Uint8Array, name: string) =>
  new TextDecoder("latin1").decode(bytes).includes(name);

Deno.test("assembleInitramfs() packs the modules in need, what is built in left out", async () => {
  await using inputs = await bootInputs();
  await prepared(inputs, plain, {}, async (input) => {
    const { bytes, moduleCount } = await assembleInitramfs(input);
    assert.equal(moduleCount, 2);
    assert.ok(holds(bytes, "erofs.ko") && holds(bytes, "libcrc32c.ko"));
    assert.ok(!holds(bytes, "overlay.ko"));
    assert.ok(holds(bytes, IDENTITY.serial));
  });
});

Deno.test("assembleInitramfs() takes a profile's optional modules only where they are", async () => {
  await using inputs = await bootInputs();
  const wanting = (name: string, optional: boolean) => ({
    ...plain,
    kernelModules: [{ name, optional }],
  });
  await prepared(inputs, wanting("phy_nowhere", true), {}, async (input) => {
    assert.equal((await assembleInitramfs(input)).moduleCount, 2);
  });
  await prepared(inputs, wanting("libcrc32c", true), {}, async (input) => {
    assert.equal((await assembleInitramfs(input)).moduleCount, 2);
  });
  await prepared(inputs, wanting("phy_nowhere", false), {}, async (input) => {
    await assert.rejects(assembleInitramfs(input), ofKind("tree", /"phy_nowhere"/));
  });
});

Deno.test("assembleInitramfs() demands what --require-module names", async () => {
  await using inputs = await bootInputs();
  await prepared(inputs, plain, { requireModules: ["libcrc33c"] }, async (input) => {
    await assert.rejects(assembleInitramfs(input), ofKind("tree", /near: libcrc32c/));
  });
});

Deno.test("assembleCmdline() ends with the user's words", async () => {
  await using inputs = await bootInputs();
  const profile = { ...plain, bootImage: { ...plain.bootImage, cmdlineAppend: "console=ttyMSM0" } };
  // deno-lint-ignore require-await
  await prepared(inputs, profile, { append: "quiet init=/x" }, async (input) => {
    assert.equal(assembleCmdline(input), "console=ttyMSM0 quiet init=/x");
  });
});

Deno.test("assembleBootImage() makes the same image twice, and keeps the profile's limits", async () => {
  await using inputs = await bootInputs();
  await prepared(inputs, plain, {}, async (input) => {
    const { bytes } = await assembleInitramfs(input);
    const one = await assembleBootImage(input, bytes);
    const two = await assembleBootImage(input, (await assembleInitramfs(input)).bytes);
    assert.deepEqual(one, two);
    assert.equal(one.sizeBytes, one.parts.reduce((sum, part) => sum + part.length, 0));
    const limits = { ...plain.bootImage.limits, maxTotalBytes: 4096 };
    const small = { ...plain, bootImage: { ...plain.bootImage, limits } };
    await assert.rejects(assembleBootImage({ ...input, profile: small }, bytes), ofKind("limit"));
  });
});

Deno.test("assembleBootImage() refuses a device tree that the image has no place for", async () => {
  await using inputs = await bootInputs();
  const dtb = `${inputs.dir}/board.dtb`;
  await Deno.writeFile(dtb, fdtBlob([["{", ""], ["}"], ["end"]]));
  await prepared(inputs, plain, {}, async (input) => {
    const asked = { ...input, request: { ...input.request, dtb } };
    const says = /header version 0 with encoding image has no place/;
    const nowhere = assembleBootImage(asked, new Uint8Array(4));
    await assert.rejects(nowhere, ofKind("usage", says));
    const bootImage = { ...plain.bootImage, kernelEncoding: "image+dtb" } as const;
    await assembleBootImage({ ...asked, profile: { ...plain, bootImage } }, new Uint8Array(4));
  });
});

Deno.test("assembleBootImage() refuses a device tree that is none", async () => {
  await using inputs = await bootInputs();
  const dtb = `${inputs.dir}/bad.dtb`;
  await Deno.writeFile(dtb, new Uint8Array(64));
  await prepared(inputs, plain, {}, async (input) => {
    const request = { ...input.request, dtb };
    const image = assembleBootImage({ ...input, request }, new Uint8Array(4));
    await assert.rejects(image, ofKind("corrupt", /no flattened device tree/));
  });
});
