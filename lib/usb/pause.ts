import { cancelled } from "../errors/errors.ts";

/** Waits; rejects with `cancelled` (or the signal's own FastboopError) when the signal fires first. */
export function pause(durationMs: number, action: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(action, signal));
    const stop = () => {
      clearTimeout(timer);
      reject(cancelled(action, signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, durationMs);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
