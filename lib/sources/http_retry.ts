/**
 * Which failures of a server are worth another try, and when.
 *
 * Pure. A failure is an HttpFault until the budget is spent; only then it becomes a FastboopError.
 */
import type { ErrorKind } from "../errors/errors.ts";

/** Bounds of the HTTP source. Times are milliseconds. */
export interface HttpLimits {
  /** From sending the request to the headers of the last redirect's answer, connecting included. */
  firstByteMs: number;
  /** Between two pieces of a body. */
  idleMs: number;
  /** One request of at most `requestBytes`, whole. */
  readMs: number;
  requestBytes: number;
  tries: number;
  backoffFirstMs: number;
  backoffMostMs: number;
  /** Fraction by which a back-off is spread, both ways. */
  jitter: number;
  retryAfterMostMs: number;
  parallel: number;
  redirects: number;
}

export const HTTP_LIMITS: Readonly<HttpLimits> = {
  firstByteMs: 30_000,
  idleMs: 20_000,
  readMs: 60_000,
  requestBytes: 1 << 20,
  tries: 6,
  backoffFirstMs: 500,
  backoffMostMs: 15_000,
  jitter: 0.25,
  retryAfterMostMs: 60_000,
  parallel: 8,
  redirects: 10,
};

/**
 * What to do about a failure:
 * - `retry`: it may pass
 * - `foreign`: an answer that no image server gives, such as a page for a range. It ends the opening;
 *   later it is retried, because a network's login page may stand between for a while
 * - `fail`: it will not pass
 * - `changed`: the image is another one, nothing may be read from it any more
 */
export type FaultVerdict = "retry" | "foreign" | "fail" | "changed";

/** One failed try. */
export class HttpFault extends Error {
  override readonly name = "HttpFault";
  readonly kind: ErrorKind;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly verdict: FaultVerdict,
    readonly state: string,
    more: {
      kind?: ErrorKind;
      hint?: string | undefined;
      retryAfterMs?: number | undefined;
    } = {},
  ) {
    super(state);
    this.kind = more.kind ?? "source";
    this.hint = more.hint;
    this.retryAfterMs = more.retryAfterMs;
  }
}

/** The fault of a server that said nothing for so long. */
export function silenceFault(what: string, delayMs: number): HttpFault {
  return new HttpFault("retry", `${what} ${delayMs / 1000} s`);
}

/** Delay before try `failures + 1`; `random` in [0, 1) spreads it. A Retry-After only lengthens it. */
export function retryDelayMs(
  limits: HttpLimits,
  failures: number,
  random: number,
  retryAfterMs = 0,
): number {
  // 2 ** 16 seconds is beyond every bound: the exponent needs no more.
  const doubled = limits.backoffFirstMs * 2 ** Math.min(failures - 1, 16);
  const spread = 1 + limits.jitter * (2 * random - 1);
  const delayMs = Math.min(doubled, limits.backoffMostMs) * spread;
  return Math.max(delayMs, Math.min(retryAfterMs, limits.retryAfterMostMs));
}

/**
 * `Retry-After` in milliseconds: seconds, or a date relative to the answer's own `Date`, so that the
 * clocks of server and host need not agree. Undefined when absent or unreadable.
 */
export function parseRetryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after")?.trim();
  if (!value) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const delay = Date.parse(value) - Date.parse(headers.get("date") ?? "");
  return Number.isFinite(delay) ? Math.max(0, delay) : undefined;
}

/** The fault of a status that is an error (400 and above, but 416), undefined for any other. */
export function statusFault(status: number, headers: Headers): HttpFault | undefined {
  if (status < 400 || status === 416) return undefined;
  const state = `the server answered ${status}`;
  switch (status) {
    case 401:
    case 403:
      return new HttpFault("fail", state, {
        hint: "The server refuses access: check the URL, its credentials or its expiry",
      });
    case 404:
    case 410:
      return new HttpFault("fail", state, {
        kind: "not-found",
        hint: "Check the URL: nothing is there",
      });
    case 408:
    case 421:
    case 425:
    case 429:
      return new HttpFault("retry", state, { retryAfterMs: parseRetryAfter(headers) });
    case 501:
    case 505:
      return new HttpFault("fail", state);
  }
  if (status < 500) return new HttpFault("fail", state);
  return new HttpFault("retry", state, { retryAfterMs: parseRetryAfter(headers) });
}
