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

/** Of an encrypted connection whose other side has neither a token nor a key. */
export const ENCRYPTED_CLIENT: ClientFacts = { ...PLAIN_CLIENT, encrypted: true };

/** Reads what native code tells about the client of an encrypted connection. */
export function clientFacts(bytes: Uint8Array): ClientFacts {
  const key = bytes.subarray(SECURITY.FACTS_CLIENT_KEY, SECURITY.FACTS_TOKEN);
  const token = bytes.slice(SECURITY.FACTS_TOKEN);
  return {
    encrypted: true,
    token: token.length > 0 ? connectToken(decodeToken(token).fields) : undefined,
    clientKey: bytes[0] === 1 ? keyToText("host_public", key) : undefined,
  };
}
