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
  const start = other === undefined ? "another beginning" : "that beginning";
  return `text of ${text.length} characters with ${start}: copy all of it, and nothing else`;
}

/**
 * The bytes of a key that a program has given.
 *
 * @param name the name of the argument, for messages
 * @returns a copy
 */
export function keyBytes(key: unknown, kind: KeyKind, name: string): Uint8Array<ArrayBuffer> {
  const length = KEY_BYTES[kind];
  if (typeof key === "string") {
    const prefix = prefixOf(kind);
    const bytes = key.startsWith(prefix) ? fromBase64Url(key.slice(prefix.length)) : undefined;
    if (bytes?.length === length) return bytes;
    const characters = Math.ceil(length * 8 / 6);
    throw new TypeError(
      `${name} must be "${prefix}" and ${characters} characters of base64url, not ${
        textFault(key, kind)
      }`,
    );
  }
  if (!(key instanceof Uint8Array)) {
    throw new TypeError(
      `${name} must be a ${kind} key, as text or as a Uint8Array, not ${show(key)}`,
    );
  }
  if (key.length !== length) {
    throw new RangeError(
      `${name} must have the ${length} bytes of a ${kind} key, not ${key.length}`,
    );
  }
  return new Uint8Array(key);
}

/**
 * The text of a key, for an environment variable, a file or a client's configuration.
 *
 * @param kind what the key is for
 * @param key its bytes, or its text
 * @throws {TypeError} When the text is no such key.
 * @throws {RangeError} When the key has another length.
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
  return prefixOf(kind) + toBase64Url(keyBytes(key, kind, "key"));
}

/**
 * The bytes of a key's text.
 *
 * @param kind what the key is for
 * @param text the text, with nothing around it
 * @throws {TypeError} When the text is no such key. The message does not contain the text.
 */
export function keyFromText(kind: KeyKind, text: string): Uint8Array<ArrayBuffer> {
  oneOf(kind, "kind", KEY_KINDS);
  if (typeof text !== "string") throw new TypeError(`text must be a string, not ${show(text)}`);
  return keyBytes(text, kind, "text");
}
