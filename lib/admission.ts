import { optionalFunction } from "./internal/validate.ts";
import type { Address } from "./address.ts";
import type { Cipher } from "./encryption.ts";
import type { ConnectToken } from "./security/token.ts";

/** A client that wants to connect, as `accept` of `Host.listen` gets it. */
export interface ConnectAttempt {
  /** The source of the CONNECT. It may be forged, because the host has not sent anything there yet. */
  readonly address: Address;
  /** The 32-bit value that the client gave. */
  readonly data: number;
  /** Channels that the connection would have. */
  readonly channels: number;
  /** Whether the connection would be encrypted. The client then has the address, and the keys or the token. */
  readonly encrypted: boolean;
  /** What would encrypt the datagrams; `undefined` on a plain connection, and on one of a gateway. */
  readonly cipher: Cipher | undefined;
  /** What its connect token says, where the host has `security.tokens`. */
  readonly token: ConnectToken | undefined;
  /** Its public key, `host_public_…`, where it connects with a `keyPair`. */
  readonly clientKey: string | undefined;
}

/**
 * A decision about a client. True lets it connect. A 32-bit number refuses it, and is sent to it. False
 * refuses with `DisconnectCode.DENIED`.
 */
export type AcceptVerdict = boolean | number;

/**
 * Decides whether a client may connect, at once or within 2 seconds.
 *
 * @param attempt the client
 * @returns the decision
 */
export type Accept = (attempt: ConnectAttempt) => AcceptVerdict | Promise<AcceptVerdict>;

/** Checks the function of the option. */
export function validateAccept(accept: unknown): Accept | undefined {
  optionalFunction(accept, "accept");
  return accept as Accept | undefined;
}
