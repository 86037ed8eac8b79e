/** The promise, or the signal's reason when that comes first. */
export function untilAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    // Also when it comes too late: a rejection that nobody takes ends the program.
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
