import { cancelled, FastboopError } from "../../errors/errors.ts";
import type { TransferOptions } from "../link.ts";
import type { UrbChannel, UrbRequest } from "./urb_channel.ts";

/**
 * Makes one transfer within the caller's limits and says how many bytes moved.
 *
 * @throws {FastboopError} `cancelled` (signal), `lost` (deadline, device gone), `refused` (stall). A
 * data transfer that was stopped closes the channel: bytes already moved into it are lost, so nothing
 * after it can be trusted. A control transfer does not.
 */
export async function awaitUrb(
  channel: UrbChannel,
  request: UrbRequest,
  options: TransferOptions | undefined,
): Promise<number> {
  const signal = options?.signal;
  const timeoutMs = options?.timeoutMs;
  const endLink = () => {
    if (request.setup === undefined) void channel.close("an earlier transfer was stopped");
  };
  if (signal?.aborted) {
    endLink();
    throw cancelled(request.action, signal);
  }
  const urb = channel.submit(request);
  if (signal === undefined && timeoutMs === undefined) return await urb.done;
  const stop = (error: FastboopError) => {
    urb.abandon(error);
    endLink();
  };
  const onAbort = () => stop(cancelled(request.action, signal));
  const onExpiry = () =>
    stop(
      new FastboopError({
        kind: "lost",
        action: request.action,
        state: `no answer within ${Math.ceil(timeoutMs ?? 0)} ms`,
      }),
    );
  const timer = timeoutMs === undefined ? undefined : setTimeout(onExpiry, timeoutMs);
  signal?.addEventListener("abort", onAbort);
  try {
    return await urb.done;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
