/**
 * Blocks on their way: at most one fetch covers a block at a time.
 *
 * Invariants: a fetch that failed or was stopped leaves nothing behind; it is stopped when all who waited for
 * it have been aborted, and not before.
 */
import { cancelled } from "../../errors/errors.ts";
import { untilAborted } from "../until_aborted.ts";

export interface Flight {
  readonly first: number;
  readonly count: number;
  readonly bytes: Promise<Uint8Array>;
  readonly stop: AbortController;
  waiters: number;
}

export class BlockFlights {
  readonly #flights = new Map<number, Flight>();
  /** Also those that were abandoned and have not ended yet. */
  readonly #running = new Set<Promise<unknown>>();

  get(block: number): Flight | undefined {
    return this.#flights.get(block);
  }

  /** Begins a fetch of blocks none of which is on its way. */
  start(
    first: number,
    count: number,
    load: (signal: AbortSignal) => Promise<Uint8Array>,
  ): Flight {
    const stop = new AbortController();
    const bytes = load(stop.signal);
    const flight: Flight = { first, count, bytes, stop, waiters: 0 };
    for (let block = first; block < first + count; block++) this.#flights.set(block, flight);
    const ended = bytes.then(() => {}, () => {}).finally(() => {
      this.#forget(flight);
      this.#running.delete(ended);
    });
    this.#running.add(ended);
    return flight;
  }

  /** Waits for a fetch. @throws {FastboopError} `cancelled` when `signal` comes first. */
  async join(flight: Flight, action: string, signal?: AbortSignal): Promise<Uint8Array> {
    flight.waiters++;
    try {
      return await untilAborted(flight.bytes, signal);
    } catch (error) {
      if (signal?.aborted) throw cancelled(action, signal);
      throw error;
    } finally {
      flight.waiters--;
      if (signal?.aborted && flight.waiters === 0) this.#abandon(flight, signal.reason);
    }
  }

  /** Stops everything and waits until it has ended. */
  async stopAll(reason: unknown): Promise<void> {
    for (const flight of new Set(this.#flights.values())) this.#abandon(flight, reason);
    await Promise.all(this.#running);
  }

  #abandon(flight: Flight, reason: unknown): void {
    this.#forget(flight);
    flight.stop.abort(reason);
  }

  #forget(flight: Flight): void {
    for (let block = flight.first; block < flight.first + flight.count; block++) {
      if (this.#flights.get(block) === flight) this.#flights.delete(block);
    }
  }
}
