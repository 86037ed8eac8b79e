/** `boot --watch` on a copy of the lab's tree, in which something is built anew while the phone runs. */
import assert from "node:assert/strict";
import { BootSession } from "./boot_session.ts";
import { ensureProbeModule } from "./probe_module.ts";
import { runCommand } from "./run_command.ts";
import { ensureLab } from "./setup.ts";

const PARTS = { arch: "x86_64", root: "busybox-merged" } as const;
const DUMMY = "drivers/net/dummy";

/** As make leaves it: the object first, then the module, which it links beside and renames. */
async function rebuildDummy(tree: string, from: string): Promise<void> {
  await Deno.copyFile(`${from}/rebuilt.o`, `${tree}/${DUMMY}.o`);
  await Deno.copyFile(`${from}/rebuilt.ko`, `${tree}/${DUMMY}.ko.new`);
  await Deno.rename(`${tree}/${DUMMY}.ko.new`, `${tree}/${DUMMY}.ko`);
}

/** Waits for the second guest: the console of the first one has ended. */
async function secondBoot({ phone, host }: BootSession): Promise<void> {
  await host.output.waitFor(/Booting build 2/, 30_000);
  for (let waited = 0; phone.images.length < 2 || phone.state !== "linux"; waited++) {
    if (phone.state === "off" || waited > 600) throw new Error(phone.console.lastLines(20));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

Deno.test("boot --watch boots the new build when the phone is back in fastboot mode", async () => {
  const lab = await ensureLab(PARTS);
  const modules = await ensureProbeModule(PARTS.arch, lab.kernelTree);
  const folder = await Deno.makeTempDir({ prefix: "fastboop-test-" });
  try {
    const tree = `${folder}/tree`;
    await runCommand(["cp", "-a", lab.kernelTree, tree]);
    const args = [`--kernel=${tree}`, "--watch"];
    await using session = await BootSession.start({ ...PARTS, args });
    const { phone, host } = session;
    const first = await session.waitForUserspace();
    assert.match(first.module, /^dummy \d+ /);
    const firstEnd = phone.console.offset;
    assert.doesNotMatch(phone.console.text, /LAB module rebuilt/);

    await rebuildDummy(tree, modules);
    await host.output.waitFor(/Build 2 is ready .*with modules/, 30_000);
    await phone.control("reset").catch(() => {});
    await secondBoot(session);
    await phone.waitForConsole(/LAB module rebuilt$/m, 60_000, firstEnd);
    await phone.waitForConsole(/^LAB userspace done$/m, 60_000, firstEnd);
    assert.equal(phone.images.length, 2);
    host.signal("SIGINT");
    await host.waitForEnd(15_000);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
