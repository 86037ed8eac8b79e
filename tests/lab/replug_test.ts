import assert from "node:assert/strict";
import { assertBooted } from "./assert_booted.ts";
import { BootSession } from "./boot_session.ts";

Deno.test("a cable that falls out during the boot delays it and loses nothing", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "busybox-merged",
    phone: { words: ["lab.sum=1", "lab.run=poweroff"] },
  });
  const { phone } = session;
  // The mount of the root is the first thing that needs the disk, and much of it is still to be read.
  await phone.waitForConsole(/erofs.*mounted|LAB userspace busybox/, 60_000);
  await phone.unplug();
  assert.doesNotMatch(phone.console.text, /LAB userspace done/);
  await assert.rejects(phone.waitForConsole(/^LAB userspace done$/m, 3000));
  await phone.replug();
  const report = await session.waitForUserspace();
  assert.equal(await phone.waitForEnd(30_000), "poweroff");
  await assertBooted(session, report);
});

Deno.test("reading goes on after the cable was out for a while in a running system", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "busybox-merged",
    phone: { words: ["lab.run=read"] },
  });
  const { phone } = session;
  await session.waitForUserspace();
  const expected = await session.rootDigest();
  for (let round = 0; round < 3; round++) {
    await phone.waitForConsole(/^LAB round .*$/m, 60_000, phone.console.offset);
    await phone.unplug();
    const from = phone.console.offset;
    await assert.rejects(phone.waitForConsole(/^LAB round .*$/m, 3000, from));
    await phone.replug();
    await phone.waitForConsole(/^LAB round .*$/m, 60_000, from);
  }
  const sums = [...phone.console.text.matchAll(/^LAB round \d+ ([0-9a-f]+)/mg)].map((m) => m[1]);
  assert.deepEqual([...new Set(sums)], [expected]);
  phone.assertConsoleClean();
});
