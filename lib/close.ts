import { integer, options, U32 } from "./internal/validate.ts";

/** Options of `host.close`. */
export interface CloseOptions {
  /** Milliseconds to wait for queues to drain and peers to acknowledge. Default 1000. */
  graceMs?: number;
  /** A 32-bit value that the other sides read with their disconnect events. Default 0. */
  data?: number;
  /** The reason, for this program: promises that are pending then reject with an error whose `cause` it is. */
  reason?: unknown;
}

/** What a closed host has not delivered: messages that were queued and not acknowledged when `graceMs` was over. */
export interface Undelivered {
  /** Bytes of these messages. */
  readonly bytes: number;
  /** Messages. */
  readonly messages: number;
  /** Peers that they were for. */
  readonly peers: number;
}

/** Checked {@linkcode CloseOptions}. */
export interface ClosePlan {
  readonly graceMs: number;
  readonly data: number;
  readonly reason: unknown;
}

/** Checks {@linkcode CloseOptions} and puts the defaults where there is nothing. */
export function planClose(given: CloseOptions): ClosePlan {
  options(given, "options", ["graceMs", "data", "reason"]);
  const { graceMs = 1000, data = 0, reason } = given;
  integer(graceMs, "graceMs", 0, 2 ** 31 - 1);
  integer(data, "data", 0, U32);
  return { graceMs, data, reason };
}
