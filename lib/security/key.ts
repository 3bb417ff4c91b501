/**
 * Keys as bytes and as text. The text begins with what the key is for, so that a key in the wrong place is an error.
 * Messages never contain a key: it may be a secret one.
 *
 * @module
 */
import { show } from "../../ffi/show.ts";
import { oneOf } from "../internal/validate.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";

/**
 * What a key is for. Its text begins with this and an underscore.
 *
 * - `host_public` and `host_secret`: the X25519 keys of a host, 32 bytes each.
 * - `issuer_public`: the Ed25519 key by which servers verify connect tokens, 32 bytes.
 * - `issuer_secret`: the Ed25519 seed by which tokens are signed, and the public key; 64 bytes.
 * - `shared_secret`: 32 bytes that a private server and all its clients have.
 */
export type KeyKind =
  | "host_public"
  | "host_secret"
  | "issuer_public"
  | "issuer_secret"
  | "shared_secret";

/** How many bytes each kind of key has. */
const KEY_BYTES: Readonly<Record<KeyKind, number>> = {
  host_public: 32,
  host_secret: 32,
  issuer_public: 32,
  issuer_secret: 64,
  shared_secret: 32,
};

/** The kinds of keys. */
export const KEY_KINDS = Object.keys(KEY_BYTES) as KeyKind[];

/** A key: its text, such as `host_public_…`, or its bytes. */
export type Key = string | Uint8Array;

const prefixOf = (kind: KeyKind) => `${kind}_`;

/** What is wrong with a text that is no key of a kind. */
function textFault(text: string, kind: KeyKind): string {
  if (text !== text.trim()) return "text with white space around it: use text.trim()";
  const other = KEY_KINDS.find((other) => text.startsWith(prefixOf(other)));
  if (other !== undefined && other !== kind) return `a key of the kind ${other}`;
  if (text.length === 2 * KEY_BYTES[kind] && /^[\da-f]*$/i.test(text)) {
    return `${text.length} hexadecimal digits: make bytes of them, which are a key, too`;
  }
  const start = other === undefined ? "another beginning" : "that beginning";
  const made = kind === "shared_secret" ? "; generateSharedSecret() makes one" : "";
  return `text of ${text.length} characters with ${start}: copy all of it, and nothing else${made}`;
}

/** What was given in place of a key, and what to do about it. */
function valueFault(value: unknown, kind: KeyKind): string {
  const shown = show(value);
  if (value instanceof Promise) return `${shown}: await it`;
  if (typeof value !== "object" || value === null || !("publicKey" in value)) return shown;
  return `${shown} of two keys: pass its ${kind.endsWith("public") ? "publicKey" : "secretKey"}`;
}

const withArticle = (kind: KeyKind) => `${kind.startsWith("issuer") ? "an" : "a"} ${kind}`;

function bytesOfText(text: string, kind: KeyKind, name: string): Uint8Array<ArrayBuffer> {
  const prefix = prefixOf(kind);
  const length = KEY_BYTES[kind];
  const bytes = text.startsWith(prefix) ? fromBase64Url(text.slice(prefix.length)) : undefined;
  if (bytes?.length === length) return bytes;
  const characters = Math.ceil(length * 8 / 6);
  throw new TypeError(
    `${name} must be "${prefix}" and ${characters} characters of base64url, not ${
      textFault(text, kind)
    }`,
  );
}

const PRIME = 2n ** 255n - 19n;
/** The points of Curve25519 whose order is 1, 2, 4 or 8, as libsodium has them, too. */
const SMALL_ORDER = new Set([
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  PRIME - 1n,
  PRIME,
  PRIME + 1n,
]);

/** Whether X25519 with this public key gives zero, whatever the secret key is. The highest bit is not looked at. */
function isOfSmallOrder(publicKey: Uint8Array): boolean {
  const number = publicKey.reduceRight((high, byte) => high << 8n | BigInt(byte), 0n);
  return SMALL_ORDER.has(number & (2n ** 255n - 1n));
}

function copyOf(key: unknown, kind: KeyKind, name: string): Uint8Array<ArrayBuffer> {
  if (!(key instanceof Uint8Array)) {
    throw new TypeError(
      `${name} must be ${withArticle(kind)} key, as text or as a Uint8Array, not ${
        valueFault(key, kind)
      }`,
    );
  }
  const length = KEY_BYTES[kind];
  if (key.length !== length) {
    throw new RangeError(
      `${name} must have the ${length} bytes of ${withArticle(kind)} key, not ${key.length}`,
    );
  }
  return new Uint8Array(key);
}

/**
 * The bytes of a key that a program has given.
 *
 * @param name the name of the argument, for messages
 * @returns a copy
 */
export function keyBytes(key: unknown, kind: KeyKind, name: string): Uint8Array<ArrayBuffer> {
  const isText = typeof key === "string";
  const bytes = isText ? bytesOfText(key, kind, name) : copyOf(key, kind, name);
  if (bytes.every((byte) => byte === 0)) {
    throw new RangeError(`${name} must be a key, not ${bytes.length} bytes that are all 0`);
  }
  if (kind === "host_public" && isOfSmallOrder(bytes)) {
    throw new RangeError(
      `${name} must be the public key of a host, and ${
        keyText(kind, bytes)
      } is none: it is a point of small ` +
        "order, with which everybody has the same secret; copy the key that generateKeyPair or enet keygen has made",
    );
  }
  return bytes;
}

/** The text of bytes that came as a key of the kind, whatever they are. */
export function keyText(kind: KeyKind, bytes: Uint8Array): string {
  return prefixOf(kind) + toBase64Url(bytes);
}

/**
 * The text of a key, for an environment variable, a file or a client's configuration.
 *
 * @param kind what the key is for
 * @param key its bytes, or its text
 * @throws {TypeError} When the text is no such key.
 * @throws {RangeError} When the key has another length, or all its bytes are 0.
 *
 * @example
 * ```ts
 * import { generateKeyPair, keyToText } from "@enetjs/enet/security";
 *
 * const { publicKey } = await generateKeyPair();
 * console.log(keyToText("host_public", publicKey)); // for example host_public_R3sYkH0…
 * ```
 */
export function keyToText(kind: KeyKind, key: Key): string {
  oneOf(kind, "kind", KEY_KINDS);
  return keyText(kind, keyBytes(key, kind, "key"));
}

/**
 * The bytes of a key's text.
 *
 * @param kind what the key is for
 * @param text the text, with nothing around it
 * @throws {TypeError} When the text is no such key. The message does not contain the text.
 * @throws {RangeError} When all bytes of the key are 0.
 */
export function keyFromText(kind: KeyKind, text: string): Uint8Array<ArrayBuffer> {
  oneOf(kind, "kind", KEY_KINDS);
  if (typeof text !== "string") throw new TypeError(`text must be a string, not ${show(text)}`);
  return keyBytes(text, kind, "text");
}
