/** Boots of disk images as they are published, without a profile. */
import assert from "node:assert/strict";
import { assertBooted } from "./assert_booted.ts";
import { assertFetchedOnce } from "./assert_fetched_once.ts";
import { BootSession } from "./boot_session.ts";
import { WebServer } from "./web_server.ts";

Deno.test("boot runs the root of a GPT disk with the kernel inside it", async () => {
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "busybox-gpt",
    phone: { words: ["lab.run=poweroff", "lab.sum=1"] },
  });
  const report = await session.waitForUserspace();
  assert.equal(await session.phone.waitForEnd(60_000), "poweroff");
  assert.match(session.phone.console.text, /^LAB sum [0-9a-f]{64} /m);
  await assertBooted(session, report);
  const { text } = session.host.output;
  assert.match(text, /gpt partition 2 "linux": 96 MiB/);
  assert.match(text, /boot\/vmlinuz-\S+: \S+, x86_64/);
  assert.match(text, /1 of 1 disks online/);
  await assertFetchedOnce(session);
});

Deno.test("boot takes an arm64 kernel and its device tree from the boot partition beside the root", async () => {
  await using session = await BootSession.start({
    arch: "aarch64",
    root: "busybox-boot",
    phone: { words: ["lab.run=poweroff", "lab.sum=1"] },
  });
  const report = await session.waitForUserspace();
  const { phone, host } = session;
  assert.equal(await phone.waitForEnd(60_000), "poweroff");
  assert.match(phone.console.text, /^LAB sum [0-9a-f]{64} /m);
  await assertBooted(session, report);
  const { text } = host.output;
  assert.match(text, /xz, android sparse, gpt partition 2 "linux": 48 MiB/);
  assert.match(
    text,
    /vmlinuz-\S+ on partition 1 "boot": \S+, aarch64, .* kernel, dtbs\/\S+\/virt\.dtb on partition 1/,
  );
  assert.ok(phone.images[0]!.deviceTree.length > 0);
  assert.match(text, /1 of 1 disks online/);
  await assertFetchedOnce(session);
});

Deno.test("assertFetchedOnce() fails when a part is fetched again", async () => {
  const path = await Deno.makeTempFile({ prefix: "fastboop-test-" });
  try {
    await Deno.writeFile(path, new Uint8Array(10_000));
    await using web = new WebServer({ "/root": path });
    const session = { web, rootUrl: web.url("/root"), lab: { rootImage: path } };
    const get = async (range: string) => {
      await (await fetch(session.rootUrl, { headers: { range } })).bytes();
    };
    await get("bytes=0-4999");
    await get("bytes=4900-9999");
    await assertFetchedOnce(session);
    await get("bytes=2000-2999");
    await assert.rejects(assertFetchedOnce(session), /1100 of 10000 bytes were fetched twice/);
  } finally {
    await Deno.remove(path);
  }
});
