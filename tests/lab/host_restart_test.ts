import assert from "node:assert/strict";
import { exportsOf } from "../../lib/boot/exports_of.ts";
import { prepareFor } from "../support/prepare_for.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import { profileById } from "../../lib/profiles/select.ts";
import { SmooHost } from "../../lib/smoo/host.ts";
import { UsbIpBus } from "../../lib/usb/usbip/usbip_bus.ts";
import { BootSession } from "./boot_session.ts";
import { openGadget } from "./open_gadget.ts";

/** Serves the same disks as the session's fastboop did, from this process, while `during` runs. */
async function serveAgain(session: BootSession, during: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const silent = { phase() {}, note() {}, moving() {}, warn() {} };
  const options = { env: Deno.env.toObject(), progress: silent, signal: stop.signal };
  const request = {
    rootfs: session.rootUrl,
    kernel: session.lab.kernelTree,
    requireModules: [],
  };
  await using prepared = await prepareFor(request, undefined, options);
  const profile = profileById(await loadBundledProfiles(), "virtual-x86_64");
  const { modules } = await prepared.kernelFor(profile);
  const host = new SmooHost(exportsOf({ rootfs: prepared.input.rootfs, modules }));
  await using bus = new UsbIpBus(session.phone.address);
  const serving = host.serve(await openGadget(bus), { signal: stop.signal });
  try {
    await during();
  } finally {
    stop.abort();
    await serving;
  }
}

Deno.test("a host killed with reads in flight is replaced and the system goes on", async () => {
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
  const expected = await session.rootDigest();
  await serveAgain(session, async () => {
    const round = new RegExp(`^LAB round \\d+ ${expected}`, "m");
    const first = await phone.waitForConsole(round, 60_000, from);
    await phone.waitForConsole(round, 60_000, from + first.index + first[0].length);
  });
  phone.assertConsoleClean();
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
