/**
 * A loopback HTTP/1.1 server on raw sockets that answers ranges of one image and, for scripted
 * requests, does what real servers and networks do wrong. It speaks only as much HTTP as that takes.
 */

/** What goes wrong with one request; absent fields leave the right answer as it is. */
export interface Fault {
  status?: number;
  /** Laid over the right headers; null removes one. */
  headers?: Record<string, string | null>;
  /** Instead of the range's bytes; Content-Length follows it unless given. */
  body?: Uint8Array;
  /** The whole image with status 200. */
  ignoreRange?: boolean;
  /** Close the connection unread: the peer sees a reset. */
  reset?: boolean;
  /** Read the request and never answer. */
  silent?: boolean;
  /** Send this many bytes of the body, then nothing more. */
  stallAfterBytes?: number;
  /** Send this many bytes of the body, then close. */
  truncateAfterBytes?: number;
}

export interface SeenRequest {
  method: string;
  path: string;
  headers: Headers;
}

/** A link's delay and rate. */
export interface Link {
  rttMs: number;
  bytesPerSecond: number;
}

const encoder = new TextEncoder();
/** Record type of a ClientHello: this server speaks no TLS. */
const TLS_HANDSHAKE = 22;

export class FaultyHttp implements AsyncDisposable {
  /** Faults of the next requests, one each. */
  readonly script: Fault[] = [];
  /** Consulted when the script is empty. */
  onRequest: (request: SeenRequest) => Fault | undefined = () => undefined;
  readonly requests: SeenRequest[] = [];
  /** Most requests that were being answered at one time. */
  mostParallel = 0;
  etag: string | null = '"one"';
  lastModified: string | null = "Fri, 20 Nov 2026 10:00:00 GMT";
  contentType = "application/octet-stream";
  link: Link | undefined;
  #listener: Deno.TcpListener;
  #connections = new Set<Deno.TcpConn>();
  #tasks = new Set<Promise<void>>();
  #parallel = 0;
  #linkFreeMs = 0;
  #timers = new Map<ReturnType<typeof setTimeout>, () => void>();

  constructor(public bytes: Uint8Array) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#track(this.#accept());
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  url(path = "/image.ero"): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const [id, resolve] of this.#timers) {
      clearTimeout(id);
      resolve();
    }
    for (const connection of [...this.#connections]) this.#drop(connection);
    await Promise.allSettled(this.#tasks);
  }

  #track(task: Promise<void>): void {
    const quiet = task.catch(() => {}); // a peer that closed early is what half of the tests do
    this.#tasks.add(quiet);
    quiet.finally(() => this.#tasks.delete(quiet));
  }

  #drop(connection: Deno.TcpConn): void {
    if (this.#connections.delete(connection)) connection.close();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      connection.setNoDelay(true);
      this.#track(this.#serve(connection).finally(() => this.#drop(connection)));
    }
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    if (this.link) await this.#pause(this.link.rttMs); // the handshake of a real link
    let text = "";
    const chunk = new Uint8Array(4096);
    for (;;) {
      // One byte first: closing with the rest unread is what resets the connection.
      const count = await connection.read(text === "" ? chunk.subarray(0, 1) : chunk);
      if (count === null) return;
      if (this.script[0]?.reset) return void this.script.shift();
      if (chunk[0] === TLS_HANDSHAKE && text === "") return;
      text += new TextDecoder().decode(chunk.subarray(0, count));
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) continue;
      const request = parseRequest(text.slice(0, end));
      text = text.slice(end + 4);
      this.requests.push(request);
      this.mostParallel = Math.max(this.mostParallel, ++this.#parallel);
      try {
        const fault = this.script.shift() ?? this.onRequest(request) ?? {};
        if (!await this.#answer(connection, request, fault)) return;
      } finally {
        this.#parallel--;
      }
    }
  }

  /** False when the connection is to be closed. */
  async #answer(
    connection: Deno.TcpConn,
    request: SeenRequest,
    fault: Fault,
  ): Promise<boolean> {
    if (fault.reset) return false;
    if (fault.silent) return await this.#untilClosed(connection);
    if (this.link) await this.#pause(this.link.rttMs);
    const { status, headers, body } = this.#rightAnswer(request, fault);
    for (const [name, value] of Object.entries(fault.headers ?? {})) {
      if (value === null) headers.delete(name);
      else headers.set(name, value);
    }
    const head = [`HTTP/1.1 ${fault.status ?? status} Scripted`];
    for (const [name, value] of headers) head.push(`${name}: ${value}`);
    await send(connection, encoder.encode(head.join("\r\n") + "\r\n\r\n"));
    const cut = fault.stallAfterBytes ?? fault.truncateAfterBytes;
    await this.#sendBody(connection, body.subarray(0, cut ?? body.length));
    if (fault.stallAfterBytes !== undefined) return await this.#untilClosed(connection);
    return cut === undefined && headers.has("content-length") &&
      Number(headers.get("content-length")) === body.length;
  }

  #rightAnswer(
    request: SeenRequest,
    fault: Fault,
  ): { status: number; headers: Headers; body: Uint8Array } {
    const headers = new Headers({ "content-type": this.contentType });
    if (this.etag !== null) headers.set("etag", this.etag);
    if (this.lastModified !== null) headers.set("last-modified", this.lastModified);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "");
    const ifRange = request.headers.get("if-range");
    const stale = ifRange !== null && ifRange !== this.etag && ifRange !== this.lastModified;
    let status = 200;
    let body = this.bytes;
    if (range && !stale && !fault.ignoreRange) {
      const start = Number(range[1]);
      const end = Math.min(Number(range[2]) + 1, this.bytes.length);
      status = start < this.bytes.length ? 206 : 416;
      const place = status === 206 ? `${start}-${end - 1}` : "*";
      headers.set("content-range", `bytes ${place}/${this.bytes.length}`);
      body = status === 206 ? this.bytes.subarray(start, end) : new Uint8Array();
    }
    body = fault.body ?? body;
    headers.set("content-length", String(body.length));
    return { status, headers, body };
  }

  /** At the link's rate, all connections together; in one write when there is no link. */
  async #sendBody(connection: Deno.TcpConn, body: Uint8Array): Promise<void> {
    if (!this.link) return await send(connection, body);
    this.#linkFreeMs = Math.max(this.#linkFreeMs, performance.now());
    for (let start = 0; start < body.length; start += 16 << 10) {
      const piece = body.subarray(start, start + (16 << 10));
      // A timer that came late is no loss of the link: only what was sent moves its account.
      this.#linkFreeMs += piece.length / this.link.bytesPerSecond * 1000;
      await this.#pause(this.#linkFreeMs - performance.now());
      await send(connection, piece);
    }
  }

  async #untilClosed(connection: Deno.TcpConn): Promise<false> {
    const scrap = new Uint8Array(1024);
    while (await connection.read(scrap) !== null);
    return false;
  }

  #pause(delayMs: number): Promise<void> {
    // Timers are a millisecond coarse; shorter debts are carried on by the link's own account.
    if (delayMs < 1) return Promise.resolve();
    return new Promise((resolve) => {
      const id = setTimeout(() => {
        this.#timers.delete(id);
        resolve();
      }, delayMs);
      this.#timers.set(id, resolve);
    });
  }
}

function parseRequest(head: string): SeenRequest {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return { method, path, headers };
}

async function send(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}
