import { show } from "./internal/validate.ts";
import type { Address } from "./address.ts";

/** A client that wants to connect, as `accept` of `Host.listen` is told of it. */
export interface ConnectAttempt {
  /** Where the CONNECT came from. It may be forged, for nothing has been sent there yet. */
  readonly address: Address;
  /** The 32-bit value that the client gave. */
  readonly data: number;
  /** Channels that the connection would have. */
  readonly channels: number;
}

/**
 * A decision about a client: true lets it connect; false, or a 32-bit number that it is told, refuses it.
 * False stands for `DisconnectCode.DENIED`.
 */
export type AcceptVerdict = boolean | number;

/**
 * Decides who may connect, at once or within 2 seconds.
 *
 * @param attempt who wants to connect
 * @returns the decision
 */
export type Accept = (attempt: ConnectAttempt) => AcceptVerdict | Promise<AcceptVerdict>;

/** Checks the function of the option. */
export function validateAccept(accept: unknown): Accept | undefined {
  if (accept !== undefined && typeof accept !== "function") {
    throw new TypeError(`accept must be a function, not ${show(accept)}`);
  }
  return accept as Accept | undefined;
}
