/** Work with an end: the caller's signal and a deadline become one signal, and one clear reason. */
import { cancelled, type FastboopError } from "../errors/errors.ts";

/**
 * Runs `work` under a signal that fires when the caller's does or when `timeoutMs` have passed.
 *
 * Once the signal fired, whatever `work` throws becomes the signal's reason: `cancelled`, or what
 * `expired` returns. The reason travels in the signal, so `cancelled(action, signal)` finds it too.
 */
export async function underDeadline<T>(
  limits: {
    action: string;
    timeoutMs: number;
    expired: () => FastboopError;
    signal?: AbortSignal | undefined;
  },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (limits.signal?.aborted) throw cancelled(limits.action, limits.signal);
  const controller = new AbortController();
  const stop = () => controller.abort(cancelled(limits.action, limits.signal));
  const timer = setTimeout(() => controller.abort(limits.expired()), limits.timeoutMs);
  limits.signal?.addEventListener("abort", stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    clearTimeout(timer);
    limits.signal?.removeEventListener("abort", stop);
  }
}
