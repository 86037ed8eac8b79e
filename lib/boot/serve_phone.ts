/** Serves the exports to the phone that was booted, and finds it again whenever the link is lost. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import type { SmooEvent, SmooStats } from "../smoo/events.ts";
import type { SmooExport } from "../smoo/export.ts";
import { SmooHost } from "../smoo/host.ts";
import { findGadget } from "./find_gadget.ts";
import type { Progress } from "./progress.ts";
import type { UsbBus } from "../usb/link.ts";

/** From the bootloader's OKAY to a gadget: kernel, modules and the controller's start. */
const FIRST_WAIT_MS = 120_000;

export interface ServePhoneOptions {
  bus: UsbBus;
  /** iSerialNumber the gadget carries: a gadget with another one is another phone. */
  serial: string;
  exports: readonly SmooExport[];
  progress: Progress;
  signal: AbortSignal;
}

/**
 * Runs until the signal stops it: a phone that lost its cable waits for its disks as long as it takes.
 *
 * @throws {FastboopError} `cancelled`; `lost` when the phone never came, or what came is no gadget.
 */
export async function servePhone(options: ServePhoneOptions): Promise<never> {
  const { bus, serial, progress, signal } = options;
  const host = new SmooHost(options.exports, { onEvent: (event) => tell(event, progress) });
  let served = false;
  for (;;) {
    const link = await findGadget(bus, {
      serial,
      signal,
      waitMs: served ? undefined : FIRST_WAIT_MS,
    });
    const end = await host.serve(link, { signal });
    if (end.reason === "cancelled") throw cancelledWhileServing(served, end.error);
    if (end.reason === "refused") throw end.error;
    served ||= end.sessionId !== undefined;
    const what = end.reason === "session-changed" ? "the phone started anew" : end.error.state;
    progress.warn(`${what}; waiting for the phone to come back (Ctrl-C ends)`);
  }
}

function cancelledWhileServing(served: boolean, error: FastboopError): FastboopError {
  if (!served) return error;
  return new FastboopError({
    kind: "cancelled",
    action: "Serve the phone",
    state: "stopped; the phone's disks now wait for a host",
    hint: "Restart the phone, or run the same command's disks again to go on",
    cause: error,
  });
}

function tell(event: SmooEvent, progress: Progress): void {
  switch (event.type) {
    case "connected":
      progress.phase(event.resumed ? "The phone is back; serving" : "Serving; Ctrl-C ends it");
      break;
    case "exports":
      progress.note(`${event.online} of ${event.expected} disks online`);
      break;
    case "progress":
      progress.moving(totals(event.stats));
      break;
    case "read-error": {
      const more = event.untold > 0 ? ` (and ${event.untold} more like it)` : "";
      progress.warn(`${event.exportName} at ${event.offsetBytes}: ${event.error.message}${more}`);
      break;
    }
    case "heartbeat-missed":
      progress.moving(`no answer from the phone (${event.misses})`);
  }
}

function totals(stats: SmooStats): string {
  const parts = stats.exports.map((one) =>
    `${one.name} ${one.requests} requests, ${formatSize(one.servedBytes)}`
  );
  return parts.join("; ");
}
