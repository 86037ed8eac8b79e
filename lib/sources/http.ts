/**
 * An http(s) URL as a Reader, by range requests.
 *
 * The image is pinned when it is opened: its size, and its strong ETag or else its date, stand behind
 * every later answer (If-Range, and a look at the headers). An image that became another one is
 * refused for good: old and new bytes never mix. Everything else is retried with growing delays;
 * reads that fail do not close the source, the next read tries again.
 */
import { lookup } from "node:dns/promises";
import { createHash } from "node:crypto";
import { printable } from "../bytes/printable.ts";
import { cancelled, FastboopError } from "../errors/errors.ts";
import { checkBounds } from "./bounds.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";
import { checkAnswer, type HttpPin, ifRangeOf, isStrong, readPin } from "./http_range.ts";
import type { Lookup } from "./http_redirect.ts";
import { HTTP_LIMITS, HttpFault, type HttpLimits, retryDelayMs } from "./http_retry.ts";
import { HttpTransport } from "./http_transport.ts";
import type { Reader, ReadOptions } from "./reader.ts";
import { Semaphore } from "./semaphore.ts";

/** What happens to a source, for progress and logs. No text holds credentials or a query. */
export type HttpEvent =
  /** Once at most: the server gives no strong validator. */
  | { type: "warning"; text: string }
  | { type: "retry"; failures: number; delayMs: number; state: string }
  /** A read was given up; the source stays open. */
  | { type: "degraded"; state: string }
  /** The first good read after `degraded`. */
  | { type: "recovered" };

export interface HttpOptions {
  /** Ends the opening. */
  signal?: AbortSignal;
  onEvent?: (event: HttpEvent) => void;
  /**
   * Keep trying a failed read for this long before it is given up, beyond the usual tries: a phone
   * that waits is better off than one that sees an I/O error. Does not hold for the opening. Default 0.
   */
  patienceMs?: number;
  limits?: Partial<HttpLimits>;
  clock?: Clock;
  /** In [0, 1), for the jitter. */
  random?: () => number;
  lookup?: Lookup;
}

/**
 * Opens a URL.
 *
 * @throws {FastboopError} `not-found` for 404 and 410, `source` when the server is silent, refuses or
 * does no ranges, `unsupported` for another scheme, `cancelled`.
 */
export async function openHttp(url: string, options: HttpOptions = {}): Promise<Reader> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new FastboopError({
      kind: "unsupported",
      action: "Open a URL",
      state: "it is not an http or https URL",
    });
  }
  const source = new HttpSource(new URL(url), options);
  const pin = await source.probe(options.signal);
  return new HttpReader(source, pin);
}

/** Everything about a URL but the Reader's contract: retries, limits, events. */
class HttpSource {
  readonly name: string;
  readonly url: URL;
  readonly limits: HttpLimits;
  readonly #transport: HttpTransport;
  readonly #options: HttpOptions;
  readonly #clock: Clock;
  readonly #slots: Semaphore;
  #degraded = false;
  #dead: FastboopError | undefined;

  constructor(url: URL, options: HttpOptions) {
    this.url = url;
    this.name = displayUrl(url);
    this.limits = { ...HTTP_LIMITS, ...options.limits };
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#slots = new Semaphore(this.limits.parallel);
    this.#transport = new HttpTransport(url, {
      send: fetch,
      lookup: options.lookup ?? lookupAddresses,
      clock: this.#clock,
      limits: this.limits,
    });
  }

  /** Size and validators by a GET of the first byte: HEAD is often refused where GET is not. */
  async probe(signal?: AbortSignal): Promise<HttpPin> {
    let pin: HttpPin | undefined;
    const accept = (status: number, headers: Headers) => {
      pin = readPin(status, headers);
    };
    await this.#persist(`Open ${this.name}`, 0, signal, () => {
      return this.#transport.readRange(0, new Uint8Array(1), undefined, accept, signal);
    });
    if (!isStrong(pin!)) {
      const by = pin!.lastModified ? "date and length" : "length alone";
      this.#emit({
        type: "warning",
        text: `${this.name}: the server gives no strong ETag, a changed image is noticed by ${by}`,
      });
    }
    return pin!;
  }

  async read(
    pin: HttpPin,
    offsetBytes: number,
    into: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const action = `Read ${into.length} bytes at offset ${offsetBytes} of ${this.name}`;
    const accept = (status: number, headers: Headers) =>
      checkAnswer(pin, status, headers, offsetBytes, into.length);
    await this.#persist(action, this.#options.patienceMs ?? 0, signal, () => {
      return this.#transport.readRange(offsetBytes, into, ifRangeOf(pin), accept, signal);
    }, true);
    if (this.#degraded) {
      this.#degraded = false;
      this.#emit({ type: "recovered" });
    }
  }

  /** Tries until it works, the failure is one that stays, or tries and patience are spent. */
  async #persist(
    action: string,
    patienceMs: number,
    signal: AbortSignal | undefined,
    attempt: () => Promise<void>,
    opened = false,
  ): Promise<void> {
    const startMs = this.#clock.nowMs();
    for (let failures = 1;; failures++) {
      if (this.#dead) throw this.#dead;
      try {
        return await this.#inSlot(attempt, signal);
      } catch (error) {
        if (signal?.aborted) throw cancelled(action, signal);
        if (!(error instanceof HttpFault)) throw error;
        const random = (this.#options.random ?? Math.random)();
        const delayMs = retryDelayMs(this.limits, failures, random, error.retryAfterMs);
        const spent = failures >= this.limits.tries &&
          this.#clock.nowMs() + delayMs - startMs > patienceMs;
        const final = error.verdict === "fail" || error.verdict === "changed" ||
          (error.verdict === "foreign" && !opened);
        if (final || spent) throw this.#giveUp(action, error, final ? 1 : failures, opened);
        this.#emit({ type: "retry", failures, delayMs, state: error.state });
        await sleep(this.#clock, delayMs, signal).catch(() => {
          throw cancelled(action, signal);
        });
      }
    }
  }

  async #inSlot(attempt: () => Promise<void>, signal?: AbortSignal): Promise<void> {
    const release = await this.#slots.acquire(signal);
    try {
      await attempt();
    } finally {
      release();
    }
  }

  #giveUp(action: string, fault: HttpFault, tries: number, opened: boolean): FastboopError {
    const state = tries > 1 ? `${fault.state}, ${tries} tries` : fault.state;
    const error = new FastboopError({
      kind: fault.kind,
      action,
      state,
      ...(fault.hint === undefined ? {} : { hint: fault.hint }),
    });
    if (fault.verdict === "changed") this.#dead = error;
    if (opened && !this.#degraded) {
      this.#degraded = true;
      this.#emit({ type: "degraded", state });
    }
    return error;
  }

  #emit(event: HttpEvent): void {
    this.#options.onEvent?.(event);
  }
}

class HttpReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  #source: HttpSource;
  #pin: HttpPin;
  #running = new Map<AbortController, Promise<unknown>>();
  #closed: FastboopError | undefined;

  constructor(source: HttpSource, pin: HttpPin) {
    this.#source = source;
    this.#pin = pin;
    this.sizeBytes = pin.totalBytes;
    this.identity = identityOf(source.url, pin);
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const { sizeBytes } = this;
    checkBounds({ identity: this.#source.name, sizeBytes }, offsetBytes, into.length);
    if (this.#closed) throw this.#closed;
    // Linked by hand: AbortSignal.any would pile dependants on a signal that lives as long as a boot.
    const own = new AbortController();
    const { signal } = options;
    const onAbort = () => own.abort(signal!.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const pieces: Promise<void>[] = [];
    const step = this.#source.limits.requestBytes;
    for (let start = 0; start < into.length; start += step) {
      const piece = into.subarray(start, start + step);
      pieces.push(this.#source.read(this.#pin, offsetBytes + start, piece, own.signal));
    }
    const all = Promise.all(pieces);
    const settled = all.catch(() => own.abort()).then(() => Promise.allSettled(pieces));
    this.#running.set(own, settled);
    // Nothing may write into the caller's array after the read was answered.
    await settled;
    this.#running.delete(own);
    signal?.removeEventListener("abort", onAbort);
    await all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const action = `Read ${this.#source.name}`;
    this.#closed ??= new FastboopError({ kind: "cancelled", action, state: "it is closed" });
    for (const own of this.#running.keys()) own.abort(this.#closed);
    await Promise.allSettled(this.#running.values());
  }
}

/** Without credentials, query and fragment: what may be shown. */
function displayUrl(url: URL): string {
  return printable(url.origin + url.pathname) + (url.search ? "?..." : "");
}

/** A query may choose the content and may hold a secret: only its digest enters the identity. */
function identityOf(url: URL, pin: HttpPin): string {
  const query = url.search
    ? `?sha256=${createHash("sha256").update(url.search).digest("hex").slice(0, 32)}`
    : "";
  const validator = pin.etag !== undefined
    ? `:etag=${printable(pin.etag)}`
    : pin.lastModified !== undefined
    ? `:modified=${printable(pin.lastModified)}`
    : "";
  return `http:${url.origin}${url.pathname}${query}:size=${pin.totalBytes}${validator}`;
}

/** Addresses of a host name, as this machine resolves it; none when it does not. */
export async function lookupAddresses(hostname: string): Promise<string[]> {
  try {
    // Never asked for: the question would hold a phone that is being served, and fetch needs the right itself.
    const { state } = await Deno.permissions.query({ name: "net", host: hostname });
    if (state !== "granted") return [];
    return (await lookup(hostname, { all: true })).map(({ address }) => address);
  } catch {
    return []; // behind a proxy this machine may resolve nothing; the connection itself will tell
  }
}
