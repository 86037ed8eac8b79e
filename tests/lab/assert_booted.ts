import assert from "node:assert/strict";
import type { BootSession, GuestReport } from "./boot_session.ts";

/** What every successful boot must show, in userspace's own words and on the bootloader's wire. */
export async function assertBooted(
  session: BootSession,
  report: GuestReport,
  modulesDirectory: "/usr/lib/modules" | "/lib/modules" = "/usr/lib/modules",
): Promise<void> {
  const { lab, phone } = session;
  assert.equal(report.release, lab.release);
  const names = report.modules.get(`${modulesDirectory}/${lab.release}`);
  assert.ok(names?.includes("modules.dep") && names.includes("kernel"), `modules: ${names}`);
  assert.match(report.module, /^dummy \d+ /);
  const sum = /^LAB sum ([0-9a-f]{64}) /m.exec(phone.console.text)?.[1];
  if (sum !== undefined) assert.equal(sum, await session.rootDigest());
  assertHarmless(session);
  phone.assertConsoleClean();
}

/** Only getvar, download and boot were sent: nothing that could write to the device. */
export function assertHarmless(session: BootSession): void {
  const commands = session.phone.bootloader.wire.filter((entry) => entry.kind === "command");
  assert.ok(commands.length > 0);
  for (const { text } of commands) {
    assert.match(text, /^(getvar:[\x21-\x7e]+|download:[0-9a-f]{8}|boot)$/);
  }
}
