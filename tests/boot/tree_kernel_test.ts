import assert from "node:assert/strict";
import { openInput } from "../../lib/boot/open_input.ts";
import { treeKernel } from "../../lib/boot/tree_kernel.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import { bootInputs } from "../support/boot_inputs.ts";
import { ofKind } from "../support/expect_kind.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const all = await loadBundledProfiles();
const pc = all.find(({ id }) => id === "virtual-x86_64")!;
const phone = all.find(({ id }) => id === "virtual-aarch64")!;
const signal = new AbortController().signal;

Deno.test("treeKernel() has the modules ready at once, and checks the tree again for the phone", async () => {
  await using inputs = await bootInputs();
  const progress = new RecordedProgress();
  const request = { rootfs: inputs.rootPath, kernel: inputs.tree, requireModules: [] };
  const options = { env: inputs.env, progress, signal };
  await using input = await openInput(request, options);
  const { rootfs } = input;
  await using source = await treeKernel(request, rootfs, undefined, options);
  assert.equal(progress.count(/6\.12\.3-test, x86_64, .* 2 modules/), 1);
  const { tree, modules } = await source.kernelFor(pc);
  assert.equal(tree.release, "6.12.3-test");
  assert.ok(modules!.image!.sizeBytes > 0);
  await source.letGoOfKernel();
  // Export 1 goes on to be read from.
  await modules!.image!.readAt(0, new Uint8Array(4096));
  await assert.rejects(source.kernelFor(phone), ofKind("tree", /x86_64|arm64|aarch64/));
});

Deno.test("treeKernel() asks the tree for no device tree that --dtb replaces", async () => {
  await using inputs = await bootInputs({ arch: "aarch64" });
  const board = all.find(({ id }) => id === "oneplus-fajita")!;
  const request = { rootfs: inputs.rootPath, kernel: inputs.tree, requireModules: [] };
  const options = { env: inputs.env, progress: new RecordedProgress(), signal };
  await using input = await openInput(request, options);
  const { rootfs } = input;
  const without = treeKernel(request, rootfs, board, options);
  await assert.rejects(without, ofKind("tree", /sdm845-oneplus-fajita/));
  const own = { ...request, dtb: "mine.dtb" };
  await using source = await treeKernel(own, rootfs, board, options);
  assert.equal((await source.kernelFor(board)).tree.dtb, undefined);
});
