import assert from "node:assert/strict";
import { appendGuestArchive } from "./guest_archive.ts";
import { runCommand } from "./run_command.ts";

const hasCpio = await Deno.stat("/usr/bin/cpio").then(() => true, () => false);

Deno.test({
  name: "appendGuestArchive() adds an archive that cpio reads, on a multiple of 4",
  ignore: !hasCpio,
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "fastboop-lab-archive-" });
    try {
      await Deno.mkdir(`${directory}/modules`);
      await Deno.writeTextFile(`${directory}/init`, "program");
      await Deno.writeTextFile(`${directory}/order`, "usbcore.ko\ndummy_hcd.ko\n");
      await Deno.writeTextFile(`${directory}/modules/usbcore.ko`, "u");
      await Deno.writeTextFile(`${directory}/modules/dummy_hcd.ko`, "dummy");
      const whole = await appendGuestArchive(new Uint8Array(7), directory, "high");
      await Deno.writeFile(`${directory}/archive`, whole.subarray(8));
      await runCommand(["sh", "-c", "mkdir out && cd out && cpio -id < ../archive"], {
        cwd: directory,
      });
      const read = (path: string) => Deno.readTextFile(`${directory}/out/lab/${path}`);
      assert.equal(await read("modules/order"), "usbcore.ko\ndummy_hcd.ko is_high_speed=1\n");
      assert.equal(await read("modules/dummy_hcd.ko"), "dummy");
      assert.equal(await read("init"), "program");
      assert.equal((await Deno.stat(`${directory}/out/lab/init`)).mode! & 0o7777, 0o755);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
