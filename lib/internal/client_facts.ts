/** What native code knows about the client of an encrypted connection. */
import { SECURITY } from "../../ffi/layout.ts";
import type { Cipher } from "../encryption.ts";
import { keyText } from "../security/key.ts";
import { type ConnectToken, connectToken } from "../security/token.ts";
import { decodeToken } from "../security/token_wire.ts";

/** What a server knows about a client. */
export interface ClientFacts {
  /** Whether the connection is encrypted. */
  readonly encrypted: boolean;
  /** What encrypts it. */
  readonly cipher: Cipher | undefined;
  /** What its connect token says, where the server has issuers. */
  readonly token: ConnectToken | undefined;
  /** Its public key, `host_public_…`, where it has one. */
  readonly clientKey: string | undefined;
}

/** Of a plain connection. */
export const PLAIN_CLIENT: ClientFacts = {
  encrypted: false,
  cipher: undefined,
  token: undefined,
  clientKey: undefined,
};

/** Of an encrypted connection whose other side has neither a token nor a key. */
export function encryptedBy(cipher: Cipher | undefined): ClientFacts {
  return { ...PLAIN_CLIENT, encrypted: true, cipher };
}

/** The cipher, by the flag of native code. */
export function cipherOf(aes: number): Cipher {
  return aes === 0 ? "chacha20-poly1305" : "aes-256-gcm";
}

/** Reads what native code tells about the client of an encrypted connection. */
export function clientFacts(bytes: Uint8Array): ClientFacts {
  const key = bytes.subarray(SECURITY.FACTS_CLIENT_KEY, SECURITY.FACTS_TOKEN);
  const token = bytes.slice(SECURITY.FACTS_TOKEN);
  return {
    encrypted: true,
    cipher: cipherOf(bytes[0] & SECURITY.FACTS_AES),
    token: token.length > 0 ? connectToken(decodeToken(token).fields) : undefined,
    clientKey: bytes[0] & SECURITY.FACTS_HAS_KEY ? keyText("host_public", key) : undefined,
  };
}
