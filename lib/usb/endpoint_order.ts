/**
 * Keeps transfers of one endpoint in order when some of them take several steps.
 *
 * A link sends single-step transfers at once, in the order of the calls. A transfer of several steps
 * (data above the size of one request) must not be overtaken between its steps, so whatever is asked
 * for on that endpoint meanwhile waits for its end.
 */
export class EndpointOrder {
  readonly #tails = new Map<number, Promise<void>>();

  /** Runs `work` now, or after the transfers it must not overtake. */
  run<T>(endpoint: number, severalSteps: boolean, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(endpoint);
    if (before === undefined && !severalSteps) return work();
    const result = before === undefined ? work() : before.then(work);
    const tail = result.then(noop, noop);
    this.#tails.set(endpoint, tail);
    void tail.then(() => {
      if (this.#tails.get(endpoint) === tail) this.#tails.delete(endpoint);
    });
    return result;
  }
}

function noop(): void {}
