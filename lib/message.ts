import { abortSignal, integer, options } from "./internal/validate.ts";
import type { Packet } from "./packet.ts";

/** What iterating over a peer yields. */
export interface PeerMessage {
  /** The channel it came on, from 0. */
  readonly channelId: number;
  /** Its bytes. */
  readonly packet: Packet;
}

/** Options of `peer.receive`. */
export interface ReceiveOptions {
  /** Milliseconds to wait for the message, 1–2,147,483,647. Default: as long as the connection lasts. */
  timeoutMs?: number;
  /** Stops waiting when it aborts; the promise rejects with its reason. */
  signal?: AbortSignal;
}

/** Checks {@linkcode ReceiveOptions}. */
export function planReceive(given: unknown): ReceiveOptions {
  options(given, "options", ["timeoutMs", "signal"]);
  const { timeoutMs, signal } = given as ReceiveOptions;
  if (timeoutMs !== undefined) integer(timeoutMs, "timeoutMs", 1, 2 ** 31 - 1);
  return { timeoutMs, signal: abortSignal(signal) };
}
