import assert from "node:assert/strict";
import { assertHarmless } from "./assert_booted.ts";
import type { BootloaderFaults } from "./bootloader.ts";
import { BootSession } from "./boot_session.ts";

/** Exit codes of lib/errors/exit_codes.ts. */
const DEVICE = 6;
const REFUSED = 8;
const LOST = 9;
/** A silent bootloader is given up after a minute. */
const TIMEOUT_MS = 120_000;

interface Failure {
  name: string;
  faults: BootloaderFaults;
  codes: readonly number[];
  /** What the message must tell the user. */
  says: RegExp;
}

const FAILURES: readonly Failure[] = [
  {
    name: "FAIL to boot is shown in the bootloader's words",
    faults: { replyTo: (command) => command === "boot" ? "FAILlocked: unlock first" : undefined },
    codes: [REFUSED],
    says: /locked: unlock first/,
  },
  {
    name: "garbage in place of a reply is refused",
    faults: {
      replyTo: (c) =>
        c.startsWith("download") ? new Uint8Array([0, 255, 27, 91, 50, 74]) : undefined,
    },
    codes: [REFUSED],
    // The message may not carry the escape sequence to the terminal.
    // deno-lint-ignore no-control-regex
    says: /^[^\u001b]*$/,
  },
  {
    name: "DATA with another size is refused before any data is sent",
    faults: { dataSizeDelta: 512 },
    codes: [REFUSED],
    says: /size|DATA/i,
  },
  {
    name: "a bootloader that falls silent ends in a deadline",
    faults: { replyTo: (command) => command === "boot" ? "silence" : undefined },
    codes: [REFUSED, LOST],
    says: /boot/i,
  },
  {
    name: "a cable that falls out of a download is reported",
    faults: { disconnectAtByte: 1024 * 1024 },
    codes: [DEVICE, REFUSED, LOST],
    says: /download|image|phone/i,
  },
];

for (const { name, faults, codes, says } of FAILURES) {
  Deno.test(`boot against a bad bootloader: ${name}`, async () => {
    const parts = { arch: "x86_64", root: "busybox-merged" } as const;
    await using session = await BootSession.start({ ...parts, phone: { faults } });
    const code = await session.host.waitForEnd(TIMEOUT_MS);
    assert.ok(codes.includes(code), `exit code ${code}\n${session.host.output.text}`);
    assert.match(session.host.output.text, says);
    assertHarmless(session);
    assert.equal(session.phone.state, "bootloader");
    assert.equal(session.phone.console.text, "");
  });
}

Deno.test("boot survives a flood of INFO lines", async () => {
  await using session = await BootSession.start({
    ...{ arch: "x86_64", root: "busybox-merged" },
    phone: { faults: { infoLines: 20 }, words: ["lab.run=poweroff"] },
  });
  await session.waitForUserspace();
  assert.equal(await session.phone.waitForEnd(30_000), "poweroff");
});
