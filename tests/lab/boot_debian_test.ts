import assert from "node:assert/strict";
import { assertBooted } from "./assert_booted.ts";
import { BootSession } from "./boot_session.ts";

Deno.test("boot brings Debian's systemd to multi-user.target, and systemctl poweroff ends it", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "debian",
    phone: { memoryMiB: 512, words: ["lab.run=poweroff"] },
  });
  const report = await session.waitForUserspace();
  const { phone } = session;
  assert.match(phone.console.text, /^LAB multi-user active$/m);
  assert.equal(await phone.waitForEnd(60_000), "poweroff");
  assert.match(phone.console.text, /reboot: Power down/);
  assert.doesNotMatch(phone.console.text, /I\/O error|Failed to start/);
  await assertBooted(session, report);
});

Deno.test("boot serves a Debian guest until its restart, and the bootloader is back", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "debian",
    phone: { memoryMiB: 512, words: ["lab.run=reboot"] },
  });
  await session.waitForUserspace();
  assert.equal(await session.phone.waitForEnd(60_000), "reset");
  assert.equal(session.phone.state, "bootloader");
  session.phone.assertConsoleClean();
});
