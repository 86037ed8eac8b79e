/** Waits for the phone that was booted to come back as a disk client. */
import { FastboopError } from "../errors/errors.ts";
import { isFastbootInterface } from "../fastboot/interface.ts";
import { isSmooInterface } from "../smoo/interface.ts";
import { findPhone } from "../usb/find.ts";
import type { UsbBus, UsbLink } from "../usb/link.ts";
import type { Identity } from "./assemble.ts";
import type { Progress } from "./progress.ts";

export interface FindGadgetOptions {
  /** What stage0 was told to show of itself. */
  identity: Identity;
  /** Absent: for ever. */
  waitMs: number | undefined;
  progress: Progress;
  signal: AbortSignal;
}

/**
 * Opens no device with other ids than the phone's. The phone in fastboot mode ends the wait: it has
 * restarted, and the system that was booted is gone.
 *
 * @throws {FastboopError} `lost` when it does not come in time or is in its bootloader; `device`
 * when several are alike; `cancelled`.
 */
export async function findGadget(bus: UsbBus, options: FindGadgetOptions): Promise<UsbLink> {
  const { identity, waitMs, progress, signal } = options;
  const gone = new AbortController();
  const startMs = performance.now();
  try {
    const { link } = await findPhone(bus, {
      what: "the booted phone",
      match: (candidate) => isSmooInterface(candidate) || isFastbootInterface(candidate),
      ids: [identity],
      serial: identity.serial,
      accept: (candidate) => {
        if (isSmooInterface(candidate.claimed)) return Promise.resolve(undefined);
        gone.abort(backInBootloader());
        return Promise.reject(gone.signal.reason);
      },
    }, {
      timeoutMs: waitMs,
      // Another phone of this model may be in use for as long as its user likes.
      troubleMs: Infinity,
      signal: AbortSignal.any([signal, gone.signal]),
      onWaiting: (seen, why) => {
        for (const one of seen) progress.note(`${one.path}: ${one.reason}`);
        if (why !== undefined) progress.moving(why);
      },
    });
    return link;
  } catch (error) {
    const isDevice = error instanceof FastboopError && error.kind === "device";
    // Before its time is over the search ends for other reasons: two phones that are alike.
    if (!isDevice || waitMs === undefined || performance.now() - startMs < waitMs) throw error;
    throw neverCame(waitMs, error);
  }
}

function backInBootloader(): FastboopError {
  return new FastboopError({
    kind: "lost",
    action: "Wait for the booted phone",
    state: "it is in fastboot mode again: it has restarted, and what ran on it is gone",
    hint: "Its console tells why it restarted. Nothing on it was changed; boot it again.",
  });
}

function neverCame(waitMs: number, cause: FastboopError): FastboopError {
  return new FastboopError({
    kind: "lost",
    action: "Wait for the booted phone",
    state: `it did not come back in ${Math.round(waitMs / 1000)} s (${cause.state})`,
    hint: [
      "Watch the phone's console for a line that begins with stage0: FATAL.",
      "No output at all: the device tree, the boot image header or the kernel's console is wrong.",
      "The phone restarts by itself or by a long press of its power key; nothing on it was changed.",
    ].join("\n"),
    cause,
  });
}
