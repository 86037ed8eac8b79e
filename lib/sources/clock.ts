/** Time as the sources see it: replaced by a scripted clock in tests, so that no test waits. */
export interface Clock {
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** Calls `fire` once after `delayMs`; the result stops it. */
  startTimer(delayMs: number, fire: () => void): () => void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  startTimer(delayMs, fire) {
    const id = setTimeout(fire, delayMs);
    return () => clearTimeout(id);
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      stop();
      reject(signal!.reason);
    };
    const stop = clock.startTimer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
