/** Boots without --kernel: Debian with the kernel that Debian ships, and busybox with one installed in it. */
import assert from "node:assert/strict";
import { assertBooted } from "./assert_booted.ts";
import { BootSession } from "./boot_session.ts";

Deno.test("boot without --kernel runs Debian's own kernel up to multi-user.target, and powers it off", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "debian-kernel",
    phone: { memoryMiB: 768, words: ["lab.run=poweroff"] },
  });
  const report = await session.waitForUserspace();
  const { phone, host, lab } = session;
  assert.match(phone.console.text, /^LAB multi-user active$/m);
  assert.equal(await phone.waitForEnd(60_000), "poweroff");
  assert.match(phone.console.text, /reboot: Power down/);
  assert.doesNotMatch(phone.console.text, /I\/O error|Failed to start/);
  await assertBooted(session, report);
  assert.match(host.output.text, new RegExp(`vmlinuz.*: ${escaped(lab.release)}, x86_64`));
  // One disk: the modules are where Debian has them.
  assert.match(host.output.text, /1 of 1 disks online/);
});

Deno.test("boot without --kernel takes an arm64 kernel and its device tree out of an ext4 root", async () => {
  await using session = await BootSession.start({
    arch: "aarch64",
    root: "busybox-kernel",
    phone: { words: ["lab.run=poweroff", "lab.sum=1"] },
  });
  const report = await session.waitForUserspace();
  assert.equal(await session.phone.waitForEnd(60_000), "poweroff");
  await assertBooted(session, report);
  const { release } = session.lab;
  const { text } = session.host.output;
  assert.match(text, new RegExp(`boot/vmlinuz-${escaped(release)}: ${escaped(release)}, aarch64`));
  assert.match(text, new RegExp(`boot/dtbs/${escaped(release)}/qemu/virt\\.dtb`));
  assert.ok(session.phone.images[0]!.deviceTree.length > 0);
});

const escaped = (text: string) => text.replace(/[.+]/g, "\\$&");
