/** Sends the boot image and starts it: the last thing the bootloader does. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { FastbootClient } from "../fastboot/client.ts";
import { waitDeparture } from "../fastboot/wait_departure.ts";
import type { UsbBus, UsbLink } from "../usb/link.ts";
import type { Progress } from "./progress.ts";

/** An image in parts, in order. */
export interface BootImageParts {
  readonly parts: readonly Uint8Array[];
  readonly sizeBytes: number;
}

const DEPARTURE_MS = 20_000;

/**
 * Downloads and boots, then waits for the bootloader to leave. The link is closed in any case.
 *
 * @throws {FastboopError} `refused`, `limit` (the image is too big for the bootloader), `device`, `lost`.
 */
export async function handOver(
  link: UsbLink,
  image: BootImageParts,
  options: { bus: UsbBus; progress: Progress; signal: AbortSignal; departureMs?: number },
): Promise<void> {
  const { bus, progress, signal, departureMs = DEPARTURE_MS } = options;
  await using held = link;
  const client = new FastbootClient(held, {
    onInfo: (line) => progress.note(`(bootloader) ${line}`),
    onWarning: (text) => progress.warn(text),
    signal,
  });
  progress.phase(`Sending the boot image (${formatSize(image.sizeBytes)})`);
  await client.download(image.parts, image.sizeBytes, {
    onProgress: (sent, total) => progress.moving(`${formatSize(sent)} of ${formatSize(total)}`),
  });
  progress.phase("Booting; waiting for the phone's disks");
  await client.boot();
  if (await waitDeparture(held, { bus, timeoutMs: departureMs, signal })) return;
  throw new FastboopError({
    kind: "refused",
    action: "Boot the phone",
    state: `the bootloader said OKAY and is still there after ${departureMs / 1000} s`,
    hint:
      "It rejected the image in silence: check the profile's header version, page size and encoding",
  });
}
