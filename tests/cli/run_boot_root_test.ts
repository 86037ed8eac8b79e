/** `boot` and `stage0` without --kernel, from the user's side. */
import assert from "node:assert/strict";
import { rootFiles, rootInputs } from "../support/root_inputs.ts";
import { assertFailed, assertStopped, Fastboop, fastboop } from "../support/fastboop.ts";
import { QuickPhone } from "../support/quick_phone.ts";

Deno.test("boot without --kernel serves the root as the one disk", async () => {
  await using inputs = await rootInputs();
  await using phone = new QuickPhone();
  const words = ["boot", inputs.rootPath, "--usb", phone.address, "--require-module", "erofs"];
  await using run = await Fastboop.start(words, { env: inputs.env });
  await run.said(/1 of 1 disks online/);
  await phone.gadget.verify(1, 3, 2, inputs.root.subarray(3 * 4096, 5 * 4096));
  const end = await run.stop("SIGINT");
  assertStopped(end, 130);
  assert.match(end.talk, /boot\/vmlinuz-6\.12\.3-test: 6\.12\.3-test, x86_64/);
  assert.deepEqual(phone.gadget.faults, []);
});

Deno.test("boot without --kernel sends nothing to a phone of another architecture", async () => {
  await using inputs = await rootInputs(rootFiles("aarch64"));
  await using phone = new QuickPhone();
  const end = await fastboop(["boot", inputs.rootPath, "--usb", phone.address], {
    env: inputs.env,
  });
  assertFailed(end, 3, /it is for aarch64, the device is x86_64[^]*hint: Pass --kernel=DIR/);
  assert.ok(!phone.bootloader.booted);
  const verbs = phone.bootloader.commands.map((command) => command.split(":")[0]);
  assert.deepEqual([...new Set(verbs)], ["getvar"]);
});

Deno.test("boot --output and stage0 need no kernel tree", async () => {
  await using inputs = await rootInputs();
  const options = { env: inputs.env, cwd: inputs.dir };
  const profile = ["--device-profile", "virtual-x86_64"];
  const image = await fastboop(["boot", "root.ext4", ...profile, "-o", "boot.img"], options);
  assert.equal(image.code, 0, image.talk);
  const magic = (await Deno.readFile(`${inputs.dir}/boot.img`)).subarray(0, 8);
  assert.equal(new TextDecoder().decode(magic), "ANDROID!");
  const archive = await fastboop(["stage0", "root.ext4", ...profile], options);
  assert.equal(archive.code, 0, archive.talk);
  assert.equal(new TextDecoder().decode(archive.stdout.subarray(0, 6)), "070701");
});

Deno.test("boot refuses options of a kernel tree when there is none", async () => {
  await using inputs = await rootInputs();
  for (const words of [["--watch"], ["--modules", "make"], ["--modules=native"]]) {
    const end = await fastboop(["boot", inputs.rootPath, ...words], { env: inputs.env });
    assertFailed(end, 2, /without --kernel[^]*hint: Pass --kernel=DIR/);
  }
});
