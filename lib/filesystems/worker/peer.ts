/**
 * Calls in both directions over one message port.
 *
 * Invariants: every call is answered exactly once or fails with the peer; at most `CALLS_AT_ONCE` of each
 * side run, a further one waits with its caller; bytes are moved, never copied; after `fail()` nothing waits.
 * An aborted call rejects at once, while its slot is held until the other side has let go of it.
 */
import { cancelled, type ErrorKind, FastboopError } from "../../errors/errors.ts";
import { Semaphore } from "../../sources/semaphore.ts";

/** Calls of one side that may be under way. */
export const CALLS_AT_ONCE = 64;
/** Bytes that go along with one message. */
export const MESSAGE_BYTES = 32 << 20;

/** What a call takes or gives: a structured value, and bytes that are moved. */
export interface Parcel<Value = unknown> {
  readonly value: Value;
  readonly bytes?: Uint8Array<ArrayBuffer>;
}

/** The calls of one side by name. */
export type Calls = Record<string, { takes: unknown; gives: unknown }>;

/** Answers the calls of the other side. */
export type Handlers<Served extends Calls> = {
  readonly [Name in keyof Served]: (
    parcel: Parcel<Served[Name]["takes"]>,
    signal: AbortSignal,
  ) => Promise<Parcel<Served[Name]["gives"]>>;
};

export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/** What reading an image may end in. */
const KINDS: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  ...["usage", "not-found", "unsupported", "corrupt", "source"] as const,
  ...["permission", "limit", "cancelled", "internal"] as const,
]);

interface Failure {
  readonly kind: ErrorKind;
  readonly action: string;
  readonly state: string;
  readonly hint?: string | undefined;
}

type Message =
  | { readonly type: "call"; readonly id: number; readonly name: string } & Parcel
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "pong"; readonly id: number }
  | { readonly type: "done"; readonly id: number } & Parcel
  | { readonly type: "failed"; readonly id: number; readonly failure: Failure };

interface Waiting {
  readonly resolve: (parcel: Parcel) => void;
  readonly reject: (error: unknown) => void;
  readonly release: () => void;
  /** Takes an answer that comes after the caller's abort. */
  readonly onLate: (parcel: Parcel) => void;
  isAborted: boolean;
}

export interface CallOptions<Gives> {
  /** Moved to the other side, and empty afterwards. */
  bytes?: Uint8Array<ArrayBuffer> | undefined;
  signal?: AbortSignal | undefined;
  /** Is given an answer that comes after the abort: what it opened must be closed. */
  onLate?: (parcel: Parcel<Gives>) => void;
}

export class Peer<Asked extends Calls, Served extends Calls> {
  readonly #port: Port;
  readonly #handlers: Handlers<Served>;
  readonly #onViolation: (state: string) => void;
  readonly #slots = new Semaphore(CALLS_AT_ONCE);
  readonly #waiting = new Map<number, Waiting>();
  readonly #serving = new Map<number, AbortController>();
  #lastId = 0;
  #ended: FastboopError | undefined;
  readonly #endedSignal = new AbortController();

  /** `onViolation` is told when the other side breaks the rules; it should end with `fail()`. */
  constructor(port: Port, handlers: Handlers<Served>, onViolation: (state: string) => void) {
    this.#port = port;
    this.#handlers = handlers;
    this.#onViolation = onViolation;
  }

  /** Own calls that have no answer yet. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /**
   * Calls `name` of the other side.
   *
   * @throws {FastboopError} what the handler threw, `cancelled` by the signal, or the peer's own end.
   */
  async call<Name extends keyof Asked & string>(
    name: Name,
    value: Asked[Name]["takes"],
    options: CallOptions<Asked[Name]["gives"]> = {},
  ): Promise<Parcel<Asked[Name]["gives"]>> {
    const { bytes, signal } = options;
    const release = await this.#acquire(name, signal);
    if (this.#ended || signal?.aborted) {
      release();
      throw this.#ended ?? cancelled(`Call ${name}`, signal);
    }
    const id = ++this.#lastId;
    const answer = new Promise<Parcel>((resolve, reject) => {
      const onLate = (parcel: Parcel) => options.onLate?.(parcel as Parcel<Asked[Name]["gives"]>);
      this.#waiting.set(id, { resolve, reject, release, onLate, isAborted: false });
    });
    const onAbort = () => {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) return;
      waiting.isAborted = true;
      waiting.reject(cancelled(`Call ${name}`, signal));
      this.#port.postMessage({ type: "abort", id }, []);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      this.#send({ type: "call", id, name, value, ...(bytes === undefined ? {} : { bytes }) });
      return await answer as Parcel<Asked[Name]["gives"]>;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Takes a message of the other side. */
  receive(data: unknown): void {
    if (this.#ended) return;
    const message = data as Message;
    if (typeof message !== "object" || message === null || !Number.isSafeInteger(message.id)) {
      return this.#onViolation("a message has no number");
    }
    if (message.type === "call") return this.#serve(message);
    // Answered at once, whatever else waits: it only asks whether somebody is there.
    if (message.type === "ping") return this.#send({ type: "pong", id: message.id });
    if (message.type === "pong") return;
    if (message.type === "abort") {
      return this.#serving.get(message.id)?.abort(
        new FastboopError({ kind: "cancelled", action: "Read the image", state: "stopped" }),
      );
    }
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return this.#onViolation("an answer belongs to no call");
    this.#waiting.delete(message.id);
    waiting.release();
    if (message.type === "done") {
      if (waiting.isAborted) waiting.onLate(message);
      else waiting.resolve(message);
    } else waiting.reject(toError(message.type === "failed" ? message.failure : undefined));
  }

  /** Ends the peer: all that waits, and every later call, rejects with `error`. */
  fail(error: FastboopError): void {
    if (this.#ended) return;
    this.#ended = error;
    for (const { reject, release } of this.#waiting.values()) {
      reject(error);
      release();
    }
    this.#waiting.clear();
    for (const stop of this.#serving.values()) stop.abort(error);
    this.#serving.clear();
    this.#endedSignal.abort(error);
  }

  async #acquire(name: string, signal: AbortSignal | undefined): Promise<() => void> {
    if (this.#ended) throw this.#ended;
    if (signal === undefined) return await this.#slots.acquire(this.#endedSignal.signal);
    if (signal.aborted) throw cancelled(`Call ${name}`, signal);
    try {
      const either = AbortSignal.any([signal, this.#endedSignal.signal]);
      return await this.#slots.acquire(either);
    } catch {
      throw this.#ended ?? cancelled(`Call ${name}`, signal);
    }
  }

  #serve(message: Extract<Message, { type: "call" }>): void {
    const { id, name, value, bytes } = message;
    if (!Object.hasOwn(this.#handlers, name)) {
      return this.#onViolation("it asked for no known call");
    }
    if (this.#serving.has(id) || this.#serving.size >= CALLS_AT_ONCE) {
      return this.#onViolation(`it asked for more than ${CALLS_AT_ONCE} things at once`);
    }
    if (bytes !== undefined && !(bytes instanceof Uint8Array && bytes.length <= MESSAGE_BYTES)) {
      return this.#onViolation(`it sent more than ${MESSAGE_BYTES} bytes at once`);
    }
    const stop = new AbortController();
    this.#serving.set(id, stop);
    const work = async () => {
      const parcel = { value, ...(bytes === undefined ? {} : { bytes }) };
      try {
        const result = await this.#handlers[name]!(parcel as Parcel<never>, stop.signal);
        return { type: "done" as const, id, ...result };
      } catch (error) {
        return { type: "failed" as const, id, failure: toFailure(error) };
      }
    };
    work().then((answer) => {
      this.#serving.delete(id);
      if (!this.#ended) this.#send(answer);
    });
  }

  #send(message: Message): void {
    const bytes = "bytes" in message ? message.bytes : undefined;
    this.#port.postMessage(message, bytes === undefined ? [] : [bytes.buffer]);
  }
}

function toFailure(error: unknown): Failure {
  if (error instanceof FastboopError) {
    const { kind, action, state, hint } = error;
    return { kind, action, state, hint };
  }
  // What an allocation that does not fit throws.
  const kind = error instanceof RangeError && /alloc|length/i.test(error.message)
    ? "limit"
    : "internal";
  const state = error instanceof Error ? error.message : String(error);
  return { kind, action: "Read the image", state };
}

/** What is no failure of ours becomes one: the other side may send anything. */
function toError(failure: Failure | undefined): FastboopError {
  const { kind, action, state, hint } = failure ?? {} as Partial<Failure>;
  return new FastboopError({
    kind: kind !== undefined && KINDS.has(kind) ? kind : "internal",
    action: typeof action === "string" ? action : "Read the image",
    state: typeof state === "string" ? state : "it failed without a reason",
    ...(typeof hint === "string" ? { hint } : {}),
  });
}
