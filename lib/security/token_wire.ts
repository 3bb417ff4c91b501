/**
 * The bytes of connect tokens, as `docs/security-protocol.md` specifies them.
 *
 * @module
 */
import { encoder } from "../../ffi/utf8.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What the signature is over, before the token itself. */
const CONTEXT = encoder.encode("enetjs connect token 1\0");

const VERSION = 1;
const KEY_BYTES = 32;
const ID_BYTES = 16;
const SIGNATURE_BYTES = 64;
const NUMBER = 0;
const TEXT = 1;

/** The most bytes of a client id that is text. */
export const CLIENT_ID_BYTES = 128;
/** The most servers that a token names. */
export const SERVER_COUNT = 8;
/** The most bytes of user data. */
export const USER_DATA_BYTES = 256;
/** The most bytes of a token. */
export const TOKEN_BYTES = 766;

/** What a token has before its signature. */
export interface TokenFields {
  readonly issuer: Bytes;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
  /** 16 bytes. */
  readonly id: Bytes;
  readonly clientId: bigint | string;
  readonly servers: readonly Bytes[];
  readonly userData: Bytes;
}

/** What a signature is over, of a token without its signature. */
export function signedBytes(unsigned: Bytes): Bytes {
  return new Uint8Array([...CONTEXT, ...unsigned]);
}

/** A number of 64 bits as bytes. */
function u64(value: bigint): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

/** Writes a token without its signature. */
export function encodeFields(fields: TokenFields): Bytes {
  const { issuer, expiresAtMs, id, clientId, servers, userData } = fields;
  const isText = typeof clientId === "string";
  const client = isText ? encoder.encode(clientId) : u64(clientId);
  return new Uint8Array([
    VERSION,
    ...issuer,
    ...u64(BigInt(expiresAtMs)),
    ...id,
    isText ? TEXT : NUMBER,
    client.length,
    ...client,
    servers.length,
    ...servers.flatMap((server) => [...server]),
    userData.length >> 8,
    userData.length & 0xFF,
    ...userData,
  ]);
}

/** A token, read. */
export interface DecodedToken {
  readonly fields: TokenFields;
  /** Everything before the signature. */
  readonly unsigned: Bytes;
  readonly signature: Bytes;
}

/** What is wrong with bytes that are no token. */
export class MalformedToken extends Error {}

/** Takes one field after the other. */
class Reader {
  readonly #bytes: Bytes;
  position = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  take(length: number): Bytes {
    const end = this.position + length;
    if (end > this.#bytes.length) {
      throw new MalformedToken(`it ends after ${this.#bytes.length} bytes, within a field`);
    }
    const field = this.#bytes.slice(this.position, end);
    this.position = end;
    return field;
  }

  byte(): number {
    return this.take(1)[0];
  }

  u64(): bigint {
    return new DataView(this.take(8).buffer).getBigUint64(0);
  }
}

function readExpiry(reader: Reader): number {
  const value = reader.u64();
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new MalformedToken(`its expiry is ${value}, above 2^53 - 1`);
  }
  return Number(value);
}

function readClientId(reader: Reader): bigint | string {
  const kind = reader.byte();
  const length = reader.byte();
  if (kind === NUMBER) {
    if (length === 8) return reader.u64();
    throw new MalformedToken(`its client id is a number of ${length} bytes, not 8`);
  }
  if (kind !== TEXT) throw new MalformedToken(`its client id has the unknown kind ${kind}`);
  if (length === 0 || length > CLIENT_ID_BYTES) {
    throw new MalformedToken(`its client id has ${length} bytes, not 1 to ${CLIENT_ID_BYTES}`);
  }
  const bytes = reader.take(length);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedToken("its client id is not UTF-8");
  }
}

function readServers(reader: Reader): Bytes[] {
  const count = reader.byte();
  if (count > SERVER_COUNT) {
    throw new MalformedToken(`it names ${count} servers, not ${SERVER_COUNT} at most`);
  }
  return Array.from({ length: count }, () => reader.take(KEY_BYTES));
}

function readUserData(reader: Reader): Bytes {
  const length = reader.byte() << 8 | reader.byte();
  if (length > USER_DATA_BYTES) {
    throw new MalformedToken(`it has ${length} bytes of user data, not ${USER_DATA_BYTES} at most`);
  }
  return reader.take(length);
}

/**
 * Reads a token. Its signature is not verified.
 *
 * @throws {MalformedToken} When the bytes are no token.
 */
export function decodeToken(bytes: Bytes): DecodedToken {
  const reader = new Reader(bytes);
  const version = reader.byte();
  if (version !== VERSION) {
    throw new MalformedToken(`its version is ${version}, and this library reads ${VERSION}`);
  }
  const fields = {
    issuer: reader.take(KEY_BYTES),
    expiresAtMs: readExpiry(reader),
    id: reader.take(ID_BYTES),
    clientId: readClientId(reader),
    servers: readServers(reader),
    userData: readUserData(reader),
  };
  const unsigned = bytes.slice(0, reader.position);
  const signature = reader.take(SIGNATURE_BYTES);
  if (reader.position < bytes.length) {
    throw new MalformedToken(`${bytes.length - reader.position} bytes follow its end`);
  }
  return { fields, unsigned, signature };
}
