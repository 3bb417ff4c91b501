/**
 * X25519 and Ed25519 by WebCrypto, with keys as bytes.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import { fromBase64Url } from "./base64url.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What differs between the two in PKCS#8 (RFC 8410), and what their keys may do. */
const CURVES = {
  X25519: { identifier: 0x6E, usage: "deriveBits" },
  Ed25519: { identifier: 0x70, usage: "sign" },
} as const;

/** A curve of RFC 7748 and 8032. */
export type Curve = keyof typeof CURVES;

/** Calls WebCrypto, and says what is missing where it fails. */
async function withSubtle<T>(curve: Curve, call: (subtle: SubtleCrypto) => Promise<T>): Promise<T> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) {
    throw new ENetError(
      "ENETJS_ERR_SECURITY_UNAVAILABLE",
      "There is no crypto.subtle here: browsers have it on pages from https: and localhost only",
    );
  }
  try {
    return await call(subtle);
  } catch (cause) {
    if ((cause as Error).name !== "NotSupportedError") throw cause;
    throw new ENetError(
      "ENETJS_ERR_SECURITY_UNAVAILABLE",
      `WebCrypto has no ${curve} here: use a newer runtime or browser`,
      { cause },
    );
  }
}

/** The secret key as WebCrypto has it. */
function importSecret(subtle: SubtleCrypto, curve: Curve, secret: Bytes): Promise<CryptoKey> {
  const { identifier, usage } = CURVES[curve];
  const header = [0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, identifier, 4, 0x22, 4, 0x20];
  const pkcs8 = new Uint8Array(header.length + secret.length);
  pkcs8.set(header);
  pkcs8.set(secret, header.length);
  // WebCrypto copies the bytes before it returns.
  const key = subtle.importKey("pkcs8", pkcs8, { name: curve }, true, [usage]);
  pkcs8.fill(0);
  return key;
}

/** Draws a secret key: 32 bytes; with Ed25519 the seed. */
export function randomSecret(): Bytes {
  return globalThis.crypto.getRandomValues(new Uint8Array(32));
}

/** The public key of a secret one. */
export function publicKeyOf(curve: Curve, secret: Bytes): Promise<Bytes> {
  return withSubtle(curve, async (subtle) => {
    const { x } = await subtle.exportKey("jwk", await importSecret(subtle, curve, secret));
    return fromBase64Url(x!)!;
  });
}

/** Signs with Ed25519. @param seed 32 bytes @returns 64 bytes */
export function sign(seed: Bytes, message: Bytes): Promise<Bytes> {
  return withSubtle("Ed25519", async (subtle) => {
    const key = await importSecret(subtle, "Ed25519", seed);
    return new Uint8Array(await subtle.sign("Ed25519", key, message));
  });
}

/** Whether a signature of Ed25519 is right. */
export function verify(publicKey: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
  return withSubtle("Ed25519", async (subtle) => {
    const key = await subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await subtle.verify("Ed25519", key, signature, message);
  });
}
