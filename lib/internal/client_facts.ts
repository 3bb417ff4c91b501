/** What native code knows about the client of an encrypted connection. */
import { SECURITY } from "../../ffi/layout.ts";
import { keyToText } from "../security/key.ts";
import { type ConnectToken, connectToken } from "../security/token.ts";
import { decodeToken } from "../security/token_wire.ts";

/** What a server knows about a client. */
export interface ClientFacts {
  /** Whether the connection is encrypted. */
  readonly encrypted: boolean;
  /** What its connect token says, where the server has issuers. */
  readonly token: ConnectToken | undefined;
  /** Its public key, `host_public_…`, where it has one. */
  readonly clientKey: string | undefined;
}

/** Of a plain connection. */
export const PLAIN_CLIENT: ClientFacts = {
  encrypted: false,
  token: undefined,
  clientKey: undefined,
};

/**
 * Asks native code.
 *
 * @param ask writes the facts, and returns how many bytes they are; 0 or less where the connection is plain
 */
export function clientFacts(ask: (out: Uint8Array, capacity: number) => number): ClientFacts {
  const out = new Uint8Array(SECURITY.FACTS_BYTES);
  const length = ask(out, out.length);
  if (length <= 0) return PLAIN_CLIENT;
  const key = out.subarray(SECURITY.FACTS_CLIENT_KEY, SECURITY.FACTS_TOKEN);
  const token = out.slice(SECURITY.FACTS_TOKEN, length);
  return {
    encrypted: true,
    token: token.length > 0 ? connectToken(decodeToken(token).fields) : undefined,
    clientKey: out[0] === 1 ? keyToText("host_public", key) : undefined,
  };
}
