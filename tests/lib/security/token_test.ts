/** What tokens say, who made them, and until when they are good. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  createToken,
  type ENetError,
  generateIssuerKeyPair,
  keyToText,
  readToken,
  type TokenClaims,
  type TokenFault,
} from "../../../lib/security/mod.ts";
import { root } from "../../../tools/_run.ts";
import { refuses } from "../_refuses.ts";
import {
  asText,
  EXPIRY_MS,
  FIELDS,
  issuer,
  longest,
  malformed,
  SERVERS,
  signed,
  tokenOf,
} from "./_tokens.ts";

const { publicKey, secretKey } = issuer;
const SERVER_TEXTS = SERVERS.map((server) => keyToText("host_public", server));
const IN_TIME = { nowMs: EXPIRY_MS - 1 };

/** Fails unless a token is refused for this reason, with a message that does not contain the token. */
async function isRefused(
  reading: Promise<unknown>,
  fault: TokenFault | readonly TokenFault[],
  says: RegExp = /./,
): Promise<void> {
  const error = await reading.then(() => undefined, (error: ENetError) => error);
  assert.equal(error?.code, "ENETJS_ERR_SECURITY_TOKEN", `accepted: ${error}`);
  assert.ok([fault].flat().includes(error.tokenFault!), error.message);
  assert.match(error.message, says);
}

/** Claims that are good for a minute. */
const claims = (more: Partial<TokenClaims> = {}): TokenClaims => ({
  clientId: "alice",
  expiresAtMs: Date.now() + 60_000,
  ...more,
});

test("What is claimed is read: client ids, servers and user data of all lengths", async () => {
  const ids = [0, 42, 2 ** 53 - 1, 0n, 2n ** 64n - 1n, "42", "é".repeat(64), "\uFEFFa\0b", "🐍"];
  const userData = [undefined, "", "text ü", new Uint8Array(256).fill(255), new Uint8Array(0)];
  const servers = [undefined, [], SERVERS, SERVER_TEXTS, Array(8).fill(SERVERS[0])];
  for (let index = 0; index < 15; index++) {
    const given = {
      clientId: ids[index % ids.length],
      userData: userData[index % userData.length],
      servers: servers[Math.floor(index / 3)],
    };
    const claimed = claims(given);
    const read = await readToken(await createToken(claimed, secretKey), publicKey);
    const { clientId } = given;
    const { userData: data = "" } = given;
    assert.match(read.id, /^[\da-f]{32}$/);
    assert.deepEqual(read, {
      issuer: keyToText("issuer_public", publicKey),
      id: read.id,
      clientId: typeof clientId === "number" ? BigInt(clientId) : clientId,
      expiresAtMs: claimed.expiresAtMs,
      servers: (given.servers ?? []).map((server) => keyToText("host_public", server)),
      userData: typeof data === "string" ? new TextEncoder().encode(data) : data,
    });
  }
});

test("Keys are taken as text, too, and each token has an id of its own", async () => {
  const secret = keyToText("issuer_secret", secretKey);
  const tokens = await Promise.all([1, 2, 3].map(() => createToken(claims(), secret)));
  const issuerText = keyToText("issuer_public", publicKey);
  const read = await Promise.all(tokens.map((token) => readToken(token, issuerText)));
  assert.equal(new Set(read.map(({ id }) => id)).size, 3);
  for (const token of tokens) assert.match(token, /^token_[\w-]+$/);
});

test("The bytes are those of the example in docs/security-protocol.md", async () => {
  const page = readFileSync(`${root}/docs/security-protocol.md`, "utf8");
  const lines = page.match(/^```\n(token_[^]*?)```$/m)?.[1];
  assert.equal(lines?.replaceAll("\n", ""), asText(await tokenOf()));
});

test("Claims of wrong types and beyond their limits are refused, and say what is allowed", async () => {
  const now = Date.now();
  const wrong: readonly (readonly [object, typeof TypeError | typeof RangeError, string])[] = [
    [{ clientId: undefined }, TypeError, "clientId must be a number, a bigint or text, not undef"],
    [{ clientId: null }, TypeError, "not null"],
    [{ clientId: new Uint8Array(8) }, TypeError, "not an object (Uint8Array)"],
    [{ clientId: "" }, RangeError, 'must have 1 to 128 bytes of UTF-8, not 0: ""'],
    [{ clientId: "é".repeat(65) }, RangeError, "must have 1 to 128 bytes of UTF-8, not 130"],
    [{ clientId: "a\uD800" }, TypeError, "must be well-formed text"],
    [{ clientId: -1 }, RangeError, "must be from 0 to 2^64 - 1, not -1"],
    [{ clientId: 1.5 }, RangeError, "must be an integer from 0 to 2^53 - 1, or a larger one as"],
    [{ clientId: NaN }, RangeError, "not NaN"],
    [{ clientId: 2 ** 53 }, RangeError, "a larger one as a bigint, not 9007199254740992"],
    [{ clientId: 2n ** 64n }, RangeError, "not 18446744073709551616n"],
    [{ expiresAtMs: undefined }, TypeError, "expiresAtMs must be a number, not undefined"],
    [{ expiresAtMs: new Date(now) }, TypeError, "not an object (Date)"],
    [{ expiresAtMs: now + 60_000.5 }, RangeError, "expiresAtMs must be an integer from 0 to"],
    [{ expiresAtMs: Infinity }, RangeError, "not Infinity"],
    [{ expiresAtMs: 2 ** 53 }, RangeError, "not 9007199254740992"],
    [{ expiresAtMs: now - 1 }, RangeError, `expiresAtMs is over: ${now - 1} is 20`],
    [{ expiresAtMs: 60_000 }, RangeError, "is 1970-01-01T00:01:00.000Z; it is in milliseconds"],
    [{ servers: SERVER_TEXTS[0] }, TypeError, "servers must be an array of public keys"],
    [{ servers: Array(9).fill(SERVERS[0]) }, RangeError, "servers must have 8 at most, not 9"],
    [{ servers: [SERVERS[0], 7] }, TypeError, "servers[1] must be a host_public key"],
    [{ servers: [keyToText("issuer_public", publicKey)] }, TypeError, "not a key of the kind iss"],
    [{ servers: [new Uint8Array(31)] }, RangeError, "servers[0] must have the 32 bytes"],
    [{ userData: 7 }, TypeError, "userData must be text or a Uint8Array, not 7"],
    [{ userData: [1] }, TypeError, "not an array of 1"],
    [{ userData: new Uint8Array(257) }, RangeError, "must have 256 bytes at most, not 257"],
    [{ userData: "é".repeat(129) }, RangeError, "must have 256 bytes at most, not 258"],
    [{ clientID: 7 }, TypeError, 'no option "clientID" (did you mean "clientId"?)'],
  ];
  for (const [change, fault, says] of wrong) {
    const given = { ...claims(), ...change };
    await refuses(() => createToken(given, secretKey), fault, "claims", says);
  }
  await refuses(() => createToken(null as never, secretKey), TypeError, "claims must be an object");
  const says = "issuerSecretKey must be";
  await refuses(() => createToken(claims(), undefined as never), TypeError, says, "undefined");
  const host = keyToText("host_secret", SERVERS[0]);
  await refuses(() => createToken(claims(), host), TypeError, says, "a key of the kind host_sec");
  await refuses(() => createToken(claims(), publicKey), RangeError, "the 64 bytes", "not 32");
});

test("Wrong arguments of readToken() are refused, and unknown options", async () => {
  const token = asText(await tokenOf());
  const bytes = new Uint8Array(8) as never;
  await refuses(() => readToken(bytes, publicKey), TypeError, "token must be text, not an object");
  await refuses(() => readToken(token, 7 as never), TypeError, "issuerPublicKey must be");
  await refuses(() => readToken(token, secretKey), RangeError, "the 32 bytes", "not 64");
  const read = (options: object) => () => readToken(token, publicKey, options);
  await refuses(read({ now: 7 }), TypeError, 'no option "now" (did you mean "nowMs"?)');
  await refuses(read({ nowMs: new Date() }), TypeError, "nowMs must be a number");
  await refuses(read({ server: "x" }), TypeError, 'server must be "host_public_"');
});

test("A token is good until its expiry by the clock that reads it, without tolerance", async () => {
  const token = asText(await tokenOf());
  const readAt = (nowMs: number) => readToken(token, publicKey, { nowMs });
  for (const nowMs of [0, EXPIRY_MS - 60_000, EXPIRY_MS - 1]) {
    assert.equal((await readAt(nowMs)).expiresAtMs, EXPIRY_MS);
  }
  await isRefused(readAt(EXPIRY_MS), "expired", /expired 0 ms ago, at 2027-01-15T08:00:00\.000Z/);
  await isRefused(readAt(EXPIRY_MS + 5), "expired", /expired 5 ms ago.*compare this clock with/);
  const last = asText(await tokenOf({ expiresAtMs: 2 ** 53 - 1 }));
  assert.equal((await readToken(last, publicKey)).expiresAtMs, 2 ** 53 - 1);
  await isRefused(
    readToken(asText(await tokenOf({ expiresAtMs: 1 })), publicKey),
    "expired",
    /, at 1970-01-01T00:00:00\.001Z: get another one/,
  );
});

test("A token of another issuer is foreign, also when it names the right one", async () => {
  const other = await generateIssuerKeyPair();
  const token = await createToken(claims(), other.secretKey);
  const [theirs, ours] = [other, issuer].map(({ publicKey }) =>
    keyToText("issuer_public", publicKey)
  );
  await isRefused(readToken(token, publicKey), "foreign", new RegExp(`${theirs}, not of ${ours}`));
  // Signed by the issuer of the tests, whose key is not the one in it.
  const forged = asText(await tokenOf({ issuer: other.publicKey }));
  await isRefused(readToken(forged, other.publicKey, IN_TIME), "foreign", /no valid signature of/);
});

test("A token for other servers is refused where a server is named", async () => {
  const [first, second] = SERVERS;
  const token = asText(await tokenOf({ servers: [first] }));
  const read = (server: Uint8Array, text = token) =>
    readToken(text, publicKey, { ...IN_TIME, server });
  assert.deepEqual((await read(first)).servers, [SERVER_TEXTS[0]]);
  await isRefused(read(second), "other_server", new RegExp(`not for ${SERVER_TEXTS[1]}`));
  assert.deepEqual((await read(second, asText(await tokenOf({ servers: [] })))).servers, []);
});

test("Without an issuer's key the token says what it says, and is not compared with the time", async () => {
  const token = asText(await tokenOf({ expiresAtMs: 1 }));
  assert.equal((await readToken(token)).clientId, FIELDS.clientId);
  const damaged = await tokenOf();
  damaged[41] ^= 1;
  await isRefused(readToken(asText(damaged)), "foreign", /damaged or forged/);
});

test("A token with a bit of any byte changed is refused", async () => {
  const bytes = await longest();
  assert.equal(bytes.length, 766);
  await readToken(asText(bytes), publicKey, IN_TIME);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at] ^= 1 << at % 8;
    await isRefused(readToken(asText(changed), publicKey, IN_TIME), ["malformed", "foreign"]);
  }
});

test("A token that is cut off anywhere, or has a byte more, is malformed", async () => {
  const bytes = await longest();
  for (let length = 0; length < bytes.length; length++) {
    const text = asText(bytes.subarray(0, length));
    await isRefused(readToken(text, publicKey, IN_TIME), "malformed", /ends after \d+ bytes/);
  }
  const short = await tokenOf();
  const longer = asText(new Uint8Array([...short, 0]));
  await isRefused(readToken(longer, publicKey, IN_TIME), "malformed", /1 bytes follow its end/);
  const longestOfAll = asText(new Uint8Array([...bytes, 0]));
  const says = /has 1029 characters, not 1028 at most/;
  await isRefused(readToken(longestOfAll, publicKey, IN_TIME), "malformed", says);
});

test("A signed token with a field that may not be is malformed", async () => {
  for (const { why, unsigned } of malformed()) {
    await isRefused(readToken(asText(await signed(unsigned)), publicKey), "malformed", why);
  }
});

test("Text that is no token is malformed, and the message does not repeat it", async () => {
  const good = asText(await tokenOf());
  const read = (text: string) => readToken(text, publicKey, IN_TIME);
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["", /does not begin with "token_"/],
    [good.slice(6), /does not begin with "token_"/],
    [`Bearer ${good}`, /does not begin with "token_"/],
    [`${good}\n`, /it is not base64url, or it was cut off/],
    [`${good}=`, /it is not base64url, or it was cut off/],
    [good.replace(/.$/, "+"), /it is not base64url, or it was cut off/],
    [`token_${"x".repeat(1_000_000)}`, /has 1000006 characters, not 1028 at most/],
    ["token_", /ends after 0 bytes/],
  ];
  for (const [text, says] of wrong) {
    await isRefused(read(text), "malformed", says);
    const message = await read(text).catch((error) => error.message);
    assert.match(message, /pass it on as createToken has returned it$/);
    assert.ok(!message.includes(good.slice(6, 26)));
  }
});
