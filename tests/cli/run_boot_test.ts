/** `boot` as a whole, from the user's side: a bootloader, the gadget it becomes, and both disks. */
import assert from "node:assert/strict";
import type { SmooPhone } from "../support/smoo_phone.ts";
import { bootInputs } from "../support/boot_inputs.ts";
import { assertFailed, assertStopped, Fastboop, fastboop } from "../support/fastboop.ts";
import { QuickPhone } from "../support/quick_phone.ts";
import { hasProgram } from "../kernel/real_trees.ts";

/** All of a disk, read as a phone reads it. */
async function readDisk(phone: SmooPhone, index: number): Promise<Uint8Array<ArrayBuffer>> {
  const { id, sizeBytes, blockSizeBytes } = phone.exports[index]!;
  const disk = new Uint8Array(sizeBytes);
  const step = 16;
  for (let lba = 0; lba * blockSizeBytes < sizeBytes; lba += step) {
    const blocks = Math.min(step, sizeBytes / blockSizeBytes - lba);
    const { status, data } = await phone.read(id, lba, blocks);
    assert.equal(status, 0);
    disk.set(data, lba * blockSizeBytes);
  }
  return disk;
}

async function output(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("boot serves the root image as disk 0 and the tree's modules as disk 1", async () => {
  await using inputs = await bootInputs();
  await using phone = new QuickPhone();
  const words = ["boot", inputs.rootPath, "--kernel", "--usb", phone.address];
  await using run = await Fastboop.start(words, { env: inputs.env, cwd: inputs.tree });
  await run.said(/2 of 2 disks online/);
  assert.deepEqual(phone.gadget.exports.map(({ id }) => id), [1, 2]);
  assert.deepEqual(await readDisk(phone.gadget, 0), inputs.root);
  const modules = await readDisk(phone.gadget, 1);
  const end = await run.stop("SIGINT");
  assertStopped(end, 130);
  assert.match(end.talk, /The phone still needs a host/);
  assert.deepEqual(phone.gadget.faults, []);
  const verbs = phone.bootloader.commands.map((command) => command.split(":")[0]);
  assert.deepEqual([...new Set(verbs)], ["getvar", "download", "boot"]);

  if (!hasProgram("debugfs") || !hasProgram("e2fsck")) return;
  const image = `${inputs.dir}/modules.img`;
  await Deno.writeFile(image, modules);
  await output("e2fsck", "-fn", image);
  const path = "/usr/lib/modules/6.12.3-test/kernel/fs/erofs/erofs.ko";
  await output("debugfs", "-R", `dump ${path} ${inputs.dir}/erofs.ko`, image);
  assert.deepEqual(
    await Deno.readFile(`${inputs.dir}/erofs.ko`),
    await Deno.readFile(`${inputs.tree}/fs/erofs/erofs.ko`),
  );
});

Deno.test("boot waits calmly for a phone that was unplugged, and serves it again", async () => {
  await using inputs = await bootInputs();
  await using phone = new QuickPhone();
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", phone.address];
  await using run = await Fastboop.start(words, { env: inputs.env });
  await run.said(/2 of 2 disks online/);
  phone.unplug();
  await run.said(/The phone is gone; waiting/);
  phone.replug();
  await run.said(/The phone is back; serving/);
  await phone.gadget.verify(1, 3, 2, inputs.root.subarray(3 * 4096, 5 * 4096));
  const end = await run.stop("SIGTERM");
  assertStopped(end, 143);
  assert.equal(end.talk.match(/The phone is gone/g)!.length, 1);
  assert.doesNotMatch(end.talk, /warning/);
});

Deno.test("boot ends as lost when the phone is in its bootloader again", async () => {
  await using inputs = await bootInputs();
  await using phone = new QuickPhone();
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", phone.address];
  await using run = await Fastboop.start(words, { env: inputs.env });
  await run.said(/2 of 2 disks online/);
  phone.restart();
  assertFailed(await run.ended, 9, /in fastboot mode again[^]*boot it again/);
});

Deno.test("boot refuses to choose between two phones and shows both", async () => {
  await using inputs = await bootInputs();
  await using one = new QuickPhone();
  await using two = new QuickPhone({ serial: "QUICK-2" });
  one.server.devices.push({ ...two.server.devices[0]!, busId: "1-2", deviceNumber: 9 });
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", one.address];
  const end = await fastboop(words, { env: inputs.env });
  assertFailed(end, 6, /2 phones match[^]*1-1 .*QUICK-1[^]*1-2 .*QUICK-2[^]*--device-serial/);
  assert.ok(!one.bootloader.booted && !two.bootloader.booted);
});

Deno.test("boot --device-serial takes that one of two phones", async () => {
  await using inputs = await bootInputs();
  await using one = new QuickPhone();
  await using two = new QuickPhone({ serial: "QUICK-2" });
  one.server.devices.push({ ...two.server.devices[0]!, busId: "1-2", deviceNumber: 9 });
  await using run = await Fastboop.start([
    ...["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", one.address],
    ...["--device-serial", "QUICK-2"],
  ], { env: inputs.env });
  await run.said(/Booting/);
  assertStopped(await run.stop("SIGINT"), 130);
  assert.ok(two.bootloader.booted && !one.bootloader.booted);
});

Deno.test("boot --wait gives up on a phone that does not come", async () => {
  await using inputs = await bootInputs();
  await using phone = new QuickPhone();
  phone.unplug();
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", phone.address];
  const end = await fastboop([...words, "--wait", "0"], { env: inputs.env });
  assertFailed(end, 6, /Find a phone in fastboot mode[^]*exports no device[^]*hint: Plug/);
});

Deno.test("boot --output writes the boot image that Debian's tools take apart", async () => {
  await using inputs = await bootInputs();
  const image = `${inputs.dir}/boot.img`;
  const end = await fastboop([
    ...["boot", inputs.rootPath, "--kernel", "--device-profile", "virtual-x86_64"],
    ...["--append", "console=ttyS0", "--output", image],
  ], { env: inputs.env, cwd: inputs.tree });
  assert.equal(end.code, 0, end.talk);
  assert.equal(end.stdout.length, 0);
  assert.equal(new TextDecoder().decode((await Deno.readFile(image)).subarray(0, 8)), "ANDROID!");
  if (!hasProgram("unpack_bootimg") || !hasProgram("cpio")) return;
  const out = `${inputs.dir}/out`;
  const facts = await output("unpack_bootimg", "--boot_img", image, "--out", out);
  assert.match(facts, /console=ttyS0/);
  assert.deepEqual(
    await Deno.readFile(`${out}/kernel`),
    await Deno.readFile(`${inputs.tree}/arch/x86/boot/bzImage`),
  );
  const names = (await output("cpio", "-t", "--quiet", "-F", `${out}/ramdisk`)).split("\n");
  assert.ok(names.includes("init"), names.join());
  assert.ok(names.some((name) => name.endsWith("erofs.ko")), names.join());
});
