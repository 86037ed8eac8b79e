import type { Clock } from "./clock.ts";

/** An abort signal with named timers: it fires when the caller's signal does or a timer runs out. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #stops = new Map<string, () => void>();
  readonly #clock: Clock;
  readonly #parent: AbortSignal | undefined;
  readonly #onParentAbort = () => this.#controller.abort(this.#parent!.reason);

  constructor(clock: Clock, parent?: AbortSignal) {
    this.#clock = clock;
    this.#parent = parent;
    if (parent?.aborted) this.#onParentAbort();
    else parent?.addEventListener("abort", this.#onParentAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts the timer of that name anew; when it runs out the signal aborts with `reason()`. */
  arm(name: string, delayMs: number, reason: () => Error): void {
    this.#stops.get(name)?.();
    this.#stops.set(
      name,
      this.#clock.startTimer(delayMs, () => this.#controller.abort(reason())),
    );
  }

  /** Ends all timers and lets go of the caller's signal. */
  stop(): void {
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
    this.#parent?.removeEventListener("abort", this.#onParentAbort);
  }
}
