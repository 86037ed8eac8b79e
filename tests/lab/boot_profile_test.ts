/**
 * Boots by a compiled boot profile, given by URL: an ext4 root on an MBR disk in an Android sparse image in xz,
 * kernel and device tree on a FAT partition of the same disk.
 */
import assert from "node:assert/strict";
import { assertBooted } from "./assert_booted.ts";
import { assertFetchedOnce } from "./assert_fetched_once.ts";
import { BootSession } from "./boot_session.ts";
import type { LabArch } from "./lab_directory.ts";

function manifest(url: string, arch: LabArch): string {
  const part = (index: number) =>
    `{mbr: {index: ${index}, android_sparseimg: {xz: {http: "${url}"}}}}`;
  return [
    "id: generic-edge-phone",
    "display_name: Generic edge image",
    `rootfs: {ext4: ${part(1)}}`,
    `kernel: {path: /vmlinuz, fat: ${part(0)}}`,
    ...(arch === "aarch64" ? [`dtbs: {path: /dtbs, fat: ${part(0)}}`] : []),
    "extra_cmdline: lab.sum=1 lab.profile=1",
    `stage0: {kernel_modules: [overlay], devices: {virtual-${arch}: {extra_cmdline: lab.device=1}}}`,
    "",
  ].join("\n");
}

async function bootByProfile(arch: LabArch): Promise<void> {
  await using session = await BootSession.start({
    arch,
    root: "busybox-mbr",
    manifest: (url) => manifest(url, arch),
    phone: { words: ["lab.run=poweroff"] },
  });
  const report = await session.waitForUserspace();
  const { phone, host } = session;
  assert.equal(await phone.waitForEnd(60_000), "poweroff");
  assert.match(phone.console.text, /^LAB sum [0-9a-f]{64} /m);
  await assertBooted(session, report);
  assert.match(phone.images[0]!.commandLine, /(^| )lab\.sum=1 lab\.profile=1 lab\.device=1( |$)/);
  assert.match(host.output.text, /boot profile Generic edge image/);
  assert.match(host.output.text, new RegExp(`vmlinuz: \\S+, ${arch}`));
  if (arch === "aarch64") {
    assert.match(host.output.text, /, dtbs\/qemu\/virt\.dtb/);
    assert.ok(phone.images[0]!.deviceTree.length > 0);
  }
  assert.match(host.output.text, /1 of 1 disks online/);
  await assertFetchedOnce(session);
}

Deno.test("boot follows a compiled profile to the partitions of one disk", async () => {
  await bootByProfile("x86_64");
});

Deno.test("boot takes an arm64 kernel and its device tree by a profile", async () => {
  await bootByProfile("aarch64");
});
