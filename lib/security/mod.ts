/**
 * Keys and connect tokens. It needs no native library, so a web backend can use it anywhere; it depends on nothing but
 * the web platform. `docs/encryption.md` explains it, `docs/security-protocol.md` specifies the bytes.
 *
 * @example
 * ```ts
 * import { createToken, generateIssuerKeyPair, keyToText } from "@enetjs/enet/security";
 *
 * const issuer = await generateIssuerKeyPair();
 * console.log(keyToText("issuer_public", issuer.publicKey).length); // 57
 *
 * const claims = { clientId: "alice", expiresAtMs: Date.now() + 60_000 };
 * const token = await createToken(claims, issuer.secretKey);
 * console.log(token.slice(0, 6)); // token_
 * ```
 *
 * @module
 */
export { ENetError, type ENetErrorCode, type TokenFault } from "../errors.ts";
export type { TokenClaims } from "./claims.ts";
export { type Key, keyFromText, type KeyKind, keyToText } from "./key.ts";
export {
  generateIssuerKeyPair,
  generateKeyPair,
  generateSharedSecret,
  type KeyPair,
  readIssuerKeyPair,
  readKeyPair,
} from "./key_pair.ts";
export { type ConnectToken, createToken, readToken, type ReadTokenOptions } from "./token.ts";
