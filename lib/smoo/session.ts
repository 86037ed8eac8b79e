/**
 * One session with one gadget over one link: IDENT, CONFIG_EXPORTS, then heartbeat and data plane
 * side by side until the first of them fails. Everything that goes wrong ends here, once.
 *
 * The data plane takes Requests right after CONFIG_EXPORTS, because a gadget counts a disk as online
 * only after the kernel has read its partition table through us. Answers wait until shortly after the
 * first STATUS: only then does a gadget repeat the Requests of the session before, and a copy of one
 * that was left in its controller must not be answered beside the repeated one.
 *
 * Source: smoo, docs/PROTOCOL.md ("Session").
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { type Clock, sleep } from "../sources/clock.ts";
import type { UsbLink } from "../usb/link.ts";
import type { BufferPool } from "./buffer_pool.ts";
import type { SessionEnd, SmooEvent } from "./events.ts";
import type { Disk, ExportTable } from "./export_table.ts";
import { keepHeartbeat, PERIOD_MS } from "./heartbeat.ts";
import { findSmooPipes, type SmooPipes } from "./interface.ts";
import { Pump } from "./pump.ts";
import {
  CONFIG_EXPORTS_REQUEST,
  decodeIdent,
  encodeConfigExports,
  IDENT_BYTES,
  IDENT_REQUEST,
  type Status,
  STATUS_REFUSED,
} from "./wire.ts";
import { within } from "./within.ts";

/** A gadget that has just been plugged in may still be starting when it is asked first. */
const SETUP_TIMEOUT_MS = 5000;
/** From the first STATUS to the first answer; gadgets repeat their Requests within 10 ms. */
const GRACE_MS = 50;
/** How often to ask while the disks come up. */
const ONLINE_PERIOD_MS = 100;
/** How long a phone that answers heartbeats may leave data on a pipe. */
const STUCK_MS = 60_000;
/** How long an end may wait for transfers under way, for readers, and for the link to close. */
const END_MS = 500;

export interface SessionParts {
  link: UsbLink;
  table: ExportTable;
  pool: BufferPool;
  clock: Clock;
  /** The caller's; its abort is the `cancelled` end. */
  signal: AbortSignal;
  onlineTimeoutMs: number;
  /** Session id of the session before. */
  previousId: bigint | undefined;
  emit(event: SmooEvent): void;
  onStranger(): void;
  onReadError(disk: Disk, offsetBytes: number, error: FastboopError): void;
  /** A heartbeat was answered. */
  onBeat(): void;
}

export class SmooSession {
  readonly #parts: SessionParts;
  readonly #over = new AbortController();
  readonly #ended = Promise.withResolvers<SessionEnd>();
  #pump: Pump | undefined;
  #sessionId: bigint | undefined;
  #online = -1;
  #isUp = false;
  #comingUpMs = 0;
  #lastBeatMs = 0;
  #stuckMs = 0;
  #lastDeliveries = 0;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get sessionId(): bigint | undefined {
    return this.#sessionId;
  }

  get inFlight(): number {
    return this.#pump?.inFlight ?? 0;
  }

  /** Runs to the end and closes the link; never rejects. */
  async run(): Promise<SessionEnd> {
    const { signal, link } = this.#parts;
    const stop = () => void this.#cancel();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    link.closed.then(() => this.#end("lost", gone()));
    this.#serve().catch((error) => this.#fail(error, "control"));
    const end = await this.#ended.promise;
    signal.removeEventListener("abort", stop);
    await this.#cleanUp();
    return end;
  }

  async #serve(): Promise<void> {
    const { link, clock, table, pool } = this.#parts;
    const signal = this.#over.signal;
    const pipes = await this.#introduce();
    if (signal.aborted) return;
    const { onStranger, onReadError } = this.#parts;
    const pump = new Pump({ link, pipes, table, pool, signal, onStranger, onReadError });
    this.#pump = pump;
    this.#lastBeatMs = clock.nowMs();
    pump.run().catch((error) => this.#fail(error, "data"));
    await keepHeartbeat({
      link,
      clock,
      signal,
      onStatus: (status) => this.#onStatus(status, pump),
      onMiss: (misses) => this.#parts.emit({ type: "heartbeat-missed", misses }),
    });
  }

  /** IDENT and CONFIG_EXPORTS. */
  async #introduce(): Promise<SmooPipes> {
    const { link, table } = this.#parts;
    const options = { timeoutMs: SETUP_TIMEOUT_MS, signal: this.#over.signal };
    const target = { value: 0, index: link.claimed.number };
    const pipes = findSmooPipes(link.claimed);
    if (pipes === undefined) throw notSmoo("an endpoint is missing");
    let ident;
    try {
      ident = decodeIdent(
        await link.controlIn({ ...IDENT_REQUEST, ...target }, IDENT_BYTES, options),
      );
    } catch (error) {
      if (error instanceof FastboopError && error.kind === "corrupt") throw notSmoo(error.state);
      throw error;
    }
    if (ident.major !== 0) throw notSmoo(`it speaks version ${ident.major}, must be 0`);
    const config = encodeConfigExports(table.disks);
    await link.controlOut({ ...CONFIG_EXPORTS_REQUEST, ...target }, config, options);
    return pipes;
  }

  /** Judges one heartbeat; tells how long to wait for the next. */
  #onStatus(status: Status, pump: Pump): number {
    const { emit, previousId, table } = this.#parts;
    if (this.#sessionId === undefined) {
      this.#sessionId = status.sessionId;
      const resumed = status.sessionId === previousId;
      emit({ type: "connected", sessionId: status.sessionId, resumed });
      this.#openAfterGrace(pump);
    } else if (status.sessionId !== this.#sessionId) {
      this.#end("session-changed", restarted());
      return PERIOD_MS;
    }
    if (status.flags & STATUS_REFUSED) throw configRefused();
    const expected = table.disks.length;
    if (status.exportCount !== this.#online) {
      this.#online = status.exportCount;
      emit({ type: "exports", online: status.exportCount, expected });
    }
    this.#parts.onBeat();
    const elapsedMs = this.#sinceLastBeat();
    this.#watchPipes(pump, elapsedMs);
    return this.#watchOnline(status.exportCount === expected, elapsedMs);
  }

  #openAfterGrace(pump: Pump): void {
    sleep(this.#parts.clock, GRACE_MS, this.#over.signal).then(() => pump.open(), () => {});
  }

  /** Capped: the time a computer slept does not count against the phone. */
  #sinceLastBeat(): number {
    const nowMs = this.#parts.clock.nowMs();
    const elapsedMs = Math.min(nowMs - this.#lastBeatMs, 2 * PERIOD_MS);
    this.#lastBeatMs = nowMs;
    return elapsedMs;
  }

  /** A disk that does not come up shows nowhere else: CONFIG_EXPORTS is accepted, right or wrong. */
  #watchOnline(isUpNow: boolean, elapsedMs: number): number {
    this.#isUp ||= isUpNow;
    if (this.#isUp) return PERIOD_MS;
    this.#comingUpMs += elapsedMs;
    if (this.#comingUpMs >= this.#parts.onlineTimeoutMs) {
      throw neverUp(this.#online, this.#parts.table.disks.length, this.#comingUpMs);
    }
    return ONLINE_PERIOD_MS;
  }

  /** A phone that answers STATUS but takes no data would otherwise be served for ever, in vain. */
  #watchPipes(pump: Pump, elapsedMs: number): void {
    const isStuck = pump.waitingForPhone > 0 && pump.deliveries === this.#lastDeliveries;
    this.#stuckMs = isStuck ? this.#stuckMs + elapsedMs : 0;
    this.#lastDeliveries = pump.deliveries;
    if (this.#stuckMs >= STUCK_MS) throw stuck();
  }

  /** Lets what is half written arrive, so that the phone can go on with the next host. */
  async #cancel(): Promise<void> {
    if (this.#pump) await within(this.#parts.clock, END_MS, this.#pump.close());
    this.#end("cancelled", cancelled("Serve the phone", this.#parts.signal));
  }

  /** A stalled control request is an answer; a stalled data pipe is a fault of this link. */
  #fail(error: unknown, pipe: "control" | "data"): void {
    const known = error instanceof FastboopError ? error : new FastboopError({
      kind: "internal",
      action: "Serve the phone",
      state: error instanceof Error ? error.message : String(error),
      cause: error,
    });
    const isAnswer = known.kind === "refused" && pipe === "control";
    this.#end(isAnswer || known.kind === "internal" ? "refused" : "lost", known);
  }

  #end(reason: SessionEnd["reason"], error: FastboopError): void {
    if (this.#over.signal.aborted) return;
    this.#ended.resolve({ reason, error, sessionId: this.#sessionId });
    this.#over.abort(error);
  }

  /** Bounded: neither a reader nor a driver that hangs keeps the caller. */
  async #cleanUp(): Promise<void> {
    const { link, clock } = this.#parts;
    const closing = (async () => await link[Symbol.asyncDispose]())().catch(() => {});
    const reads = this.#pump?.settled() ?? Promise.resolve();
    await within(clock, END_MS, Promise.all([closing, reads]));
  }
}

function gone(): FastboopError {
  return new FastboopError({
    kind: "lost",
    action: "Serve the phone",
    state: "the USB connection is gone",
    hint: "Plug the phone in again; it waits",
  });
}

function restarted(): FastboopError {
  return new FastboopError({
    kind: "lost",
    action: "Serve the phone",
    state: "its block server was started anew",
  });
}

function notSmoo(state: string): FastboopError {
  return new FastboopError({ kind: "refused", action: "Talk to the phone's smoo gadget", state });
}

function configRefused(): FastboopError {
  return new FastboopError({
    kind: "refused",
    action: "Set up the phone's disks",
    state: "the phone refused the exports, or could not make a disk of one",
    hint:
      "A running phone takes only the disks it was booted with; look for ublk in its kernel log",
  });
}

function neverUp(online: number, expected: number, waitedMs: number): FastboopError {
  return new FastboopError({
    kind: "refused",
    action: "Wait for the phone's disks",
    state: `${online} of ${expected} came up in ${Math.round(waitedMs / 1000)} s`,
    hint: "Look for ublk in the phone's kernel log: the kernel needs CONFIG_BLK_DEV_UBLK",
  });
}

function stuck(): FastboopError {
  return new FastboopError({
    kind: "lost",
    action: "Send data to the phone",
    state: "it answers heartbeats but takes no data",
  });
}
