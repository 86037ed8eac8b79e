/** What a program or the phone's console prints, and waiting for it. */

interface Waiter {
  pattern: RegExp;
  fromOffset: number;
  resolve: (match: RegExpExecArray) => void;
  reject: (reason: Error) => void;
}

export class Transcript {
  #text = "";
  #decoder = new TextDecoder();
  #waiters: Waiter[] = [];
  #ended: string | undefined;

  /** All that was printed, with plain newlines. */
  get text(): string {
    return this.#text;
  }

  /** Offset from which waitFor() sees only what comes from now on. */
  get offset(): number {
    return this.#text.length;
  }

  append(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true }).replaceAll("\r", "");
    this.#waiters = this.#waiters.filter((waiter) => !this.#check(waiter));
  }

  /** The writer has ended: nothing more will come. */
  end(reason: string): void {
    this.#ended = reason;
    this.#waiters = this.#waiters.filter((waiter) => !this.#check(waiter));
    for (const waiter of this.#waiters) waiter.reject(this.#failure(waiter.pattern, reason));
    this.#waiters = [];
  }

  /** Somebody writes again. */
  begin(): void {
    this.#ended = undefined;
  }

  /**
   * Waits until `pattern` matches the whole lines that were printed after `fromOffset`.
   *
   * @throws {Error} with the last lines, at the deadline or when the writer ends before.
   */
  async waitFor(pattern: RegExp, timeoutMs: number, fromOffset = 0): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const waiter = { pattern, fromOffset, resolve, reject };
    if (this.#check(waiter)) return await promise;
    if (this.#ended !== undefined) throw this.#failure(pattern, this.#ended);
    this.#waiters.push(waiter);
    const timer = setTimeout(() => {
      reject(this.#failure(pattern, `not within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
    }
  }

  lastLines(count: number): string {
    return this.#text.trimEnd().split("\n").slice(-count).join("\n");
  }

  #check(waiter: Waiter): boolean {
    // A line that is still being printed would match half a name.
    const end = this.#ended === undefined ? this.#text.lastIndexOf("\n") + 1 : this.#text.length;
    const match = waiter.pattern.exec(this.#text.slice(waiter.fromOffset, end));
    if (match) waiter.resolve(match);
    return match !== null;
  }

  #failure(pattern: RegExp, reason: string): Error {
    return new Error(`${pattern} was not printed: ${reason}\n${this.lastLines(40)}`);
  }
}
