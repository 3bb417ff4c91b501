import { SECURITY } from "../ffi/layout.ts";
import { boolean, options, show } from "./internal/validate.ts";
import { type Key, keyBytes, type KeyKind } from "./security/key.ts";
import type { KeyPair } from "./security/key_pair.ts";
import { tokenBytes } from "./security/token.ts";

/** What encrypts the datagrams of a connection; see `docs/encryption.md`. */
export type Cipher = "chacha20-poly1305" | "aes-256-gcm";

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
  /**
   * Whether AES-256-GCM encrypts datagrams in place of ChaCha20-Poly1305, for clients that ask for it, too. Both sides
   * need a processor with instructions for it; otherwise ChaCha20-Poly1305 is used. `peer.cipher` tells which. Default
   * false.
   */
  aes?: boolean;
  /** Lets in only clients with a connect token of one of these issuers. Default: no token is needed. */
  tokens?: {
    /** `issuer_public_…`, or their 32 bytes; 1 to 16. */
    issuers: readonly Key[];
  };
  /**
   * Whether `compression` may be used together with encryption. How far a message can be compressed tells about its
   * content, to an attacker that can choose a part of it. Default false.
   */
  compression?: boolean;
}

/** Encryption of a connection that this host opens; see `docs/encryption.md`. */
export interface ConnectSecurity {
  /** The public key of the server, `host_public_…` or its 32 bytes. Only a holder of its secret key can answer. */
  serverKey: Key;
  /** The server's pre-shared key, `shared_secret_…` or its 32 bytes. Not together with `keyPair`. Default none. */
  psk?: Key;
  /** Keys of this client, by which the server's program knows it. Default none. */
  keyPair?: KeyPair | KeyPairLike;
  /**
   * A connect token, as `createToken` has made it, or a function that returns one. A token is good for one connection,
   * so `host.sessions`, and attempts after one that was answered, need a function. It is called for each attempt, once
   * the host name is resolved, within `timeoutMs` of the attempt. What it throws ends the attempts. Default none.
   */
  token?: string | (() => string | Promise<string>);
  /** As for the server. Default false. */
  aes?: boolean;
  /** As for the server. Default false. */
  compression?: boolean;
}

/** Checked {@linkcode HostSecurity}, as native code takes it. */
export interface SecurityPlan {
  /** See `ENETJS_SECURITY_…` in `native/include/enetjs_layout.h`. Secret: overwrite them after use. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly compression: boolean;
}

/** Checked {@linkcode ConnectSecurity}. */
export interface ConnectSecurityPlan {
  readonly compression: boolean;
  /**
   * Makes the bytes of an attempt, with a token of its own where the program gives a function. As
   * {@linkcode SecurityPlan.bytes}.
   */
  attempt(): Promise<Uint8Array<ArrayBuffer>>;
  /** Overwrites the keys. There are no more attempts. */
  wipe(): void;
}

/** Puts a key into bytes, without another copy that stays. */
function putKey(bytes: Uint8Array, at: number, key: unknown, kind: KeyKind, name: string): void {
  const copy = keyBytes(key, kind, name);
  bytes.set(copy, at);
  copy.fill(0);
}

function putPair(bytes: Uint8Array, given: unknown, name: string): void {
  if (typeof given !== "object" || given === null || !("secretKey" in given)) {
    const remedy = given instanceof Promise
      ? "await it"
      : "readKeyPair makes both of a stored secret key, and generateKeyPair makes new ones";
    throw new TypeError(`${name} must be { publicKey, secretKey }, not ${show(given)}: ${remedy}`);
  }
  const { publicKey, secretKey } = given as KeyPairLike;
  putKey(bytes, SECURITY.PAIR_AT, secretKey, "host_secret", `${name}.secretKey`);
  putKey(bytes, SECURITY.PAIR_AT + 32, publicKey, "host_public", `${name}.publicKey`);
}

/** @returns the flag */
function putPsk(bytes: Uint8Array, psk: unknown): number {
  if (psk === undefined) return 0;
  putKey(bytes, SECURITY.PSK_AT, psk, "shared_secret", "security.psk");
  return SECURITY.PSK;
}

const aesFlag = (aes: unknown) => boolean(aes, "security.aes") ? SECURITY.AES : 0;

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
  options(given, "security", ["keyPair", "psk", "required", "tokens", "aes", "compression"]);
  const { keyPair, psk, required = true, tokens, aes = false, compression = false } =
    given as HostSecurity;
  const issuers = issuersOf(tokens);
  const bytes = new Uint8Array(SECURITY.SERVER_ISSUERS + 32 * issuers.length);
  putPair(bytes, keyPair, "security.keyPair");
  bytes[0] = putPsk(bytes, psk) | aesFlag(aes) |
    (boolean(required, "security.required") ? SECURITY.REQUIRED : 0);
  issuers.forEach((key, i) => bytes.set(key, SECURITY.SERVER_ISSUERS + 32 * i));
  return { bytes, compression: boolean(compression, "security.compression") };
}

/** Where the bytes of the token come from: they are there, or the program is asked for each attempt. */
function tokenSource(token: unknown): () => Promise<Uint8Array> {
  if (typeof token === "function") {
    return async () => tokenBytes(await token(), "what security.token returns");
  }
  const bytes = token === undefined ? new Uint8Array() : tokenBytes(token, "security.token");
  return () => Promise.resolve(bytes);
}

/** Checks {@linkcode ConnectSecurity}. */
export function planConnectSecurity(given: unknown): ConnectSecurityPlan | undefined {
  if (given === undefined) return undefined;
  options(given, "security", ["serverKey", "psk", "keyPair", "token", "aes", "compression"]);
  const { serverKey, psk, keyPair, token, aes = false, compression = false } =
    given as ConnectSecurity;
  if (psk !== undefined && keyPair !== undefined) {
    throw new TypeError(
      "security has psk and keyPair: a connection uses one of them, leave out the other",
    );
  }
  const source = tokenSource(token);
  const keys = new Uint8Array(SECURITY.ATTEMPT_TOKEN);
  putKey(keys, SECURITY.ATTEMPT_SERVER_KEY, serverKey, "host_public", "security.serverKey");
  keys[0] = putPsk(keys, psk) | aesFlag(aes);
  if (keyPair !== undefined) {
    putPair(keys, keyPair, "security.keyPair");
    keys[0] |= SECURITY.KEYS;
  }
  return {
    compression: boolean(compression, "security.compression"),
    async attempt() {
      const tokenPart = await source();
      const bytes = new Uint8Array(keys.length + tokenPart.length);
      bytes.set(keys);
      bytes.set(tokenPart, keys.length);
      return bytes;
    },
    wipe: () => void keys.fill(0),
  };
}

/** Refuses compression that was not asked for by name. */
export function checkCompression(
  plan: { readonly compression: boolean } | undefined,
  compression: string,
): void {
  if (plan === undefined || plan.compression || compression === "none") return;
  throw new TypeError(
    `compression is "${compression}", and with security the length of compressed messages tells about their ` +
      "content: leave out compression, or allow it by security: { compression: true }",
  );
}
