/** A web server on the loopback: files with ranges and ETags, counted, and stalled when a test says so. */

export interface WebRequest {
  method: string;
  path: string;
  /** As sent: `bytes=0-4095`. */
  range: string | undefined;
  status: number;
}

const PIECE_BYTES = 64 * 1024;

export class WebServer implements AsyncDisposable {
  /** Every request, in order of arrival. */
  readonly requests: WebRequest[] = [];
  /** Body bytes sent. */
  sentBytes = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #files: Map<string, string>;
  #gate: PromiseWithResolvers<void> | undefined;

  /** @param files path in the URL (`/rootfs.ero`) to file. */
  constructor(files: Record<string, string>) {
    this.#files = new Map(Object.entries(files));
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
  }

  /** Serves one more file. */
  add(path: string, file: string): void {
    this.#files.set(path, file);
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.#server.addr.port}${path}`;
  }

  /** Answers nothing and sends no further byte until resume(). */
  stall(): void {
    this.#gate ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    await this.#gate?.promise;
    const path = new URL(request.url).pathname;
    const range = request.headers.get("range") ?? undefined;
    const response = await this.#respond(request, path, range);
    this.requests.push({ method: request.method, path, range, status: response.status });
    return response;
  }

  async #respond(request: Request, path: string, range?: string): Promise<Response> {
    const name = this.#files.get(path);
    const facts = name === undefined ? undefined : await Deno.stat(name).catch(() => undefined);
    if (name === undefined || !facts) return new Response("not found\n", { status: 404 });
    const etag = `"${facts.size.toString(16)}-${(facts.mtime?.getTime() ?? 0).toString(16)}"`;
    const headers = new Headers({ etag, "accept-ranges": "bytes" });
    if (request.headers.get("if-match") && request.headers.get("if-match") !== etag) {
      return new Response(null, { status: 412, headers });
    }
    const ifRange = request.headers.get("if-range");
    const match = ifRange === null || ifRange === etag
      ? /^bytes=(\d+)-(\d*)$/.exec(range ?? "")
      : null;
    const start = match ? Number(match[1]) : 0;
    const end = Math.min(facts.size, match?.[2] ? Number(match[2]) + 1 : facts.size);
    if (start >= end) {
      headers.set("content-range", `bytes */${facts.size}`);
      return new Response(null, { status: 416, headers });
    }
    if (match) headers.set("content-range", `bytes ${start}-${end - 1}/${facts.size}`);
    headers.set("content-length", String(end - start));
    const status = match ? 206 : 200;
    if (request.method === "HEAD") return new Response(null, { status, headers });
    return new Response(this.#body(name, start, end), { status, headers });
  }

  #body(name: string, start: number, end: number): ReadableStream<Uint8Array> {
    let offset = start;
    return new ReadableStream({
      pull: async (controller) => {
        await this.#gate?.promise;
        const piece = new Uint8Array(Math.min(PIECE_BYTES, end - offset));
        using file = await Deno.open(name);
        await file.seek(offset, Deno.SeekMode.Start);
        const length = await file.read(piece) ?? 0;
        offset += length;
        this.sentBytes += length;
        controller.enqueue(piece.subarray(0, length));
        if (offset === end || length === 0) controller.close();
      },
    });
  }
}
