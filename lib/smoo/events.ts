/** What a host tells about its work: events as they happen, counters at any time. */
import type { FastboopError } from "../errors/errors.ts";

/** Totals of one export since the host was made, over all its sessions. */
export interface ExportCounters {
  readonly id: number;
  readonly name: string;
  /** Responses delivered, of any status. */
  requests: number;
  /** Payload bytes delivered to the phone. */
  servedBytes: number;
  /** Responses whose status was not OK. */
  errors: number;
}

/** A moment's totals. */
export interface SmooStats {
  readonly exports: readonly Readonly<ExportCounters>[];
  /** Requests that named no export of ours. */
  readonly strangers: number;
  /** Requests being worked on now. */
  readonly inFlight: number;
  /** Bytes of payload buffers in use now. */
  readonly bufferedBytes: number;
}

export type SmooEvent =
  /** The gadget answered its first STATUS. `resumed`: the same one this host served before. */
  | { type: "connected"; sessionId: bigint; resumed: boolean }
  /** The number of disks usable on the phone changed. */
  | { type: "exports"; online: number; expected: number }
  /** Something was served since the last one; at most one per heartbeat. */
  | { type: "progress"; stats: SmooStats }
  /** A source failed; once per burst of failures of that export. */
  | {
    type: "read-error";
    exportName: string;
    offsetBytes: number;
    error: FastboopError;
    /** Failures of the burst before that were not told one by one. */
    untold: number;
  }
  /** Heartbeats without an answer, in a row. */
  | { type: "heartbeat-missed"; misses: number };

/** Why a session is over. */
export interface SessionEnd {
  /**
   * - `lost`: the link failed, the phone fell silent or broke the framing; find it and serve again
   * - `session-changed`: the gadget was started anew (a reboot); its exports are to be set up again
   * - `cancelled`: the caller's signal
   * - `refused`: it will not work by trying again: no smoo gadget, or its disks never came up
   */
  readonly reason: "lost" | "session-changed" | "cancelled" | "refused";
  readonly error: FastboopError;
  /** Set once the gadget had answered. */
  readonly sessionId: bigint | undefined;
}
