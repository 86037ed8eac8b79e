/**
 * The data plane of one session: takes Requests off interrupt IN, has them read, and answers.
 *
 * - Requests are worked on together and answered as they finish; only the writer knows an order.
 * - Bounded: when 256 Requests or 64 MiB of payload are held, no further one is taken off the wire.
 * - A Request whose key (export, id) is still being worked on is a replay: the phone has forgotten the
 *   older copy, so exactly one answer goes out, to the newest. The same range is not read twice.
 * - One failure domain: the first fault of any pipe is thrown by `run`, and the session ends with it.
 *   A source that fails is no fault, the phone gets its errno.
 */
import { errnoOf } from "../errors/errno.ts";
import { FastboopError } from "../errors/errors.ts";
import type { UsbLink } from "../usb/link.ts";
import type { BufferPool } from "./buffer_pool.ts";
import type { Disk, ExportTable, Verdict } from "./export_table.ts";
import type { SmooPipes } from "./interface.ts";
import { type Answer, type Outcome, ResponseWriter } from "./response_writer.ts";
import { decodeRequest, type Request } from "./wire.ts";

export const MAX_IN_FLIGHT = 256;
/** Transfers kept waiting on interrupt IN, so that the next Request finds one armed. */
const ARMED_READS = 8;

type ReadVerdict = Extract<Verdict, { kind: "read" }>;

/** A Request being worked on. */
interface Job extends Answer {
  readonly disk: Disk | undefined;
  readonly key: number;
  read:
    | { verdict: ReadVerdict; buffer: Uint8Array<ArrayBuffer>; stop: AbortController }
    | undefined;
}

export interface PumpParts {
  link: UsbLink;
  pipes: SmooPipes;
  table: ExportTable;
  pool: BufferPool;
  /** Ends the pump; the caller aborts it for a fault too. */
  signal: AbortSignal;
  /** A Request named no export. */
  onStranger(): void;
  onReadError(disk: Disk, offsetBytes: number, error: FastboopError): void;
}

export class Pump {
  readonly #parts: PumpParts;
  readonly #writer: ResponseWriter<Job>;
  /** Jobs whose answer has not been handed to the link, by key. */
  readonly #live = new Map<number, Job>();
  #inFlight = 0;
  #reading = 0;
  #draining = 0;
  #drained: Promise<void> = Promise.resolve();
  #deliveries = 0;
  #wakeIntake: (() => void) | undefined;
  #whenReadsSettled: (() => void) | undefined;
  readonly #fault = Promise.withResolvers<never>();

  constructor(parts: PumpParts) {
    this.#parts = parts;
    this.#writer = new ResponseWriter<Job>(parts.link, parts.pipes, {
      submitted: (job) => this.#forget(job),
      finished: (job, outcome) => this.#finish(job, outcome),
      failed: (error) => this.#fault.reject(error),
    });
    this.#fault.promise.catch(() => {});
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Data transfers that wait for the phone; with `deliveries` it shows a pipe that stands still. */
  get waitingForPhone(): number {
    return this.#writer.underway + this.#draining;
  }

  /** Data transfers the phone has completed so far. */
  get deliveries(): number {
    return this.#deliveries;
  }

  /** Lets answers out: the phone is known to listen. Requests are taken and read before that. */
  open(): void {
    this.#writer.open();
  }

  /** Submits nothing more; settles when nothing is half written. */
  close(): Promise<void> {
    return this.#writer.close();
  }

  /** Serves until `signal`; rejects with the first fault. */
  async run(): Promise<void> {
    const aborted = Promise.withResolvers<void>();
    const { signal } = this.#parts;
    const onAbort = () => {
      this.#stopReads();
      aborted.resolve();
    };
    if (signal.aborted) return;
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#takeRequests(), this.#fault.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Settles when no reader works for this session any more. Call it after the end. */
  settled(): Promise<void> {
    this.#writer.withdrawAll();
    if (this.#reading === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenReadsSettled = resolve);
  }

  async #takeRequests(): Promise<void> {
    const { link, pipes, table, signal } = this.#parts;
    const armed: Promise<Uint8Array>[] = [];
    const arm = () => {
      const transfer = link.transferIn(pipes.requestIn, pipes.requestInBytes, { signal });
      transfer.catch(() => {});
      armed.push(transfer);
    };
    for (let i = 0; i < ARMED_READS; i++) arm();
    while (!signal.aborted) {
      const request = decodeRequest(await armed.shift()!);
      const verdict = table.judge(request);
      while (!this.#hasRoomFor(verdict)) {
        await new Promise<void>((resolve) => this.#wakeIntake = resolve);
      }
      if (signal.aborted) return;
      arm();
      this.#accept(request, verdict);
    }
  }

  #hasRoomFor(verdict: Verdict): boolean {
    if (this.#inFlight >= MAX_IN_FLIGHT) return false;
    return verdict.kind !== "read" || this.#parts.pool.fits(verdict.sizeBytes);
  }

  #accept(request: Request, verdict: Verdict): void {
    const { disk } = verdict;
    if (disk === undefined) this.#parts.onStranger();
    const key = (disk?.index ?? -1) * 0x1_0000_0000 + request.requestId;
    if (disk !== undefined && this.#takeOver(key, request)) return;
    const job: Job = {
      request,
      disk,
      key,
      status: verdict.kind === "read" ? 0 : verdict.status,
      payload: undefined,
      withdrawn: false,
      read: undefined,
    };
    this.#inFlight++;
    if (disk !== undefined) this.#live.set(key, job);
    if (verdict.kind === "read") this.#read(job, verdict);
    else if (verdict.kind === "drain") this.#drain(job, verdict.sizeBytes);
    else this.#writer.push(job);
  }

  /** A repeated key: withdraws the older copy, or lets it answer the newer when both ask the same. */
  #takeOver(key: number, request: Request): boolean {
    const older = this.#live.get(key);
    if (older === undefined) return false;
    const isSame = older.read !== undefined && request.op === older.request.op &&
      request.lba === older.request.lba && request.numBlocks === older.request.numBlocks;
    if (isSame) {
      older.request = request;
      return true;
    }
    older.withdrawn = true;
    older.read?.stop.abort();
    this.#live.delete(key);
    return false;
  }

  #read(job: Job, verdict: ReadVerdict): void {
    const buffer = this.#parts.pool.take(verdict.sizeBytes);
    const stop = new AbortController();
    job.read = { verdict, buffer, stop };
    const payload = buffer.subarray(0, verdict.sizeBytes);
    this.#reading++;
    fill(verdict, payload, stop.signal).then(
      () => job.payload = payload,
      (error) => this.#readFailed(job, verdict, error),
    ).then(() => this.#readSettled(job)).catch(this.#fault.reject);
  }

  #readFailed(job: Job, verdict: ReadVerdict, error: unknown): void {
    const known = error instanceof FastboopError ? error : new FastboopError({
      kind: "source",
      action: `Read "${verdict.disk.name}" at byte ${verdict.offsetBytes}`,
      state: error instanceof Error ? error.message : String(error),
      cause: error,
    });
    job.status = errnoOf(known.kind);
    if (job.withdrawn || this.#parts.signal.aborted) return;
    this.#parts.onReadError(verdict.disk, verdict.offsetBytes, known);
  }

  #readSettled(job: Job): void {
    this.#reading--;
    if (this.#reading === 0) this.#whenReadsSettled?.();
    if (job.withdrawn || this.#parts.signal.aborted) this.#finish(job, "withdrawn");
    else this.#writer.push(job);
  }

  /** Payloads of Writes come in the order of their Requests, so they are taken one after another. */
  #drain(job: Job, sizeBytes: number): void {
    const { link, pipes, signal } = this.#parts;
    this.#draining++;
    this.#drained = this.#drained.then(async () => {
      const payload = await link.transferIn(pipes.payloadIn, sizeBytes, { signal });
      this.#draining--;
      this.#deliveries++;
      if (payload.length !== sizeBytes) {
        throw new FastboopError({
          kind: "corrupt",
          action: "Take the payload of a Write",
          state: `${payload.length} bytes came, must be ${sizeBytes}`,
        });
      }
      this.#writer.push(job);
    });
    this.#drained.catch(this.#fault.reject);
  }

  #forget(job: Job): void {
    if (this.#live.get(job.key) === job) this.#live.delete(job.key);
  }

  #finish(job: Job, outcome: Outcome): void {
    this.#forget(job);
    if (job.read !== undefined) {
      // A transfer or a read that was broken off may still touch its buffer from below.
      const isFree = outcome !== "failed" && job.payload !== undefined;
      if (isFree) this.#parts.pool.release(job.read.buffer);
      else this.#parts.pool.discard(job.read.buffer);
    }
    this.#inFlight--;
    if (outcome === "delivered") {
      this.#deliveries++;
      const counters = job.disk?.counters;
      if (counters !== undefined) count(counters, job);
    }
    const wake = this.#wakeIntake;
    this.#wakeIntake = undefined;
    wake?.();
  }

  #stopReads(): void {
    for (const job of this.#live.values()) job.read?.stop.abort();
    this.#wakeIntake?.();
  }
}

function count(counters: Disk["counters"], job: Job): void {
  counters.requests++;
  counters.servedBytes += job.payload?.length ?? 0;
  if (job.status !== 0) counters.errors++;
}

/** Reads a range of the disk; what lies behind the reader's end is zeros. */
async function fill(
  verdict: ReadVerdict,
  into: Uint8Array<ArrayBuffer>,
  signal: AbortSignal,
): Promise<void> {
  const { reader } = verdict.disk;
  const realBytes = Math.min(into.length, reader.sizeBytes - verdict.offsetBytes);
  if (realBytes < into.length) into.fill(0, realBytes);
  await reader.readAt(verdict.offsetBytes, into.subarray(0, realBytes), { signal });
}
