import assert from "node:assert/strict";
import { prepareModules } from "../../lib/boot/prepare_kernel.ts";
import { findKernelTree } from "../../lib/kernel/find_tree.ts";
import { bootInputs } from "../support/boot_inputs.ts";
import { ofKind } from "../support/expect_kind.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const signal = new AbortController().signal;

/** Files below a directory that this process has open. */
function openBelow(dir: string): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      const path = Deno.readLinkSync(`/proc/self/fd/${name}`);
      return path.startsWith(dir) ? [path] : [];
    } catch {
      return []; // the one that lists them
    }
  });
}

Deno.test("prepareModules() closes what make installed when it fails afterwards", async () => {
  await using inputs = await bootInputs();
  const tree = await findKernelTree(inputs.tree, { env: inputs.env });
  const dir = `${inputs.dir}/nowhere`;
  const request = { firmware: { policy: "auto", list: [], dir, into: "modules" } } as const;
  const options = { env: inputs.env, progress: new RecordedProgress(), signal };
  const runDir = await Deno.makeTempDir({ dir: inputs.dir });
  const failed = prepareModules(tree, request, options, runDir);
  await assert.rejects(failed, ofKind("not-found", /nowhere/));
  assert.deepEqual(openBelow(inputs.dir), []);
});
