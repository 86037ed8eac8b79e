/**
 * STATUS again and again: the phone takes three seconds of silence for a dead host, and we take five
 * seconds without an answer for a dead phone.
 *
 * Misses are counted, not seconds: a computer that slept, or an event loop that stood still, has not
 * asked in that time and must not conclude anything from it.
 */
import { FastboopError } from "../errors/errors.ts";
import { type Clock, sleep } from "../sources/clock.ts";
import type { UsbLink } from "../usb/link.ts";
import { decodeStatus, type Status, STATUS_BYTES, STATUS_REQUEST } from "./wire.ts";
import { within } from "./within.ts";

/** From one question to the next. */
export const PERIOD_MS = 450;
export const MISS_LIMIT = 11;
const TIMEOUT_MS = 400;

export interface HeartbeatParts {
  link: UsbLink;
  clock: Clock;
  signal: AbortSignal;
  /** Called with every answer; tells how long to wait before the next question. */
  onStatus(status: Status): number;
  onMiss(misses: number): void;
}

/**
 * Runs until `signal`, then returns.
 *
 * @throws {FastboopError} `lost` after eleven questions in a row without an answer.
 */
export async function keepHeartbeat(parts: HeartbeatParts): Promise<void> {
  const { link, clock, signal } = parts;
  let question: Promise<Status | FastboopError> | undefined;
  let misses = 0;
  while (!signal.aborted) {
    const startedMs = clock.nowMs();
    question ??= ask(link, signal);
    const answer = await within(clock, PERIOD_MS, question);
    // Without an answer and without a failure either, the question still stands: the link did not
    // keep its deadline, and a second one would only wait behind the first.
    if (answer !== undefined) question = undefined;
    if (signal.aborted) return;
    let waitMs = PERIOD_MS;
    if (answer === undefined || answer instanceof FastboopError) {
      misses++;
      parts.onMiss(misses);
      if (misses >= MISS_LIMIT) throw silent(misses, answer);
    } else {
      misses = 0;
      waitMs = parts.onStatus(answer);
    }
    const restMs = Math.max(0, waitMs - (clock.nowMs() - startedMs));
    await sleep(clock, restMs, signal).catch(() => {}); // an abort only wakes it up
  }
}

async function ask(link: UsbLink, signal: AbortSignal): Promise<Status | FastboopError> {
  try {
    const setup = { ...STATUS_REQUEST, value: 0, index: link.claimed.number };
    const options = { timeoutMs: TIMEOUT_MS, signal };
    return decodeStatus(await link.controlIn(setup, STATUS_BYTES, options));
  } catch (error) {
    if (error instanceof FastboopError) return error;
    return silent(1, error);
  }
}

function silent(misses: number, cause: unknown): FastboopError {
  return new FastboopError({
    kind: "lost",
    action: "Hear from the phone",
    state: `${misses} heartbeats in a row had no answer`,
    hint: "Check the cable, and the phone's console for a crash",
    cause,
  });
}
