import assert from "node:assert/strict";
import { assertBooted } from "./assert_booted.ts";
import { BootSession, type BootSessionOptions } from "./boot_session.ts";

/** Boots to the end of userspace's report, powers off, and ends fastboop as a user does. */
async function bootAndPowerOff(options: BootSessionOptions): Promise<void> {
  const words = ["lab.sum=1", "lab.run=poweroff"];
  const phone = { words, ...options.phone };
  await using session = await BootSession.start({ ...options, phone });
  const report = await session.waitForUserspace();
  assert.equal(await session.phone.waitForEnd(30_000), "poweroff");
  assert.match(session.phone.console.text, /^LAB sum [0-9a-f]{64} /m);
  const isMerged = options.root !== "busybox-split";
  await assertBooted(session, report, isMerged ? "/usr/lib/modules" : "/lib/modules");
  session.host.signal("SIGINT");
  await session.host.waitForEnd(15_000);
}

Deno.test("boot runs a merged-/usr root and serves every byte of it", async () => {
  await bootAndPowerOff({ arch: "x86_64", root: "busybox-merged" });
});

Deno.test("boot puts modules where a split-/usr root looks for them", async () => {
  await bootAndPowerOff({ arch: "x86_64", root: "busybox-split" });
});

Deno.test("boot starts no program: without make in PATH, and without the right to run one", async () => {
  await bootAndPowerOff({
    arch: "x86_64",
    root: "busybox-merged",
    args: ["--modules=native"],
    env: { PATH: "/nowhere" },
    permissions: ["--allow-read", "--allow-env", "--allow-net=127.0.0.1"],
  });
});

Deno.test("boot works at high speed", async () => {
  await bootAndPowerOff({ arch: "x86_64", root: "busybox-merged", phone: { speed: "high" } });
});

Deno.test("boot works on aarch64, with the device tree from the kernel tree", async () => {
  await bootAndPowerOff({ arch: "aarch64", root: "busybox-merged" });
});

Deno.test("the disks outlive kill(-1, SIGKILL) where the kernel can scope signals", async () => {
  const phone = { words: ["lab.run=kill"] };
  await using session = await BootSession.start({ arch: "x86_64", root: "busybox-merged", phone });
  await session.waitForUserspace();
  const sum = await session.phone.waitForConsole(/^LAB killed ([0-9a-f]{64}) /m, 60_000);
  assert.equal(sum[1], await session.rootDigest());
  assert.equal(await session.phone.waitForEnd(30_000), "poweroff");
});

Deno.test("boot hands words of --append to the kernel, behind nothing of the bootloader's", async () => {
  const args = ["--append", "lab.run=poweroff lab.other=1"];
  await using session = await BootSession.start({ arch: "x86_64", root: "busybox-merged", args });
  await session.waitForUserspace();
  assert.match(session.phone.images[0]!.commandLine, /(^| )lab\.run=poweroff lab\.other=1( |$)/);
  assert.equal(await session.phone.waitForEnd(30_000), "poweroff");
});
