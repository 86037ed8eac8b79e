/**
 * One range request: redirects, deadlines, the body into the caller's array.
 *
 * The place that gave right bytes is kept for the next request (a mirror, a signed URL); when that place
 * fails, the next try begins at the source's own URL again. Every body is read to its end or cancelled.
 * Deno's fetch sets no deadline of its own, decodes no body when a Range is asked, and does not show when
 * it has connected: connecting therefore counts towards the first byte.
 */
import type { Clock } from "./clock.ts";
import { Deadline } from "./deadline.ts";
import { type FollowParts, HttpFollow } from "./http_follow.ts";
import { HttpFault, type HttpLimits, silenceFault, statusFault } from "./http_retry.ts";

export class HttpTransport {
  readonly #follow: HttpFollow;
  readonly #clock: Clock;
  readonly #limits: HttpLimits;
  #target: URL;

  constructor(source: URL, parts: FollowParts & { clock: Clock }) {
    this.#follow = new HttpFollow(source, parts);
    this.#clock = parts.clock;
    this.#limits = parts.limits;
    this.#target = this.#follow.source;
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
    const { readMs, firstByteMs } = this.#limits;
    const deadline = new Deadline(this.#clock, signal);
    const isKept = this.#target !== this.#follow.source;
    try {
      deadline.arm("read", readMs, () => silenceFault("the read took longer than", readMs));
      deadline.arm("wait", firstByteMs, () => silenceFault("no answer for", firstByteMs));
      const headers = new Headers({
        "range": `bytes=${offsetBytes}-${offsetBytes + into.length - 1}`,
        "user-agent": "fastboop",
      });
      if (ifRange !== undefined) headers.set("if-range", ifRange);
      const { url, response } = await this.#follow.get(this.#target, headers, deadline.signal);
      await this.#take(response, into, accept, deadline);
      this.#target = url;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      const fault = deadline.signal.aborted ? deadline.signal.reason : error;
      throw isKept ? this.#backToSource(fault) : fault;
    } finally {
      deadline.stop();
    }
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
      await response.body?.cancel().catch(() => {});
      throw error;
    }
    const { idleMs } = this.#limits;
    const reader = response.body?.getReader();
    let filled = 0;
    try {
      while (reader) {
        deadline.arm("wait", idleMs, () => silenceFault("the server stopped sending for", idleMs));
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
    this.#target = this.#follow.source;
    if (error.verdict !== "fail") return error;
    return new HttpFault("retry", `${error.state} where it had redirected to`, error);
  }
}
