/**
 * Key pairs, of hosts and of those who issue tokens.
 *
 * @module
 */
import { showAs } from "../internal/inspect.ts";
import { type Key, keyBytes, type KeyKind, keyText } from "./key.ts";
import { publicKeyOf, randomSecret } from "./webcrypto.ts";

/**
 * A public key and its secret one, as bytes. `console.log` of the pair hides the secret key; `console.log` of
 * `secretKey` and `JSON.stringify` do not.
 */
export interface KeyPair {
  /** Others may know it. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** Nobody else may. */
  readonly secretKey: Uint8Array<ArrayBuffer>;
}

/** Makes `console.log` show the public key alone. */
function hideSecret(pair: KeyPair, kind: KeyKind): KeyPair {
  return showAs(pair, () => `KeyPair { ${keyText(kind, pair.publicKey)}, secretKey hidden }`);
}

async function hostPairOf(secretKey: Uint8Array<ArrayBuffer>): Promise<KeyPair> {
  return hideSecret(
    { publicKey: await publicKeyOf("X25519", secretKey), secretKey },
    "host_public",
  );
}

/** An issuer's secret key is the seed and the public key. @param seed is overwritten */
async function issuerPairOf(seed: Uint8Array<ArrayBuffer>): Promise<KeyPair> {
  try {
    const publicKey = await publicKeyOf("Ed25519", seed);
    const secretKey = new Uint8Array(64);
    secretKey.set(seed);
    secretKey.set(publicKey, 32);
    return hideSecret({ publicKey, secretKey }, "issuer_public");
  } finally {
    seed.fill(0);
  }
}

/**
 * Makes a key pair for a host: X25519, 32 bytes each. A server keeps it, and clients get the public key.
 *
 * @throws {ENetError} `ENETJS_ERR_SECURITY_UNAVAILABLE`: WebCrypto is missing here.
 *
 * @example
 * ```ts
 * import { generateKeyPair, keyToText, readKeyPair } from "@enetjs/enet/security";
 *
 * const { secretKey } = await generateKeyPair();
 * const stored = keyToText("host_secret", secretKey);
 *
 * const { publicKey } = await readKeyPair(stored);
 * console.log(publicKey.length); // 32
 * ```
 */
export function generateKeyPair(): Promise<KeyPair> {
  return hostPairOf(randomSecret());
}

/**
 * The key pair of a host's secret key: nothing else has to be stored.
 *
 * @param secretKey `host_secret_…`, or its 32 bytes
 * @throws {TypeError} When the text is no such key. The message does not contain the text.
 * @throws {RangeError} When the bytes have another length.
 * @throws {ENetError} `ENETJS_ERR_SECURITY_UNAVAILABLE`: WebCrypto is missing here.
 */
export async function readKeyPair(secretKey: Key): Promise<KeyPair> {
  return await hostPairOf(keyBytes(secretKey, "host_secret", "secretKey"));
}

/**
 * Makes a key pair for whoever issues connect tokens: Ed25519. The backend keeps the secret key of 64 bytes, and
 * servers get the public one of 32.
 *
 * @throws {ENetError} `ENETJS_ERR_SECURITY_UNAVAILABLE`: WebCrypto is missing here.
 */
export function generateIssuerKeyPair(): Promise<KeyPair> {
  return issuerPairOf(randomSecret());
}

/**
 * The key pair of an issuer's secret key.
 *
 * @param secretKey `issuer_secret_…`, or its 64 bytes
 * @throws {TypeError} When the text is no such key. The message does not contain the text.
 * @throws {RangeError} When the bytes have another length, or are no seed and the public key of it.
 * @throws {ENetError} `ENETJS_ERR_SECURITY_UNAVAILABLE`: WebCrypto is missing here.
 */
export async function readIssuerKeyPair(secretKey: Key): Promise<KeyPair> {
  return await issuerPair(secretKey, "secretKey");
}

/** The same, for an argument of another name. */
export async function issuerPair(secretKey: Key, name: string): Promise<KeyPair> {
  const given = keyBytes(secretKey, "issuer_secret", name);
  const pair = await issuerPairOf(given.slice(0, 32));
  const differs = pair.secretKey.some((byte, index) => byte !== given[index]);
  given.fill(0);
  if (differs) {
    pair.secretKey.fill(0);
    throw new RangeError(
      `${name} must be an Ed25519 seed and the public key of it, but the public key is of another ` +
        "seed: use a key that generateIssuerKeyPair made",
    );
  }
  return pair;
}

/** Makes a secret for a private server and all its clients: 32 bytes. Its text is `shared_secret_…`. */
export function generateSharedSecret(): Uint8Array<ArrayBuffer> {
  return randomSecret();
}
