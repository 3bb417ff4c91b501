/**
 * What a token says, as a program gives it, and the checks of it.
 *
 * @module
 */
import { encoder } from "../../ffi/utf8.ts";
import { integer, options, show } from "../internal/validate.ts";
import { type Key, keyBytes } from "./key.ts";
import { CLIENT_ID_BYTES, SERVER_COUNT, type TokenFields, USER_DATA_BYTES } from "./token_wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const LARGEST_NUMBER = 2n ** 64n - 1n;
/** The latest time that a `Date` has. */
const LATEST_DATE_MS = 8.64e15;

/** What a token says. */
export interface TokenClaims {
  /**
   * Who the client is: a number of 64 bits, or 1 to 128 bytes of text as UTF-8. The number 42 and the text `"42"` are
   * different clients.
   */
  clientId: bigint | number | string;
  /** When the token ends, in milliseconds since 1970 as `Date.now()` has them: `Date.now() + 60_000` is a minute. */
  expiresAtMs: number;
  /**
   * The public keys of the servers where the token is good, at most 8. Default none: it is good on every server that
   * knows the issuer.
   */
  servers?: readonly Key[];
  /** Up to 256 bytes for the server's program; a string is UTF-8. The client can read them. Default none. */
  userData?: string | Uint8Array;
}

/** A time of tokens, for messages. */
export function dateOf(ms: number): string {
  return ms <= LATEST_DATE_MS ? new Date(ms).toISOString() : `${ms} ms`;
}

function claimedClient(value: unknown): bigint | string {
  const name = "claims.clientId";
  if (typeof value === "string") {
    if (!value.isWellFormed()) {
      throw new TypeError(`${name} must be well-formed text, not with a lone surrogate`);
    }
    const { length } = encoder.encode(value);
    if (length === 0 || length > CLIENT_ID_BYTES) {
      throw new RangeError(
        `${name} must have 1 to ${CLIENT_ID_BYTES} bytes of UTF-8, not ${length}: ${show(value)}`,
      );
    }
    return value;
  }
  if (typeof value !== "number" && typeof value !== "bigint") {
    throw new TypeError(`${name} must be a number, a bigint or text, not ${show(value)}`);
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError(
      `${name} must be an integer from 0 to 2^53 - 1, or a larger one as a bigint, not ${value}`,
    );
  }
  const number = BigInt(value);
  if (number < 0n || number > LARGEST_NUMBER) {
    throw new RangeError(`${name} must be from 0 to 2^64 - 1, not ${show(value)}`);
  }
  return number;
}

function claimedExpiry(value: unknown): number {
  const expiresAtMs = integer(value, "claims.expiresAtMs", 0, Number.MAX_SAFE_INTEGER);
  if (expiresAtMs <= Date.now()) {
    throw new RangeError(
      `claims.expiresAtMs is over: ${expiresAtMs} is ${dateOf(expiresAtMs)}; ` +
        "it is in milliseconds since 1970, as in Date.now() + 60_000",
    );
  }
  return expiresAtMs;
}

function claimedServers(value: unknown): Bytes[] {
  if (!Array.isArray(value)) {
    throw new TypeError(`claims.servers must be an array of public keys, not ${show(value)}`);
  }
  if (value.length > SERVER_COUNT) {
    throw new RangeError(`claims.servers must have ${SERVER_COUNT} at most, not ${value.length}`);
  }
  return value.map((key, index) => keyBytes(key, "host_public", `claims.servers[${index}]`));
}

function claimedUserData(value: unknown): Bytes {
  if (typeof value !== "string" && !(value instanceof Uint8Array)) {
    throw new TypeError(`claims.userData must be text or a Uint8Array, not ${show(value)}`);
  }
  const bytes = typeof value === "string" ? encoder.encode(value) : new Uint8Array(value);
  if (bytes.length > USER_DATA_BYTES) {
    throw new RangeError(
      `claims.userData must have ${USER_DATA_BYTES} bytes at most, not ${bytes.length}`,
    );
  }
  return bytes;
}

/** Claims as a token has them, or the error of what is wrong. */
export function checkClaims(claims: TokenClaims): Omit<TokenFields, "issuer" | "id"> {
  options(claims, "claims", ["clientId", "expiresAtMs", "servers", "userData"]);
  const { clientId, expiresAtMs, servers = [], userData = "" } = claims;
  return {
    clientId: claimedClient(clientId),
    expiresAtMs: claimedExpiry(expiresAtMs),
    servers: claimedServers(servers),
    userData: claimedUserData(userData),
  };
}
