/** A clock that stands still until a test moves it: no test waits for real time. */
import type { Clock } from "../../lib/sources/clock.ts";

interface Timer {
  delayMs: number;
  fire: () => void;
}

export class ScriptedClock implements Clock {
  /** Delays of the timers that fired by themselves, in order. */
  readonly slept: number[] = [];
  #nowMs = 0;
  #timers = new Set<Timer>();
  #watchers = new Set<() => void>();
  #firesAlone: (delayMs: number) => boolean;

  /** Timers for which `firesAlone` is true fire at once, and time moves by their delay. */
  constructor(firesAlone: (delayMs: number) => boolean = () => false) {
    this.#firesAlone = firesAlone;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  startTimer(delayMs: number, fire: () => void): () => void {
    const timer = { delayMs, fire };
    this.#timers.add(timer);
    if (this.#firesAlone(delayMs)) {
      queueMicrotask(() => {
        if (!this.#timers.delete(timer)) return;
        this.slept.push(delayMs);
        this.#nowMs += delayMs;
        fire();
      });
    }
    for (const watcher of this.#watchers) watcher();
    return () => void this.#timers.delete(timer);
  }

  /** Waits until a timer of exactly this delay runs, then lets it run out. */
  async expire(delayMs: number): Promise<void> {
    for (;;) {
      const timer = [...this.#timers].find((one) => one.delayMs === delayMs);
      if (timer) {
        this.#timers.delete(timer);
        this.#nowMs += delayMs;
        timer.fire();
        return;
      }
      await new Promise<void>((resolve) => {
        const watcher = () => {
          this.#watchers.delete(watcher);
          resolve();
        };
        this.#watchers.add(watcher);
      });
    }
  }

  /** Timers that run now. */
  get running(): number {
    return this.#timers.size;
  }
}
