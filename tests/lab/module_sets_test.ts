import assert from "node:assert/strict";
import { assertBooted } from "./assert_booted.ts";
import { BootSession } from "./boot_session.ts";

Deno.test("stage0 loads a set and a module by name, with what they need, in order", async () => {
  const args = ["--modules", "@virtio", "--require-module", "loop"];
  const phone = { words: ["lab.run=poweroff"] };
  await using session = await BootSession.start({
    arch: "x86_64",
    root: "busybox-merged",
    args,
    phone,
  });
  const report = await session.waitForUserspace();
  assert.equal(await session.phone.waitForEnd(30_000), "poweroff");
  await assertBooted(session, report);
  const { ramdisk } = session.phone.images[0]!;
  const text = new TextDecoder("latin1").decode(ramdisk);
  const order = /\n?((?:\??[\w.-]+\.ko\n)+)/.exec(text)?.[1]?.trim().split("\n") ?? [];
  // What the set names is optional, what it needs comes before; what a person names must load.
  for (const name of ["?virtio_blk.ko", "?virtio_net.ko", "loop.ko"]) {
    assert.ok(order.includes(name), name);
  }
  assert.ok(order.indexOf("?net_failover.ko") < order.indexOf("?virtio_net.ko"), order.join(" "));
  const loaded = /phase=modules loaded=(\d+) skipped=(\d+)/.exec(session.phone.console.text);
  assert.equal(Number(loaded?.[1]), order.length);
  assert.equal(Number(loaded?.[2]), 0);
});
