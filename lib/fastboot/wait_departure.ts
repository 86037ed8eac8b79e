import { FastboopError } from "../errors/errors.ts";
import type { UsbBus, UsbLink } from "../usb/link.ts";
import { pause } from "../usb/pause.ts";

export interface DepartureOptions {
  /** Also watched when given: a device that was listed and is not any more has left. */
  bus?: UsbBus | undefined;
  /** How long the bootloader may stay; default 20 s. */
  timeoutMs?: number | undefined;
  pollMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Waits, after a `boot` that was agreed to, for the bootloader to leave the bus: some say OKAY, reject
 * the image and stay. Not every host notices at once, so both the link and the listing are watched; a
 * listing counts only after it has shown the device once, as a USB/IP server hides imported devices.
 *
 * @returns whether it left within the time; false is the caller's to explain.
 * @throws {FastboopError} `cancelled`.
 */
export async function waitDeparture(
  link: UsbLink,
  options: DepartureOptions = {},
): Promise<boolean> {
  const action = "Wait for the bootloader to leave";
  const settled = new AbortController();
  const stop = () => settled.abort();
  options.signal?.addEventListener("abort", stop);
  const over = { signal: settled.signal };
  try {
    if (options.signal?.aborted) settled.abort();
    const outcomes = [
      link.closed.then(() => true),
      pause(options.timeoutMs ?? 20_000, action, over.signal).then(() => false),
    ];
    if (options.bus !== undefined) {
      outcomes.push(unlisted(options.bus, link.info.path, options.pollMs ?? 250, over));
    }
    for (const outcome of outcomes) outcome.catch(() => {});
    return await Promise.race(outcomes);
  } catch (error) {
    const reason = options.signal?.reason;
    throw reason instanceof FastboopError ? reason : error;
  } finally {
    settled.abort();
    options.signal?.removeEventListener("abort", stop);
  }
}

async function unlisted(
  bus: UsbBus,
  path: string,
  pollMs: number,
  over: { signal: AbortSignal },
): Promise<true> {
  let listed = false;
  for (;;) {
    try {
      const here = (await bus.list(over)).some((device) => device.info.path === path);
      if (listed && !here) return true;
      listed ||= here;
    } catch (error) {
      if (over.signal.aborted) throw error; // a bus that cannot be listed proves nothing
    }
    await pause(pollMs, "Watch the bus", over.signal);
  }
}
