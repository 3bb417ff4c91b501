/**
 * Tokens that `createToken` does not make: with fixed ids, of the past, and signed although they are malformed.
 *
 * @module
 */
import { toBase64Url } from "../../../lib/security/base64url.ts";
import { readIssuerKeyPair } from "../../../lib/security/mod.ts";
import { encodeFields, signedBytes, type TokenFields } from "../../../lib/security/token_wire.ts";
import { sign } from "../../../lib/security/webcrypto.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

export const fromHex = (hex: string): Bytes =>
  Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));

/** The first key of RFC 8032, section 7.1. */
export const SEED = fromHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
const ISSUER = fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");

/** The issuer with that key. */
export const issuer = await readIssuerKeyPair(new Uint8Array([...SEED, ...ISSUER]));

/** The time when tokens of {@linkcode FIELDS} end. */
export const EXPIRY_MS = 1_800_000_000_000;

/** The public keys of two servers: those of RFC 7748, section 6.1. */
export const SERVERS: readonly Bytes[] = [
  fromHex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
  fromHex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
];

/** What a token of the tests says, if nothing else is asked for. */
export const FIELDS: TokenFields = {
  issuer: issuer.publicKey,
  expiresAtMs: EXPIRY_MS,
  id: fromHex("000102030405060708090a0b0c0d0e0f"),
  clientId: "Zoë",
  servers: SERVERS.slice(0, 1),
  userData: fromHex("00ff"),
};

/** The text of bytes as a token. */
export const asText = (bytes: Uint8Array): string => `token_${toBase64Url(bytes)}`;

/** Bytes, and the signature of them. */
export async function signed(unsigned: Bytes): Promise<Bytes> {
  return new Uint8Array([...unsigned, ...await sign(SEED, signedBytes(unsigned))]);
}

/** A token with these fields. */
export const tokenOf = (fields: Partial<TokenFields> = {}): Promise<Bytes> =>
  signed(encodeFields({ ...FIELDS, ...fields }));

/** A token that is as long as one can be. */
export const longest = (): Promise<Bytes> =>
  tokenOf({
    clientId: "x".repeat(128),
    servers: Array.from({ length: 8 }, (_, index) => new Uint8Array(32).fill(index)),
    userData: Uint8Array.from({ length: 256 }, (_, index) => index),
  });

/** Bytes without a signature that are no token for one reason each; `why` is part of the message. */
export function malformed(): { readonly why: RegExp; readonly unsigned: Bytes }[] {
  const fields = encodeFields(FIELDS);
  const change = (at: number, ...bytes: number[]) => {
    const changed = fields.slice();
    changed.set(bytes, at);
    return changed;
  };
  const number = encodeFields({ ...FIELDS, clientId: 7n });
  number[58] = 7;
  // Where the number of servers is: behind the four bytes of the client id.
  const servers = 59 + 4;
  return [
    { why: /version is 0/, unsigned: change(0, 0) },
    { why: /version is 2/, unsigned: change(0, 2) },
    { why: /expiry is 9007199254740992, above/, unsigned: change(33, 0, 0x20, 0, 0, 0, 0, 0, 0) },
    { why: /unknown kind 2/, unsigned: change(57, 2) },
    { why: /number of 7 bytes, not 8/, unsigned: number },
    { why: /number of 4 bytes, not 8/, unsigned: change(57, 0) },
    { why: /client id has 0 bytes/, unsigned: change(58, 0) },
    { why: /client id has 129 bytes/, unsigned: change(58, 129) },
    { why: /not UTF-8/, unsigned: change(59, 0xFF) },
    { why: /not UTF-8/, unsigned: change(59, 0xC0, 0x80, 0x41) },
    { why: /not UTF-8/, unsigned: change(59, 0xED, 0xA0, 0x80) },
    { why: /names 9 servers/, unsigned: change(servers, 9) },
    { why: /257 bytes of user data/, unsigned: change(servers + 33, 1, 1) },
    { why: /65535 bytes of user data/, unsigned: change(servers + 33, 0xFF, 0xFF) },
    { why: /1 bytes follow its end/, unsigned: change(servers + 33, 0, 1) },
    { why: /ends after \d+ bytes, within a field/, unsigned: change(servers + 33, 0, 3) },
    { why: /32 bytes follow its end/, unsigned: new Uint8Array([...fields, ...new Array(32)]) },
  ];
}
