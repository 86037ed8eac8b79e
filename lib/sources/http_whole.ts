/**
 * Whole small files of one server by plain GET, without knowing their size: redirects, deadlines, retries and
 * bounds as for ranges (http_transport.ts, http_retry.ts).
 *
 * Credentials of the base URL go to its own origin only. `send` is `fetch`, given by the edge.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { printable } from "../bytes/printable.ts";
import { type Clock, sleep } from "./clock.ts";
import { Deadline } from "./deadline.ts";
import { type Lookup, nextHop } from "./http_redirect.ts";
import { HttpFault, type HttpLimits, retryDelayMs, statusFault } from "./http_retry.ts";
import type { Send } from "./http_transport.ts";
import { Semaphore } from "./semaphore.ts";

export interface HttpWholeParts {
  send: Send;
  lookup: Lookup;
  clock: Clock;
  limits: HttpLimits;
  /** In [0, 1), for the jitter. */
  random: () => number;
}

export class HttpWhole {
  readonly #base: URL;
  readonly #authorization: string | undefined;
  readonly #parts: HttpWholeParts;
  readonly #slots: Semaphore;

  /** `base` is a folder: paths are put behind it, its query stays. */
  constructor(base: URL, parts: HttpWholeParts) {
    this.#base = new URL(base);
    if (base.username || base.password) {
      const text = [base.username, base.password].map(decodePercent).join(":");
      const bytes = new TextEncoder().encode(text);
      this.#authorization = "Basic " + btoa(String.fromCharCode(...bytes));
    }
    this.#base.username = "";
    this.#base.password = "";
    this.#base.hash = "";
    this.#parts = parts;
    this.#slots = new Semaphore(parts.limits.parallel);
  }

  /**
   * The file at `path`, undefined for 404 and 410.
   *
   * @throws {FastboopError} `limit` when it is larger than `limitBytes`, `source`, `permission`, `cancelled`.
   */
  async get(
    path: string,
    limitBytes: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const url = new URL(this.#base);
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${path}`;
    const action = `Fetch ${printable(url.origin + url.pathname)}`;
    const { limits, clock, random } = this.#parts;
    for (let failures = 1;; failures++) {
      try {
        return await this.#once(url, limitBytes, signal);
      } catch (error) {
        if (signal?.aborted) throw cancelled(action, signal);
        if (!(error instanceof HttpFault)) throw error;
        if (error.kind === "not-found") return undefined;
        const { verdict, kind, hint } = error;
        if (verdict !== "retry" || failures >= limits.tries) {
          const state = failures > 1 ? `${error.state}, ${failures} tries` : error.state;
          throw new FastboopError({ kind, action, state, ...(hint === undefined ? {} : { hint }) });
        }
        const delayMs = retryDelayMs(limits, failures, random(), error.retryAfterMs);
        await sleep(clock, delayMs, signal).catch(() => {
          throw cancelled(action, signal);
        });
      }
    }
  }

  async #once(url: URL, limitBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
    const { clock, limits } = this.#parts;
    const release = await this.#slots.acquire(signal);
    const deadline = new Deadline(clock, signal);
    try {
      const { readMs, firstByteMs } = limits;
      deadline.arm("read", readMs, () => silence("the read took longer than", readMs));
      deadline.arm("wait", firstByteMs, () => silence("no answer for", firstByteMs));
      const response = await this.#follow(url, deadline.signal);
      return await this.#take(response, limitBytes, deadline);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw deadline.signal.aborted ? deadline.signal.reason : error;
    } finally {
      deadline.stop();
      release();
    }
  }

  async #follow(start: URL, signal: AbortSignal): Promise<Response> {
    let url = start;
    for (let hops = 0; hops <= this.#parts.limits.redirects; hops++) {
      // Asked for nothing, fetch would undo a Content-Encoding, and the bytes were not the file's.
      const headers = new Headers({ "accept-encoding": "identity", "user-agent": "fastboop" });
      const own = url.origin === this.#base.origin;
      if (this.#authorization !== undefined && own) {
        headers.set("authorization", this.#authorization);
      }
      const response = await this.#parts.send(url, { headers, redirect: "manual", signal })
        .catch((error) => {
          throw connectionFault(error);
        });
      if (![301, 302, 303, 307, 308].includes(response.status)) return response;
      await response.body?.cancel().catch(() => {});
      url = await nextHop(url, response.headers.get("location"), this.#parts.lookup);
      url.hash = "";
    }
    throw new HttpFault("foreign", `more than ${this.#parts.limits.redirects} redirects`);
  }

  async #take(response: Response, limitBytes: number, deadline: Deadline): Promise<Uint8Array> {
    const body = response.body?.getReader();
    try {
      checkAnswer(response, limitBytes);
      const parts: Uint8Array[] = [];
      let sizeBytes = 0;
      const { idleMs } = this.#parts.limits;
      while (body !== undefined) {
        deadline.arm("wait", idleMs, () => silence("the server stopped sending for", idleMs));
        const { done, value } = await body.read().catch((error) => {
          throw deadline.signal.aborted ? error : new HttpFault("retry", "the body was cut short");
        });
        if (done) break;
        sizeBytes += value.length;
        if (sizeBytes > limitBytes) throw tooLarge(limitBytes);
        parts.push(value);
      }
      const said = response.headers.get("content-length");
      if (said !== null && Number(said) !== sizeBytes) {
        throw new HttpFault("retry", `the body has ${sizeBytes} bytes instead of ${said}`);
      }
      return joined(parts, sizeBytes);
    } catch (error) {
      await body?.cancel().catch(() => {});
      throw error;
    }
  }
}

function checkAnswer({ status, headers }: Response, limitBytes: number): void {
  const fault = statusFault(status, headers);
  if (fault !== undefined) throw fault;
  if (status !== 200) throw new HttpFault("foreign", `the server answered ${status}`);
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    throw new HttpFault("foreign", "the server encodes what was asked for as it is");
  }
  if (Number(headers.get("content-length") ?? 0) > limitBytes) throw tooLarge(limitBytes);
}

function joined(parts: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function tooLarge(limitBytes: number): HttpFault {
  return new HttpFault("fail", `it is larger than ${limitBytes} bytes`, { kind: "limit" });
}

function silence(what: string, delayMs: number): HttpFault {
  return new HttpFault("retry", `${what} ${delayMs / 1000} s`);
}

/** The texts of fetch name the whole URL, which may hold secrets: none is passed on. */
function connectionFault(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name !== "NotCapable") return new HttpFault("retry", "the connection failed");
  return new HttpFault("fail", "Deno was started without the right to reach this host", {
    kind: "permission",
    hint: "Add --allow-net for this host",
  });
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % meant as itself
  }
}
