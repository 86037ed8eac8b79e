import type { Clock } from "../sources/clock.ts";

/** Settles with the outcome of `work`, or with undefined when the time is up first. */
export function within<T>(clock: Clock, delayMs: number, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stopTimer = clock.startTimer(delayMs, () => resolve(undefined));
    work.then(
      (value) => {
        stopTimer();
        resolve(value);
      },
      (error) => {
        stopTimer();
        reject(error);
      },
    );
  });
}
