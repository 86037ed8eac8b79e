/** Control transfers on an imported device's endpoint 0. */
import type { Setup, TransferOptions } from "../link.ts";
import { setupBytes } from "../setup_bytes.ts";
import { awaitUrb } from "./await_urb.ts";
import type { UrbChannel } from "./urb_channel.ts";

/** Reads up to `lengthBytes` (at most 65535, wLength's range). Errors: see `awaitUrb`. */
export async function controlIn(
  channel: UrbChannel,
  setup: Setup,
  lengthBytes: number,
  options?: TransferOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const data = new Uint8Array(lengthBytes);
  const request = {
    action: describe(setup),
    direction: "in" as const,
    endpoint: 0,
    interval: 0,
    data,
    setup: setupBytes(setup, lengthBytes),
  };
  return data.subarray(0, await awaitUrb(channel, request, options));
}

/** Sends `data` (may be empty, at most 65535 bytes). Errors: see `awaitUrb`. */
export async function controlOut(
  channel: UrbChannel,
  setup: Setup,
  data: Uint8Array,
  options?: TransferOptions,
): Promise<void> {
  const request = {
    action: describe(setup),
    direction: "out" as const,
    endpoint: 0,
    interval: 0,
    data,
    setup: setupBytes(setup, data.length),
  };
  await awaitUrb(channel, request, options);
}

function describe(setup: Setup): string {
  const type = setup.requestType.toString(16).padStart(2, "0");
  const request = setup.request.toString(16).padStart(2, "0");
  return `Send USB control request ${type}:${request}`;
}
