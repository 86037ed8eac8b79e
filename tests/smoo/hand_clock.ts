/** A clock whose hands a test turns: timers fire in their order as time is moved over them. */
import type { Clock } from "../../lib/sources/clock.ts";

export class HandClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ atMs: number; fire: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  startTimer(delayMs: number, fire: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, fire };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Moves time forward, letting everything that a timer sets off happen before the next one. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      let next: { atMs: number; fire: () => void } | undefined;
      for (const timer of this.#timers) {
        if (timer.atMs <= endMs && (!next || timer.atMs < next.atMs)) next = timer;
      }
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /** Moves time in one jump, as for a computer that slept: what was due fires late, all at once. */
  async jump(byMs: number): Promise<void> {
    this.#nowMs += byMs;
    await this.advance(0);
  }
}

/** Lets promises settle until `condition` holds; gives up after a second. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 1000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`never came true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Lets every promise that can settle by itself do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
