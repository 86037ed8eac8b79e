/**
 * Whole small files of one server by plain GET, without knowing their size: redirects, deadlines, retries and
 * bounds as for ranges (http_follow.ts, http_retry.ts).
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { printable } from "../bytes/printable.ts";
import { type Clock, sleep } from "./clock.ts";
import { Deadline } from "./deadline.ts";
import { type FollowParts, HttpFollow } from "./http_follow.ts";
import { HttpFault, retryDelayMs, silenceFault, statusFault } from "./http_retry.ts";
import { Semaphore } from "./semaphore.ts";

export interface HttpWholeParts extends FollowParts {
  clock: Clock;
  /** In [0, 1), for the jitter. */
  random: () => number;
}

export class HttpWhole {
  readonly #follow: HttpFollow;
  readonly #parts: HttpWholeParts;
  readonly #slots: Semaphore;

  /** `base` is a folder: paths are put behind it, its query stays. */
  constructor(base: URL, parts: HttpWholeParts) {
    this.#follow = new HttpFollow(base, parts);
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
    const url = new URL(this.#follow.source);
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
      deadline.arm("read", readMs, () => silenceFault("the read took longer than", readMs));
      deadline.arm("wait", firstByteMs, () => silenceFault("no answer for", firstByteMs));
      // Asked for nothing, fetch would undo a Content-Encoding, and the bytes were not the file's.
      const headers = new Headers({ "accept-encoding": "identity", "user-agent": "fastboop" });
      const { response } = await this.#follow.get(url, headers, deadline.signal);
      return await this.#take(response, limitBytes, deadline);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw deadline.signal.aborted ? deadline.signal.reason : error;
    } finally {
      deadline.stop();
      release();
    }
  }

  async #take(response: Response, limitBytes: number, deadline: Deadline): Promise<Uint8Array> {
    const body = response.body?.getReader();
    try {
      checkAnswer(response, limitBytes);
      const parts: Uint8Array[] = [];
      let sizeBytes = 0;
      const { idleMs } = this.#parts.limits;
      while (body !== undefined) {
        deadline.arm("wait", idleMs, () => silenceFault("the server stopped sending for", idleMs));
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
