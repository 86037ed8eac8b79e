import assert from "node:assert/strict";
import { bootRequest, treeRequest } from "../../lib/cli/boot_words.ts";
import { ofKind } from "../support/expect_kind.ts";

Deno.test("bootRequest() takes a release for the root's kernels alone", async () => {
  const request = await bootRequest(["root.ero"], { release: "6.1.0" });
  assert.deepEqual([request.rootfs, request.kernel, request.release], [
    "root.ero",
    undefined,
    "6.1.0",
  ]);
  const both = bootRequest(["root.ero"], { release: "6.1.0", kernel: "linux" });
  await assert.rejects(both, ofKind("usage", /--release 6\.1\.0[^]*one of the two/));
});

Deno.test("treeRequest() demands a kernel tree", async () => {
  const root = await bootRequest(["root.ero"], {});
  assert.throws(() => treeRequest(root), ofKind("usage", /--watch/));
  const tree = await bootRequest(["root.ero"], { kernel: "linux" });
  assert.equal(treeRequest(tree).kernel, "linux");
});

Deno.test("bootRequest() refuses firmware and extra modules where nothing would hold them", async () => {
  const refused = async (options: Record<string, unknown>, pattern: RegExp) => {
    await assert.rejects(bootRequest(["x"], options), { kind: "usage", message: pattern });
  };
  const extra = { extraModules: ["/m"] };
  await refused({ ...extra }, /Use --extra-modules: without --kernel/);
  await refused({ kernel: ".", watch: true, ...extra }, /make installs the modules/);
  const make = { from: "make", sets: [] };
  await refused({ kernel: ".", modules: make, ...extra }, /make installs the modules/);
  await refused({ kernel: ".", firmwareInto: "modules" }, /nothing says where the firmware is/);
  await refused({ firmware: "auto" }, /Use --firmware: nothing says where the firmware is/);
  assert.equal((await bootRequest(["x"], { firmware: "none" })).firmware, undefined);
  const into = { firmwareInto: "modules", firmwareDir: "/fw" };
  await refused(into, /Use --firmware-into modules: without --kernel/);
  const { firmware, extraModules } = await bootRequest(["x"], { kernel: ".", ...into, ...extra });
  assert.deepEqual(firmware, { policy: "auto", list: [], dir: "/fw", into: "modules" });
  assert.deepEqual(extraModules, ["/m"]);
});
