import assert from "node:assert/strict";
import { BootSession } from "./boot_session.ts";
import { ensureProbeModule } from "./probe_module.ts";
import { ensureLab } from "./setup.ts";

const PARTS = { arch: "x86_64", root: "busybox-merged" } as const;

/** A directory with the module's firmware behind a link, as distributions have it. */
async function firmwareDirectory(content: string): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "fastboop-test-" });
  await Deno.mkdir(`${dir}/fastboop/v2`, { recursive: true });
  await Deno.writeTextFile(`${dir}/fastboop/v2/lab.bin`, content);
  await Deno.symlink("v2/lab.bin", `${dir}/fastboop/lab.bin`);
  return dir;
}

/** Boots with the module and its firmware, and gives the console back. */
async function bootWith(content: string, args: readonly string[]): Promise<string> {
  const { kernelTree } = await ensureLab(PARTS);
  const module = await ensureProbeModule(PARTS.arch, kernelTree);
  const firmware = await firmwareDirectory(content);
  try {
    const words = ["--extra-modules", module, "--firmware-dir", firmware, ...args];
    await using session = await BootSession.start({
      ...PARTS,
      args: words,
      phone: { words: ["lab.run=poweroff"] },
    });
    const report = await session.waitForUserspace();
    assert.match(report.module, /^dummy \d+ /);
    assert.equal(await session.phone.waitForEnd(30_000), "poweroff");
    return session.phone.console.text;
  } finally {
    await Deno.remove(firmware, { recursive: true });
  }
}

Deno.test("firmware in stage0 reaches a module that stage0 loads", async () => {
  const console = await bootWith("for stage0", ["--require-module", "dummy"]);
  const [before] = console.split("phase=modules loaded=");
  assert.match(before!, /LAB firmware for stage0$/m);
});

Deno.test("firmware in the modules image reaches a module of the running system", async () => {
  const console = await bootWith("for all", ["--firmware-into", "modules"]);
  const [before, after] = console.split("phase=init exec=");
  assert.doesNotMatch(before!, /LAB firmware/);
  assert.match(after!, /LAB firmware for all$/m);
  assert.match(console, /firmware_class\.path=\/lib\/modules\/\S+\/firmware/);
});
