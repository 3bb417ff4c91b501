import { SECURITY } from "../ffi/layout.ts";
import { boolean, options, show } from "./internal/validate.ts";
import { type Key, keyBytes } from "./security/key.ts";
import type { KeyPair } from "./security/key_pair.ts";
import { tokenBytes } from "./security/token.ts";

/** Both keys of a host, as bytes or as text; see `generateKeyPair` of `@enetjs/enet/security`. */
export interface KeyPairLike {
  /** `host_public_…`, or its 32 bytes. */
  publicKey: Key;
  /** `host_secret_…`, or its 32 bytes. */
  secretKey: Key;
}

/** Encryption of a host that listens; see `docs/encryption.md`. */
export interface HostSecurity {
  /** The keys of this server. Clients need the public key to connect. */
  keyPair: KeyPair | KeyPairLike;
  /** A pre-shared key, `shared_secret_…` or its 32 bytes: only clients that have it can connect. Default none. */
  psk?: Key;
  /** Whether plain ENet clients are left without an answer. Default true. */
  required?: boolean;
  /** Lets in only clients with a connect token of one of these issuers. Default: no token is needed. */
  tokens?: {
    /** `issuer_public_…`, or their 32 bytes; 1 to 16. */
    issuers: readonly Key[];
  };
  /**
   * Whether `compression` may be used together with encryption. How far a message can be compressed tells about its
   * content, which an attacker can use who has a part of it chosen. Default false.
   */
  compression?: boolean;
}

/** Encryption of a connection that this host opens; see `docs/encryption.md`. */
export interface ConnectSecurity {
  /** The public key of the server, `host_public_…` or its 32 bytes. Only who has its secret key can answer. */
  serverKey: Key;
  /** The server's pre-shared key, `shared_secret_…` or its 32 bytes. Not together with `keyPair`. Default none. */
  psk?: Key;
  /** Keys of this client, by which the server's program knows it. Default none. */
  keyPair?: KeyPair | KeyPairLike;
  /** A connect token, as `createToken` has made it. Default none. */
  token?: string;
  /** As for the server. Default false. */
  compression?: boolean;
}

/** Checked options, as native code takes them. */
export interface SecurityPlan {
  /** See `ENETJS_SECURITY_…` in `native/include/enetjs_layout.h`. Secret. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly compression: boolean;
}

function putPair(bytes: Uint8Array, given: unknown, name: string): void {
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`${name} must be { publicKey, secretKey }, not ${show(given)}`);
  }
  const { publicKey, secretKey } = given as KeyPairLike;
  bytes.set(keyBytes(secretKey, "host_secret", `${name}.secretKey`), SECURITY.PAIR_AT);
  bytes.set(keyBytes(publicKey, "host_public", `${name}.publicKey`), SECURITY.PAIR_AT + 32);
}

/** @returns the flag */
function putPsk(bytes: Uint8Array, psk: unknown): number {
  if (psk === undefined) return 0;
  bytes.set(keyBytes(psk, "shared_secret", "security.psk"), SECURITY.PSK_AT);
  return SECURITY.PSK;
}

function issuersOf(tokens: unknown): Uint8Array[] {
  if (tokens === undefined) return [];
  options(tokens, "security.tokens", ["issuers"]);
  const { issuers } = tokens as { issuers: unknown };
  if (!Array.isArray(issuers)) {
    throw new TypeError(`security.tokens.issuers must be an array of keys, not ${show(issuers)}`);
  }
  const { length } = issuers;
  if (length < 1 || length > SECURITY.MAXIMUM_ISSUERS) {
    throw new RangeError(
      `security.tokens.issuers must have 1 to ${SECURITY.MAXIMUM_ISSUERS} keys, not ${length}`,
    );
  }
  return issuers.map((key, i) => keyBytes(key, "issuer_public", `security.tokens.issuers[${i}]`));
}

/** Checks {@linkcode HostSecurity}. */
export function planHostSecurity(given: unknown): SecurityPlan | undefined {
  if (given === undefined) return undefined;
  options(given, "security", ["keyPair", "psk", "required", "tokens", "compression"]);
  const { keyPair, psk, required = true, tokens, compression = false } = given as HostSecurity;
  const issuers = issuersOf(tokens);
  const bytes = new Uint8Array(SECURITY.SERVER_ISSUERS + 32 * issuers.length);
  putPair(bytes, keyPair, "security.keyPair");
  bytes[0] = putPsk(bytes, psk) |
    (boolean(required, "security.required") ? SECURITY.REQUIRED : 0);
  issuers.forEach((key, i) => bytes.set(key, SECURITY.SERVER_ISSUERS + 32 * i));
  return { bytes, compression: boolean(compression, "security.compression") };
}

/** Checks {@linkcode ConnectSecurity}. */
export function planConnectSecurity(given: unknown): SecurityPlan | undefined {
  if (given === undefined) return undefined;
  options(given, "security", ["serverKey", "psk", "keyPair", "token", "compression"]);
  const { serverKey, psk, keyPair, token, compression = false } = given as ConnectSecurity;
  if (psk !== undefined && keyPair !== undefined) {
    throw new TypeError(
      "security has psk and keyPair: a connection uses one of them, leave out the other",
    );
  }
  const tokenPart = token === undefined ? new Uint8Array() : tokenBytes(token, "security.token");
  const bytes = new Uint8Array(SECURITY.ATTEMPT_TOKEN + tokenPart.length);
  bytes.set(keyBytes(serverKey, "host_public", "security.serverKey"), SECURITY.ATTEMPT_SERVER_KEY);
  bytes[0] = putPsk(bytes, psk);
  if (keyPair !== undefined) {
    putPair(bytes, keyPair, "security.keyPair");
    bytes[0] |= SECURITY.KEYS;
  }
  bytes.set(tokenPart, SECURITY.ATTEMPT_TOKEN);
  return { bytes, compression: boolean(compression, "security.compression") };
}

/** Refuses compression that was not asked for by name. */
export function checkCompression(plan: SecurityPlan | undefined, compression: string): void {
  if (plan === undefined || plan.compression || compression === "none") return;
  throw new TypeError(
    `compression is "${compression}", and with security the length of compressed messages tells about their ` +
      "content: leave out compression, or allow it by security: { compression: true }",
  );
}
