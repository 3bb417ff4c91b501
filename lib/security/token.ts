/**
 * Connect tokens: a backend says who may connect where.
 *
 * @module
 */
import { ENetError, type TokenFault } from "../errors.ts";
import { toHex } from "../internal/hex.ts";
import { integer, options, show } from "../internal/validate.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import { checkClaims, dateOf, type TokenClaims } from "./claims.ts";
import { type Key, keyBytes, keyText } from "./key.ts";
import { issuerPair } from "./key_pair.ts";
import {
  type DecodedToken,
  decodeToken,
  encodeFields,
  MalformedToken,
  signedBytes,
  TOKEN_BYTES,
  type TokenFields,
} from "./token_wire.ts";
import { sign, verify } from "./webcrypto.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const PREFIX = "token_";
const TEXT_LENGTH = PREFIX.length + Math.ceil(TOKEN_BYTES * 8 / 6);

/** A token that was read. */
export interface ConnectToken {
  /** The public key of the issuer: `issuer_public_…`. */
  readonly issuer: string;
  /** Random: 32 hexadecimal digits. A server lets a client in with it once. */
  readonly id: string;
  /** Who the client is. A number is a `bigint`. */
  readonly clientId: bigint | string;
  /** When the token ends, in milliseconds since 1970. */
  readonly expiresAtMs: number;
  /** The public keys of the servers where it is good: `host_public_…`. None: every server that knows the issuer. */
  readonly servers: readonly string[];
  /** What the issuer tells the server's program. */
  readonly userData: Uint8Array<ArrayBuffer>;
}

/** Options of {@linkcode readToken}. */
export interface ReadTokenOptions {
  /** The time, in milliseconds since 1970. Default `Date.now()`. */
  nowMs?: number;
  /** The public key of the server that the token has to be good on. Default: servers are not compared. */
  server?: Key;
}

/**
 * Makes a connect token. The client passes it on as it is, and the server that gets it knows that the issuer has made
 * these claims.
 *
 * @param claims what it says
 * @param issuerSecretKey `issuer_secret_…`, or its 64 bytes
 * @returns the token as text, which is secret until it has been used: the first one to present it can use it
 * @throws {TypeError} When a claim or the key has another type. The message does not contain the key.
 * @throws {RangeError} When a claim is too large, or the time is over.
 * @throws {ENetError} `ENETJS_ERR_SECURITY_UNAVAILABLE`: WebCrypto is missing here.
 *
 * @example
 * ```ts
 * import { createToken, generateIssuerKeyPair, readToken } from "@enetjs/enet/security";
 *
 * const { publicKey, secretKey } = await generateIssuerKeyPair();
 * const claims = { clientId: 42, expiresAtMs: Date.now() + 60_000, userData: "team=red" };
 * const token = await createToken(claims, secretKey);
 *
 * const { clientId } = await readToken(token, publicKey);
 * console.log(clientId); // 42n
 * ```
 */
export async function createToken(claims: TokenClaims, issuerSecretKey: Key): Promise<string> {
  const checked = checkClaims(claims);
  const { publicKey: issuer, secretKey } = await issuerPair(issuerSecretKey, "issuerSecretKey");
  const id = globalThis.crypto.getRandomValues(new Uint8Array(16));
  const unsigned = encodeFields({ issuer, id, ...checked });
  const signature = await sign(secretKey.subarray(0, 32), signedBytes(unsigned)).finally(() =>
    secretKey.fill(0)
  );
  return PREFIX + toBase64Url(new Uint8Array([...unsigned, ...signature]));
}

function refusal(tokenFault: TokenFault, why: string): ENetError {
  return new ENetError("ENETJS_ERR_SECURITY_TOKEN", `The token ${why}`, { tokenFault });
}

/** Refuses what is no text. */
function tokenText(token: unknown, name: string): string {
  if (typeof token === "string") return token;
  const remedy = token instanceof Promise ? "await it" : "pass what createToken resolves with";
  throw new TypeError(`${name} must be text, not ${show(token)}: ${remedy}`);
}

/** The text does not get into messages: a token is secret. */
function decodeText(text: string): DecodedToken {
  const malformed = (why: string) =>
    refusal("malformed", `is malformed: ${why}; pass it on as createToken has returned it`);
  if (text !== text.trim()) throw malformed("it has white space around it: use text.trim()");
  if (!text.startsWith(PREFIX)) throw malformed(`it does not begin with "${PREFIX}"`);
  if (text.length > TEXT_LENGTH) {
    throw malformed(`it has ${text.length} characters, not ${TEXT_LENGTH} at most`);
  }
  const bytes = fromBase64Url(text.slice(PREFIX.length));
  if (bytes === undefined) throw malformed("it is not base64url, or it was cut off");
  try {
    return decodeToken(bytes);
  } catch (error) {
    if (error instanceof MalformedToken) throw malformed(error.message);
    throw error;
  }
}

/** The bytes of a token that a program has given. @throws {ENetError} `ENETJS_ERR_SECURITY_TOKEN`: malformed */
export function tokenBytes(token: unknown, name: string): Bytes {
  const { unsigned, signature } = decodeText(tokenText(token, name));
  return new Uint8Array([...unsigned, ...signature]);
}

/** What a token says, for programs. */
export function connectToken(fields: TokenFields): ConnectToken {
  return {
    issuer: keyText("issuer_public", fields.issuer),
    id: toHex(fields.id),
    clientId: fields.clientId,
    expiresAtMs: fields.expiresAtMs,
    servers: fields.servers.map((server) => keyText("host_public", server)),
    userData: fields.userData,
  };
}

/**
 * Reads a connect token, and verifies it as a server does, apart from use: servers remember which tokens were used.
 *
 * Without an issuer's key the signature is verified by the key in the token, and the expiry is not compared. This tells
 * a client what its token says. It proves nothing: anybody can have made such a token.
 *
 * @param token the text
 * @param issuerPublicKey `issuer_public_…`, or its 32 bytes
 * @throws {ENetError} `ENETJS_ERR_SECURITY_TOKEN`: the token is not accepted; `tokenFault` says why.
 *   `ENETJS_ERR_SECURITY_UNAVAILABLE`: WebCrypto is missing here.
 * @throws {TypeError} When an argument has another type.
 * @throws {RangeError} When an argument is outside its range.
 */
export async function readToken(
  token: string,
  issuerPublicKey?: Key,
  readOptions: ReadTokenOptions = {},
): Promise<ConnectToken> {
  options(readOptions, "options", ["nowMs", "server"]);
  const { nowMs = Date.now(), server } = readOptions;
  const text = tokenText(token, "token");
  const trusted = issuerPublicKey === undefined
    ? undefined
    : keyText("issuer_public", keyBytes(issuerPublicKey, "issuer_public", "issuerPublicKey"));
  const now = integer(nowMs, "nowMs", 0, Number.MAX_SAFE_INTEGER);
  const wanted = server === undefined
    ? undefined
    : keyText("host_public", keyBytes(server, "host_public", "server"));

  const { fields, unsigned, signature } = decodeText(text);
  const read = connectToken(fields);
  if (trusted !== undefined && read.issuer !== trusted) {
    throw refusal(
      "foreign",
      `is of the issuer ${read.issuer}, not of ${trusted}; use the public key of its issuer`,
    );
  }
  if (!await verify(fields.issuer, signature, signedBytes(unsigned))) {
    throw refusal("foreign", `has no valid signature of ${read.issuer}: it was damaged or forged`);
  }
  if (trusted !== undefined && now >= read.expiresAtMs) {
    throw refusal(
      "expired",
      `expired ${now - read.expiresAtMs} ms ago, at ${
        dateOf(read.expiresAtMs)
      }: get another one, ` +
        "and compare this clock with the issuer's",
    );
  }
  if (wanted !== undefined && read.servers.length > 0 && !read.servers.includes(wanted)) {
    throw refusal(
      "other_server",
      `is for ${read.servers.join(", ")}, not for ${wanted}: name that server in the claims`,
    );
  }
  return read;
}
