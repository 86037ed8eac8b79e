/**
 * The host half of smoo: a list of disks, served to whichever gadget is on the other end of a link.
 *
 * The list is fixed for the life of the host. A phone that lost its cable keeps every unanswered
 * Request and repeats it to the next session; it recognises its disks by id and geometry, so `serve`
 * may be called again and again, one link after the other.
 *
 * Source: smoo, docs/PROTOCOL.md.
 */
import { FastboopError } from "../errors/errors.ts";
import { type Clock, systemClock } from "../sources/clock.ts";
import type { UsbLink } from "../usb/link.ts";
import { BufferPool } from "./buffer_pool.ts";
import type { SessionEnd, SmooEvent, SmooStats } from "./events.ts";
import type { SmooExport } from "./export.ts";
import { type Disk, ExportTable } from "./export_table.ts";
import { SmooSession } from "./session.ts";

/** Payload buffers of all Requests together. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;
/** A source that did not fail for this long begins a new burst with its next failure. */
const BURST_MS = 5000;
const DEFAULT_ONLINE_TIMEOUT_MS = 60_000;

export interface SmooHostOptions {
  /** Must not throw: that would end the session as `refused`. */
  onEvent?: (event: SmooEvent) => void;
  /** How long the phone may take to bring the disks up. */
  onlineTimeoutMs?: number;
  clock?: Clock;
}

export interface ServeOptions {
  /** Ends the session as `cancelled`; the phone goes on waiting for a host. */
  signal?: AbortSignal;
}

export class SmooHost {
  readonly #table: ExportTable;
  readonly #pool = new BufferPool(MAX_BUFFERED_BYTES);
  readonly #onEvent: (event: SmooEvent) => void;
  readonly #onlineTimeoutMs: number;
  readonly #clock: Clock;
  readonly #bursts = new Map<Disk, { lastMs: number; untold: number }>();
  #session: SmooSession | undefined;
  #previousId: bigint | undefined;
  #strangers = 0;
  #toldBytes = 0;

  /** @throws {FastboopError} `usage`: not 1 to 32 exports with ascending ids and legal geometry. */
  constructor(exports: readonly SmooExport[], options: SmooHostOptions = {}) {
    this.#table = new ExportTable(exports);
    this.#onEvent = options.onEvent ?? (() => {});
    this.#onlineTimeoutMs = options.onlineTimeoutMs ?? DEFAULT_ONLINE_TIMEOUT_MS;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Serves one gadget until its session ends, and says why. Takes `link` over: it is closed when this
   * settles. Never rejects for anything the phone, the link or a source does.
   *
   * @throws {FastboopError} `internal` when a session is running already.
   */
  async serve(link: UsbLink, options: ServeOptions = {}): Promise<SessionEnd> {
    if (this.#session !== undefined) {
      const state = "another session of this host is running";
      throw new FastboopError({ kind: "internal", action: "Serve the phone", state });
    }
    const session = new SmooSession({
      link,
      table: this.#table,
      pool: this.#pool,
      clock: this.#clock,
      signal: options.signal ?? new AbortController().signal,
      onlineTimeoutMs: this.#onlineTimeoutMs,
      previousId: this.#previousId,
      emit: this.#onEvent,
      onStranger: () => this.#strangers++,
      onReadError: (disk, offsetBytes, error) => this.#tellReadError(disk, offsetBytes, error),
      onBeat: () => this.#tellProgress(),
    });
    this.#session = session;
    try {
      return await session.run();
    } finally {
      this.#previousId = session.sessionId ?? this.#previousId;
      this.#session = undefined;
    }
  }

  /** Totals so far. */
  stats(): SmooStats {
    return {
      exports: this.#table.disks.map((disk) => ({ ...disk.counters })),
      strangers: this.#strangers,
      inFlight: this.#session?.inFlight ?? 0,
      bufferedBytes: this.#pool.usedBytes,
    };
  }

  #tellProgress(): void {
    let servedBytes = 0;
    for (const disk of this.#table.disks) servedBytes += disk.counters.servedBytes;
    if (servedBytes === this.#toldBytes) return;
    this.#toldBytes = servedBytes;
    this.#onEvent({ type: "progress", stats: this.stats() });
  }

  #tellReadError(disk: Disk, offsetBytes: number, error: FastboopError): void {
    const nowMs = this.#clock.nowMs();
    const burst = this.#bursts.get(disk);
    if (burst !== undefined && nowMs - burst.lastMs < BURST_MS) {
      burst.lastMs = nowMs;
      burst.untold++;
      return;
    }
    this.#bursts.set(disk, { lastMs: nowMs, untold: 0 });
    const untold = burst?.untold ?? 0;
    this.#onEvent({ type: "read-error", exportName: disk.name, offsetBytes, error, untold });
  }
}
