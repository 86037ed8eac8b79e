import assert from "node:assert/strict";
import { SmooHost } from "../../lib/smoo/host.ts";
import { openFile } from "../../lib/sources/file.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { UsbIpBus } from "../../lib/usb/usbip/usbip_bus.ts";
import { BootSession } from "./boot_session.ts";
import { openGadget } from "./open_gadget.ts";

/** stage0 waits a minute for anything; then it must act. */
const STAGE0_TIMEOUT_MS = 60_000;
const MARGIN_MS = 30_000;

/** A phone that was booted by a fastboop that died right after. */
async function startOrphan(): Promise<BootSession> {
  const session = await BootSession.start({ arch: "x86_64", root: "busybox-merged" });
  try {
    await session.phone.waitForConsole(/Linux version/, 60_000);
    session.host.signal("SIGKILL");
    await session.host.waitForEnd(5000);
    return session;
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

Deno.test("stage0 goes back to the bootloader when no host comes", async () => {
  await using session = await startOrphan();
  const { phone } = session;
  assert.equal(await phone.waitForEnd(STAGE0_TIMEOUT_MS + MARGIN_MS), "reset");
  assert.match(phone.console.text, /stage0: FATAL phase=\S+ object=.* errno=\d+/);
  assert.equal(phone.state, "bootloader");
});

Deno.test("stage0 refuses a second export that is no modules image, and says so", async () => {
  await using session = await startOrphan();
  const { phone, lab } = session;
  await phone.waitForConsole(/^LAB READY/m, 60_000);
  await using bus = new UsbIpBus(phone.address);
  await using rootfs = await openFile(lab.rootImage);
  const host = new SmooHost([
    { id: 1, name: "rootfs", reader: rootfs, blockSizeBytes: 4096 },
    {
      id: 2,
      name: "modules",
      reader: new MemoryReader(new Uint8Array(1 << 20), "zeros"),
      blockSizeBytes: 4096,
    },
  ]);
  const stop = new AbortController();
  const serving = host.serve(await openGadget(bus), { signal: stop.signal });
  try {
    assert.equal(await phone.waitForEnd(STAGE0_TIMEOUT_MS), "reset");
  } finally {
    stop.abort();
    await serving;
  }
  assert.match(phone.console.text, /stage0: FATAL phase=\S+ object=\/dev\/ublkb1 /);
});
