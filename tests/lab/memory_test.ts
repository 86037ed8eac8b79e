import assert from "node:assert/strict";
import { BootSession } from "./boot_session.ts";

Deno.test("a guest whose memory is full goes on reading its root disk", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "busybox-merged",
    phone: { words: ["lab.run=read", "lab.fill=12"], memoryMiB: 192 },
  });
  const { phone } = session;
  await session.waitForUserspace();
  const expected = await session.rootDigest();
  await phone.waitForConsole(/^LAB filled \d+ MiB$/m, 30_000);
  await phone.waitForConsole(new RegExp(`^LAB round 4 ${expected}`, "m"), 120_000);
  assert.doesNotMatch(phone.console.text, /Out of memory|oom-kill|allocation failure/);
  phone.assertConsoleClean();
});
