/**
 * One GET through its redirects, of ranges (http_transport.ts) and of whole files (http_whole.ts).
 *
 * Credentials go to the source's own origin only, and into no text. `send` is `fetch`, given by the edge.
 */
import { type Lookup, nextHop } from "./http_redirect.ts";
import { HttpFault, type HttpLimits } from "./http_retry.ts";
import { untilAborted } from "./until_aborted.ts";

/** What `fetch` does, as far as it is used here. */
export type Send = (
  url: URL,
  init: { headers: Headers; redirect: "manual"; signal: AbortSignal },
) => Promise<Response>;

export interface FollowParts {
  send: Send;
  lookup: Lookup;
  limits: HttpLimits;
}

export class HttpFollow {
  /** Without credentials and fragment. */
  readonly source: URL;
  readonly #authorization: string | undefined;
  readonly #parts: FollowParts;

  constructor(source: URL, parts: FollowParts) {
    this.#authorization = basicAuthorization(source);
    this.source = new URL(source);
    this.source.username = "";
    this.source.password = "";
    this.source.hash = "";
    this.#parts = parts;
  }

  /**
   * The first answer from `start` on that is no redirect, and where it came from.
   *
   * @throws {HttpFault} when the connection fails or a redirect is refused; the signal's reason.
   */
  async get(
    start: URL,
    headers: Headers,
    signal: AbortSignal,
  ): Promise<{ url: URL; response: Response }> {
    const { send, lookup, limits } = this.#parts;
    let url = start;
    for (let hops = 0; hops <= limits.redirects; hops++) {
      const sent = new Headers(headers);
      const own = url.origin === this.source.origin;
      if (this.#authorization && own) sent.set("authorization", this.#authorization);
      const response = await send(url, { headers: sent, redirect: "manual", signal })
        .catch((error) => {
          throw networkFault(error);
        });
      if (![301, 302, 303, 307, 308].includes(response.status)) return { url, response };
      await response.body?.cancel().catch(() => {});
      // Looking names up knows no signal.
      url = await untilAborted(nextHop(url, response.headers.get("location"), lookup), signal);
      url.hash = "";
    }
    throw new HttpFault("foreign", `more than ${limits.redirects} redirects`);
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
