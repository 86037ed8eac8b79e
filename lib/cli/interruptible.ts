import { cancelled } from "../errors/errors.ts";
import type { ByteSink } from "../sources/byte_sink.ts";

/** A signal is noticed within this time, as far as writing is concerned. */
const TURN_MS = 50;

/**
 * The same sink, which lets the event loop turn now and then and ends with `cancelled`.
 *
 * Files are read and written synchronously, which is twice as fast; but then a loop over them never
 * leaves the microtask queue, and Ctrl-C, a signal like any other to Deno, would wait for its end.
 */
export function interruptible(sink: ByteSink, action: string, signal: AbortSignal): ByteSink {
  let turnedMs = performance.now();
  const turn = async (work: void | Promise<void>): Promise<void> => {
    await work;
    await new Promise((resolve) => setTimeout(resolve, 0));
    turnedMs = performance.now();
    if (signal.aborted) throw cancelled(action, signal);
  };
  const afterwards = (work: void | Promise<void>) =>
    performance.now() - turnedMs < TURN_MS ? work : turn(work);
  return {
    write: (bytes) => afterwards(sink.write(bytes)),
    ...(sink.skip === undefined
      ? {}
      : { skip: (countBytes: number) => afterwards(sink.skip!(countBytes)) }),
  };
}
