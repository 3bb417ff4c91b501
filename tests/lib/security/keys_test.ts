/** Keys as bytes and text, and what is said of others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as util from "node:util";
import {
  createToken,
  generateIssuerKeyPair,
  generateKeyPair,
  generateSharedSecret,
  keyFromText,
  type KeyKind,
  keyToText,
  readIssuerKeyPair,
  readKeyPair,
  readToken,
} from "../../../lib/security/mod.ts";
import { planConnectSecurity, planHostSecurity } from "../../../lib/encryption.ts";
import { toHex } from "../../../lib/internal/hex.ts";
import { refuses } from "../_refuses.ts";
import { fromHex, issuer, SEED, SERVERS } from "./_tokens.ts";

const LENGTHS: Record<KeyKind, number> = {
  host_public: 32,
  host_secret: 32,
  issuer_public: 32,
  issuer_secret: 64,
  shared_secret: 32,
};
const KINDS = Object.keys(LENGTHS) as KeyKind[];

/** The secret key of the second server: that of RFC 7748, section 6.1. */
const SECRET = fromHex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");

test("A secret key has the public key that RFC 7748 and RFC 8032 say", async () => {
  assert.deepEqual(await readKeyPair(SECRET), { publicKey: SERVERS[1], secretKey: SECRET });
  assert.deepEqual(issuer.secretKey, new Uint8Array([...SEED, ...issuer.publicKey]));
  assert.equal(
    toHex(issuer.publicKey),
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
  );
});

test("New keys are all different, and their secret key alone brings the pair back", async () => {
  const host = await generateKeyPair();
  const issuer = await generateIssuerKeyPair();
  const all = [
    ...[host.publicKey, host.secretKey, (await generateKeyPair()).publicKey],
    ...[issuer.publicKey, issuer.secretKey, (await generateIssuerKeyPair()).publicKey],
    ...[generateSharedSecret(), generateSharedSecret()],
  ];
  assert.equal(new Set(all.map(toHex)).size, all.length);
  assert.deepEqual(all.map(({ length }) => length), [32, 32, 32, 32, 64, 32, 32, 32]);
  assert.deepEqual(await readKeyPair(keyToText("host_secret", host.secretKey)), host);
  assert.deepEqual(await readIssuerKeyPair(keyToText("issuer_secret", issuer.secretKey)), issuer);
});

test("The text of a key begins with its kind, and is the only text of its bytes", () => {
  for (const kind of KINDS) {
    const bytes = Uint8Array.from({ length: LENGTHS[kind] }, (_, index) => 255 - index);
    const text = keyToText(kind, bytes);
    assert.match(text, new RegExp(`^${kind}_[\\w-]{${kind === "issuer_secret" ? 86 : 43}}$`));
    assert.deepEqual(keyFromText(kind, text), bytes);
    assert.equal(keyToText(kind, text), text);
    // Another last character that differs only in bits beyond the last byte.
    const other = text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);
    assert.throws(() => keyFromText(kind, other), TypeError);
  }
  assert.equal(
    keyToText("host_public", SERVERS[1]),
    "host_public_3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
  );
});

test("The bytes of a key are a copy", async () => {
  const bytes = SECRET.slice();
  const pair = await readKeyPair(bytes);
  bytes.fill(0);
  assert.deepEqual(pair.secretKey, SECRET);
});

test("A secret in the place of something else does not get into a message", async () => {
  const shared = keyToText("shared_secret", generateSharedSecret());
  const host = keyToText("host_secret", SECRET);
  const issuerSecret = keyToText("issuer_secret", issuer.secretKey);
  const claims = { clientId: 1, expiresAtMs: Date.now() + 60_000 };
  const token = await createToken(claims, issuerSecret);
  const any = (value: unknown) => value as never;
  const mistakes: [string, () => unknown][] = [
    [host, () => planHostSecurity(host)],
    [host, () => planHostSecurity({ keyPair: any(host) })],
    [host, () => planConnectSecurity({ serverKey: SERVERS[0], keyPair: any(`\n${host}`) })],
    [issuerSecret, () => planHostSecurity({ keyPair: any({}), tokens: any(issuerSecret) })],
    [
      issuerSecret,
      () => planHostSecurity({ keyPair: any({}), tokens: { issuers: any(issuerSecret) } }),
    ],
    [shared, () => planHostSecurity({ keyPair: any({}), tokens: { issuers: any(shared) } })],
    [token, () => planConnectSecurity(token)],
    [host, () => keyToText(any(host), "host_secret")],
    [issuerSecret, () => createToken(any(issuerSecret), any(claims))],
  ];
  for (const [secret, call] of mistakes) {
    const body = secret.slice(secret.lastIndexOf("_", 14) + 1);
    await assert.rejects(async () => await call(), (error: Error) => {
      assert.ok(error instanceof TypeError);
      assert.ok(!error.message.includes(body.slice(0, 8)), error.message);
      return true;
    });
  }
});

test("What is no key is refused, and a message never has the key in it", async () => {
  const text = keyToText("host_secret", SECRET);
  const body = text.slice("host_secret_".length);
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /not text of 0 characters with another beginning: copy all of it/],
    [body, /must be "host_secret_" and 43 characters of base64url, not text of 43 characters/],
    [`host_public_${body}`, /not a key of the kind host_public$/],
    [`issuer_secret_${body}${body}`, /not a key of the kind issuer_secret$/],
    [`${text}\n`, /not text with white space around it: use text\.trim\(\)$/],
    [text.slice(0, -1), /not text of 54 characters with that beginning: copy all of it/],
    [`${text}A`, /not text of 56 characters/],
    [`${text}=`, /not text of 56 characters/],
    [text.replace(/.$/, "+"), /not text of 55 characters/],
    [text.toUpperCase(), /with another beginning/],
    [toHex(SECRET), /not 64 hexadecimal digits: make bytes of them/],
  ];
  for (const [wrong, says] of cases) {
    await assert.rejects(readKeyPair(wrong), (error: Error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /^secretKey must be /);
      assert.match(error.message, says);
      assert.ok(!error.message.includes(body.slice(0, 20)), error.message);
      return true;
    });
  }
  for (const wrong of [undefined, null, 7, {}, SECRET.buffer, [...SECRET]]) {
    const says = "secretKey must be a host_secret key, as text or as a Uint8Array, not ";
    await refuses(() => readKeyPair(wrong as never), TypeError, says);
  }
  for (const length of [0, 31, 33, 64]) {
    const says = `secretKey must have the 32 bytes of a host_secret key, not ${length}`;
    await refuses(() => readKeyPair(new Uint8Array(length)), RangeError, says);
  }
  const pair = await generateKeyPair();
  const half = "not an object (Object) of two keys: pass its secretKey";
  await refuses(() => readKeyPair(pair as never), TypeError, half);
  const pending = Promise.resolve(SECRET);
  const says = "not an object (Promise): await it";
  await refuses(() => readKeyPair(pending as never), TypeError, says);
  await refuses(() => keyToText("host" as never, SECRET), TypeError, 'kind must be "host_public"');
  await refuses(() => keyToText(text as never, SECRET), TypeError, 'not "host_secret_…"');
  const passphrase = () => keyFromText("shared_secret", "hunter2");
  await refuses(passphrase, TypeError, "generateSharedSecret() makes one");
  await refuses(() => keyFromText("host_secret", SECRET as never), TypeError, "text must be a");
});

test("Bytes that nobody has filled in are no key", async () => {
  for (const kind of KINDS) {
    const empty = new Uint8Array(LENGTHS[kind]);
    const says = `not ${LENGTHS[kind]} bytes that are all 0`;
    await refuses(() => keyToText(kind, empty), RangeError, says);
  }
  const text = `host_public_${"A".repeat(43)}`;
  await refuses(() => keyFromText("host_public", text), RangeError, "bytes that are all 0");
});

test("An issuer's secret key with another public key in it is refused", async () => {
  const { publicKey } = await generateIssuerKeyPair();
  const mixed = new Uint8Array([...SEED, ...publicKey]);
  await refuses(() => readIssuerKeyPair(mixed), RangeError, "the public key is of another seed");
  const claims = { clientId: 1, expiresAtMs: Date.now() + 60_000 };
  await refuses(() => createToken(claims, mixed), RangeError, "issuerSecretKey must be an Ed255");
});

/** Calls with another `crypto`, as other runtimes and browsers have it. */
async function withCrypto<T>(crypto: unknown, call: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(globalThis, "crypto")!;
  Object.defineProperty(globalThis, "crypto", { configurable: true, get: () => crypto });
  try {
    return await call();
  } finally {
    Object.defineProperty(globalThis, "crypto", before);
  }
}

test("Where WebCrypto is missing or too old, the error says so", async () => {
  const { crypto } = globalThis;
  const unsupported = () => Promise.reject(new DOMException("Unrecognized", "NotSupportedError"));
  const getRandomValues = crypto.getRandomValues.bind(crypto);
  const insecure = { getRandomValues };
  const old = { getRandomValues, subtle: { importKey: unsupported } };
  const code = "ENETJS_ERR_SECURITY_UNAVAILABLE";
  for (const call of [generateKeyPair, generateIssuerKeyPair, () => readKeyPair(SECRET)]) {
    await withCrypto(insecure, () => refuses(call, code, "pages from https: and localhost"));
    await withCrypto(old, () => refuses(call, code, "WebCrypto has no ", "use a newer runtime"));
  }
  const token = await createToken(
    { clientId: 1, expiresAtMs: Date.now() + 60_000 },
    issuer.secretKey,
  );
  await withCrypto(old, () => refuses(() => readToken(token), code, "has no Ed25519"));
});

test("A key that is a point of small order is refused wherever a public key of a host stands", async () => {
  // Both points of order 8 are little-endian numbers of libsodium's list; the others are around 0 and 2^255 - 19.
  const points = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ].map(fromHex);
  for (const point of points) {
    for (const highest of [0, 0x80]) {
      const key = new Uint8Array(point);
      key[31] |= highest;
      assert.throws(
        () => planConnectSecurity({ serverKey: key }),
        /security\.serverKey must be .*: it is a point of small order/,
      );
      const claims = { clientId: 1, expiresAtMs: Date.now() + 60_000, servers: [key] };
      await assert.rejects(createToken(claims, issuer.secretKey), /claims\.servers\[0\] must be/);
    }
  }
});

test("console.log of a key pair shows the public key alone", async () => {
  const { Deno, Bun } = globalThis as unknown as Record<"Deno" | "Bun", typeof util | undefined>;
  const pairs = [
    ["host", await generateKeyPair()],
    ["host", await readKeyPair(SECRET)],
    ["issuer", await generateIssuerKeyPair()],
    ["issuer", await readIssuerKeyPair(issuer.secretKey)],
  ] as const;
  for (const [owner, pair] of pairs) {
    const shown = `KeyPair { ${keyToText(`${owner}_public`, pair.publicKey)}, secretKey hidden }`;
    for (const inspect of [util.inspect, (Deno ?? Bun ?? util).inspect]) {
      assert.equal(inspect(pair), shown);
      assert.ok(inspect({ security: { keyPair: pair } }).includes(shown));
    }
    assert.deepEqual(Object.keys(pair), ["publicKey", "secretKey"]);
    assert.deepEqual(structuredClone(pair), pair);
  }
});
