/** Waits for the phone that was booted to come back as a disk client. */
import { FastboopError } from "../errors/errors.ts";
import { isSmooInterface } from "../smoo/interface.ts";
import { findPhone } from "../usb/find.ts";
import type { UsbBus, UsbLink } from "../usb/link.ts";

export interface FindGadgetOptions {
  /** iSerialNumber that stage0 was told to show. */
  serial: string;
  /** Absent: for ever. */
  waitMs: number | undefined;
  signal: AbortSignal;
}

/** @throws {FastboopError} `lost` when it does not come in time, `permission`, `device`, `cancelled`. */
export async function findGadget(bus: UsbBus, options: FindGadgetOptions): Promise<UsbLink> {
  const { serial, waitMs, signal } = options;
  try {
    const { link } = await findPhone(
      bus,
      { what: "the booted phone", match: isSmooInterface, serial },
      { timeoutMs: waitMs, signal },
    );
    return link;
  } catch (error) {
    if (!(error instanceof FastboopError) || error.kind !== "device") throw error;
    throw new FastboopError({
      kind: "lost",
      action: "Wait for the booted phone",
      state: `it did not come back in ${Math.round(waitMs! / 1000)} s (${error.state})`,
      hint: [
        "Watch the phone's console for a line that begins with stage0: FATAL.",
        "No output at all: the device tree, the boot image header or the kernel's console is wrong.",
        "The phone restarts by itself or by a long press of its power key; nothing on it was changed.",
      ].join("\n"),
      cause: error,
    });
  }
}
