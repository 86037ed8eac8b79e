/** Serves the exports to the phone that was booted, and finds it again whenever the link is lost. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import type { SmooEvent, SmooStats } from "../smoo/events.ts";
import type { SmooExport } from "../smoo/export.ts";
import { SmooHost } from "../smoo/host.ts";
import type { Identity } from "./assemble.ts";
import { findGadget } from "./find_gadget.ts";
import type { Progress } from "./progress.ts";
import type { UsbBus } from "../usb/link.ts";

/** From the bootloader's OKAY to a gadget: kernel, modules and the controller's start. */
const FIRST_WAIT_MS = 120_000;

export interface ServePhoneOptions {
  bus: UsbBus;
  /** What the gadget shows of itself: one with another serial number is another phone. */
  identity: Identity;
  exports: readonly SmooExport[];
  progress: Progress;
  signal: AbortSignal;
  /** From now until the gadget must have answered once; default 120 s. */
  firstWaitMs?: number;
}

/**
 * Runs until the signal stops it: a phone that lost its cable waits for its disks as long as it takes.
 *
 * @throws {FastboopError} `cancelled`; `lost` when the phone never came or is in its bootloader again;
 * `refused` when what came is no gadget or its disks stay away.
 */
export async function servePhone(options: ServePhoneOptions): Promise<never> {
  const { bus, identity, progress, signal, firstWaitMs = FIRST_WAIT_MS } = options;
  const host = new SmooHost(options.exports, { onEvent: (event) => tell(event, progress) });
  const endMs = performance.now() + firstWaitMs;
  let served = false;
  let told = "";
  for (;;) {
    const waitMs = served ? undefined : Math.max(endMs - performance.now(), 0);
    const link = await findGadget(bus, { identity, waitMs, progress, signal });
    const end = await host.serve(link, { signal });
    if (end.reason === "cancelled" && end.sessionId !== undefined) {
      progress.note(totals(host.stats()));
      throw stoppedWhileServing(end.error);
    }
    if (end.reason === "cancelled" || end.reason === "refused") throw end.error;
    served ||= end.sessionId !== undefined;
    if (!served && performance.now() >= endMs) throw end.error;
    if (end.sessionId !== undefined) told = "";
    const why = end.reason === "session-changed" ? "it started anew" : end.error.state;
    if (why === told) continue;
    told = why;
    progress.phase("The phone is gone; waiting for it to come back (Ctrl-C ends)");
    progress.note(why);
  }
}

/** What the phone does now is the one thing its user has to know. */
function stoppedWhileServing(cause: FastboopError): FastboopError {
  return new FastboopError({
    kind: "cancelled",
    action: "Serve the phone",
    state: cause.state,
    hint: "The phone still needs a host for its disks: it stands still until it is restarted.",
    cause,
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
