/**
 * The two datagrams of discovery, as `docs/discovery.md` describes them. What is read here comes from strangers: each
 * length is checked, and what is not exactly as described is no datagram of discovery.
 *
 * @module
 */
import { encoder } from "../../ffi/utf8.ts";

/** Bytes of every query, and most of an answer: an answer is never longer than what asked for it. */
export const QUERY_BYTES = 640;
/** Most bytes of UTF-8 of a game's identifier. */
export const GAME_BYTES = 64;
/** Most bytes of UTF-8 of a server's name. */
export const NAME_BYTES = 64;
/** Most bytes of a server's data. */
export const DATA_BYTES = 512;
/** Bytes of the number that an asker chooses at random. */
export const NONCE_BYTES = 8;
/** Bytes of a server's id. */
export const ID_BYTES = 8;

/** "ENDS", and the version of the format. */
const MAGIC = [0x45, 0x4E, 0x44, 0x53, 1] as const;
const QUERY = 1;
const ANSWER = 2;

/** Offsets that both have. */
const TYPE = 5;
const NONCE = 8;
const NUMBER = 16;
/** Offsets of a query. */
const VERSION = 20;
const GAME = 24;
/** Offsets of an answer. */
const ID = 20;
const PEERS = 28;
const MAXIMUM = 30;
const NAME = 32;

/** What a query asks for. */
export interface Query {
  readonly nonce: Uint8Array;
  /** Which of the queries with this nonce it is. */
  readonly number: number;
  /** The bytes that stand for the game and its version. */
  readonly game: Uint8Array;
}

/** What an answer tells. */
export interface Answer {
  readonly nonce: Uint8Array;
  readonly number: number;
  readonly id: Uint8Array;
  readonly peers: number;
  readonly maximumPeers: number;
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * Whether a text may be shown in a line: it is not empty, is well-formed, and has at most so many bytes of UTF-8.
 * It has no control characters, no line separators, and no marks that change the direction of text.
 */
export function isLine(text: string, most: number): boolean {
  return text !== "" && text.isWellFormed() && encoder.encode(text).length <= most &&
    !/[\p{Cc}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u.test(text);
}

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function begin(length: number, type: number, nonce: Uint8Array, number: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(MAGIC);
  bytes[TYPE] = type;
  bytes.set(nonce, NONCE);
  viewOf(bytes).setUint32(NUMBER, number);
  return bytes;
}

const hasType = (bytes: Uint8Array, type: number) =>
  MAGIC.every((byte, index) => bytes[index] === byte) && bytes[TYPE] === type;

/** A game and its version as they stand in a query. */
export function encodeGame(game: string, version: number): Uint8Array {
  const name = encoder.encode(game);
  const bytes = new Uint8Array(GAME - VERSION + 1 + name.length);
  viewOf(bytes).setUint32(0, version);
  bytes[GAME - VERSION] = name.length;
  bytes.set(name, GAME - VERSION + 1);
  return bytes;
}

/** A query, padded to its full length. */
export function encodeQuery({ nonce, number, game }: Query): Uint8Array {
  const bytes = begin(QUERY_BYTES, QUERY, nonce, number);
  bytes.set(game, VERSION);
  return bytes;
}

/** Reads a query. It refers to the bytes. */
export function decodeQuery(bytes: Uint8Array): Query | undefined {
  if (bytes.length !== QUERY_BYTES || !hasType(bytes, QUERY)) return undefined;
  const length = bytes[GAME];
  if (length === 0 || length > GAME_BYTES) return undefined;
  return {
    nonce: bytes.subarray(NONCE, NONCE + NONCE_BYTES),
    number: viewOf(bytes).getUint32(NUMBER),
    game: bytes.subarray(VERSION, GAME + 1 + length),
  };
}

/** An answer, of values that have been checked. */
export function encodeAnswer(answer: Answer): Uint8Array {
  const name = encoder.encode(answer.name);
  const { data } = answer;
  const afterName = NAME + 1 + name.length;
  const bytes = begin(afterName + 2 + data.length, ANSWER, answer.nonce, answer.number);
  bytes.set(answer.id, ID);
  const view = viewOf(bytes);
  view.setUint16(PEERS, answer.peers);
  view.setUint16(MAXIMUM, answer.maximumPeers);
  bytes[NAME] = name.length;
  bytes.set(name, NAME + 1);
  view.setUint16(afterName, data.length);
  bytes.set(data, afterName + 2);
  return bytes;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a name, or undefined if it is none that may be shown. */
function decodeName(bytes: Uint8Array): string | undefined {
  try {
    const name = strict.decode(bytes);
    return isLine(name, NAME_BYTES) ? name : undefined;
  } catch {
    return undefined; // no UTF-8
  }
}

/** Reads an answer. Its data is a copy. */
export function decodeAnswer(bytes: Uint8Array): Answer | undefined {
  const shortest = NAME + 1 + 1 + 2;
  if (bytes.length < shortest || bytes.length > QUERY_BYTES || !hasType(bytes, ANSWER)) {
    return undefined;
  }
  const view = viewOf(bytes);
  const afterName = NAME + 1 + bytes[NAME];
  if (afterName + 2 > bytes.length) return undefined;
  const dataBytes = view.getUint16(afterName);
  if (dataBytes > DATA_BYTES || afterName + 2 + dataBytes !== bytes.length) return undefined;
  const name = decodeName(bytes.subarray(NAME + 1, afterName));
  if (name === undefined) return undefined;
  return {
    nonce: bytes.slice(NONCE, NONCE + NONCE_BYTES),
    number: view.getUint32(NUMBER),
    id: bytes.slice(ID, ID + ID_BYTES),
    peers: view.getUint16(PEERS),
    maximumPeers: view.getUint16(MAXIMUM),
    name,
    data: new Uint8Array(bytes.subarray(afterName + 2)),
  };
}

/** Whether two runs of bytes are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
