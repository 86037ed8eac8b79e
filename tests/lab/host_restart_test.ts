import assert from "node:assert/strict";
import { BootSession } from "./boot_session.ts";

Deno.test("a host killed with reads in flight is started again and the system goes on", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "busybox-merged",
    phone: { words: ["lab.run=read"] },
  });
  const { phone } = session;
  await session.waitForUserspace();
  await phone.waitForConsole(/^LAB round 1 .*$/m, 60_000);
  session.host.signal("SIGKILL");
  await session.host.waitForEnd(5000);
  const from = phone.console.offset;
  await assert.rejects(phone.waitForConsole(/^LAB round .*$/m, 4000, from));
  session.restartHost();
  const expected = await session.rootDigest();
  await phone.waitForConsole(new RegExp(`^LAB round \\d+ ${expected}`, "m"), 60_000, from);
  phone.assertConsoleClean();
  // The second run found the phone running and booted nothing.
  assert.equal(phone.images.length, 1);
});

Deno.test("a web server that stalls in the middle of the boot only delays it", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "busybox-merged",
    phone: { words: ["lab.sum=1", "lab.run=poweroff"] },
  });
  const { phone, web } = session;
  await phone.waitForConsole(/^LAB READY/m, 60_000);
  web.stall();
  await assert.rejects(phone.waitForConsole(/^LAB userspace done$/m, 8000));
  web.resume();
  await session.waitForUserspace();
  assert.equal(await phone.waitForEnd(30_000), "poweroff");
  const sum = /^LAB sum ([0-9a-f]{64}) /m.exec(phone.console.text)?.[1];
  assert.equal(sum, await session.rootDigest());
});
