/** What the status of a finished URB means (negative errno, linux/Documentation/driver-api/usb/error-codes.rst). */
import { FastboopError } from "../../errors/errors.ts";

export const STATUS_STALL = -32;

const MEANINGS: Record<number, string> = {
  [-2]: "the transfer was taken back",
  [-12]: "the USB/IP server has no memory for the transfer",
  [-18]: "the transfer came too late",
  [-19]: "the device is gone",
  [-22]: "the USB/IP server refuses the transfer's parameters",
  [-62]: "the device does not answer",
  [-71]: "the device went away or broke the USB protocol",
  [-75]: "the device sent more than was asked for (babble)",
  [-84]: "the device answers with damaged packets",
  [-104]: "the transfer was taken back",
  [-108]: "the device was shut down",
  [-110]: "the device does not answer",
  [-121]: "the device sent less than was asked for",
};

/** The error of a URB that ended with `status`: `refused` for a stall, else `lost`. */
export function urbFault(action: string, status: number): FastboopError {
  if (status === STATUS_STALL) {
    return new FastboopError({ kind: "refused", action, state: "the device refused it (stall)" });
  }
  const state = MEANINGS[status] ?? "the USB/IP server reports a failure";
  return new FastboopError({ kind: "lost", action, state: `${state} (status ${status})` });
}
