/**
 * One range request: redirects, deadlines, the body into the caller's array.
 *
 * The place a redirect ended at is kept for the next request (a mirror, a signed URL); when that place
 * fails, the next try begins at the source's own URL again. Every body is read to its end or cancelled.
 * Credentials go to the source's own origin only. Deno's fetch sets no deadline of its own, decodes no
 * body when a Range is asked, and does not show when it has connected: connecting therefore counts
 * towards the first byte.
 */
import type { Clock } from "./clock.ts";
import { Deadline } from "./deadline.ts";
import { type Lookup, nextHop } from "./http_redirect.ts";
import { HttpFault, type HttpLimits, statusFault } from "./http_retry.ts";

/** What `fetch` does, as far as it is used here. */
export type Send = (
  url: URL,
  init: { headers: Headers; redirect: "manual"; signal: AbortSignal },
) => Promise<Response>;

export interface TransportParts {
  send: Send;
  lookup: Lookup;
  clock: Clock;
  limits: HttpLimits;
}

export class HttpTransport {
  readonly #source: URL;
  readonly #authorization: string | undefined;
  readonly #parts: TransportParts;
  #target: URL;

  constructor(source: URL, parts: TransportParts) {
    this.#authorization = basicAuthorization(source);
    this.#source = new URL(source);
    this.#source.username = "";
    this.#source.password = "";
    this.#source.hash = "";
    this.#target = this.#source;
    this.#parts = parts;
  }

  /**
   * Fills `into` with the bytes from `offsetBytes`. `accept` sees status (below 400, or 416) and
   * headers before the body is read, and throws to refuse the answer.
   *
   * @throws {HttpFault} what went wrong; the signal's reason when the caller aborted.
   */
  async readRange(
    offsetBytes: number,
    into: Uint8Array,
    ifRange: string | undefined,
    accept: (status: number, headers: Headers) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const { clock, limits } = this.#parts;
    const deadline = new Deadline(clock, signal);
    const keptTarget = this.#target !== this.#source;
    try {
      deadline.arm(
        "read",
        limits.readMs,
        () => silence("the read took longer than", limits.readMs),
      );
      deadline.arm("wait", limits.firstByteMs, () => silence("no answer for", limits.firstByteMs));
      const headers = new Headers({
        "range": `bytes=${offsetBytes}-${offsetBytes + into.length - 1}`,
        "user-agent": "fastboop",
      });
      if (ifRange !== undefined) headers.set("if-range", ifRange);
      const response = await this.#follow(headers, deadline.signal);
      await this.#take(response, into, accept, deadline);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const fault = deadline.signal.aborted ? deadline.signal.reason : error;
      throw keptTarget ? this.#backToSource(fault) : fault;
    } finally {
      deadline.stop();
    }
  }

  /** Follows redirects to the answer that is none. */
  async #follow(headers: Headers, signal: AbortSignal): Promise<Response> {
    let url = this.#target;
    for (let hops = 0; hops <= this.#parts.limits.redirects; hops++) {
      const sent = new Headers(headers);
      const own = url.origin === this.#source.origin;
      if (this.#authorization && own) sent.set("authorization", this.#authorization);
      const response = await this.#parts
        .send(url, { headers: sent, redirect: "manual", signal })
        .catch((error) => {
          throw networkFault(error);
        });
      if (![301, 302, 303, 307, 308].includes(response.status)) {
        this.#target = url;
        return response;
      }
      await drop(response);
      url = await nextHop(url, response.headers.get("location"), this.#parts.lookup);
      url.hash = "";
    }
    throw new HttpFault("foreign", `more than ${this.#parts.limits.redirects} redirects`);
  }

  async #take(
    response: Response,
    into: Uint8Array,
    accept: (status: number, headers: Headers) => void,
    deadline: Deadline,
  ): Promise<void> {
    try {
      const fault = statusFault(response.status, response.headers);
      if (fault) throw fault;
      accept(response.status, response.headers);
    } catch (error) {
      await drop(response);
      throw error;
    }
    const { idleMs } = this.#parts.limits;
    const reader = response.body?.getReader();
    let filled = 0;
    try {
      while (reader) {
        deadline.arm("wait", idleMs, () => silence("the server stopped sending for", idleMs));
        const { done, value } = await reader.read().catch((error) => {
          throw deadline.signal.aborted ? error : new HttpFault("retry", "the body was cut short");
        });
        if (done) break;
        if (value.length > into.length - filled) {
          throw new HttpFault("retry", "the body is longer than asked");
        }
        into.set(value, filled);
        filled += value.length;
      }
      if (filled < into.length) {
        throw new HttpFault("retry", `the body ended after ${filled} of ${into.length} bytes`);
      }
    } catch (error) {
      await reader?.cancel().catch(() => {});
      throw error;
    }
  }

  /** A failure at the place an earlier redirect led to ends nothing: the source is asked again. */
  #backToSource(error: unknown): unknown {
    if (!(error instanceof HttpFault) || error.verdict === "changed") return error;
    this.#target = this.#source;
    if (error.verdict !== "fail") return error;
    return new HttpFault("retry", `${error.state} where it had redirected to`, error);
  }
}

function basicAuthorization(source: URL): string | undefined {
  if (!source.username && !source.password) return undefined;
  const text = `${decodePercent(source.username)}:${decodePercent(source.password)}`;
  return "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % meant as itself
  }
}

async function drop(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}

function silence(what: string, delayMs: number): HttpFault {
  return new HttpFault("retry", `${what} ${delayMs / 1000} s`);
}

/** By keyword: the texts of fetch name the whole URL, which may hold secrets. */
function networkFault(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === "NotCapable") {
    return new HttpFault("fail", "Deno was started without the right to reach this host", {
      kind: "permission",
      hint: "Add --allow-net for this host",
    });
  }
  const text = `${error.message} ${error.cause instanceof Error ? error.cause.message : ""}`;
  const known = NETWORK_STATES.find(([pattern]) => pattern.test(text));
  const hint = known?.[2];
  return new HttpFault("retry", known?.[1] ?? "the connection failed", hint ? { hint } : {});
}

const NETWORK_STATES: [pattern: RegExp, state: string, hint?: string][] = [
  [/dns error|lookup address/i, "the host name does not resolve", "Check the name and the network"],
  [
    /certificate/i,
    "its TLS certificate is not trusted",
    "Check the host name and this machine's date, or add its authority with DENO_CERT",
  ],
  [/refused/i, "the connection was refused", "Check host and port, and that the server runs"],
  [/unreachable/i, "the network is unreachable", "Check the network"],
  [/reset|closed before|incomplete|broken pipe/i, "the server closed the connection"],
];
