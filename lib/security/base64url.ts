/**
 * Bytes as base64url text without padding: RFC 4648, section 5. Every sequence of bytes has exactly one text.
 *
 * @module
 */

/** The text of bytes. */
export function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * The bytes of a text.
 *
 * @returns `undefined` when the text has another alphabet or padding, when no bytes have this length, and when bits
 *   beyond the last byte are not zero
 */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return toBase64Url(bytes) === text ? bytes : undefined;
}
