/**
 * Keys and tokens are what docs/security-protocol.md says: `tests/programs/security_token.py` was written from that
 * page alone. Each side reads what the other has made, and both refuse the same for the same reasons.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  createToken,
  type ENetError,
  generateIssuerKeyPair,
  generateKeyPair,
  keyToText,
  readToken,
  type TokenFault,
} from "../../../lib/security/mod.ts";
import { toHex } from "../../../lib/internal/hex.ts";
import { spawnProgram } from "../../_helpers.ts";
import {
  asText,
  type Bytes,
  EXPIRY_MS,
  FIELDS,
  issuer,
  longest,
  malformed,
  SEED,
  SERVERS,
  signed,
  tokenOf,
} from "./_tokens.ts";

const FILE = fileURLToPath(new URL("../../programs/security_token.py", import.meta.url));
const PYTHON = "python3";

const skip = spawnSync(PYTHON, [FILE], { input: "" }).status === 0
  ? false
  : "python3 with PyNaCl or cryptography is not on this machine, so nobody else reads tokens";

if (skip) console.warn(`SKIPPED: ${skip}`);

/** What the statuses of the protocol are called here. */
const FAULTS: Record<number, TokenFault> = {
  2: "malformed",
  3: "foreign",
  4: "expired",
  5: "other_server",
};

/** An answer of the program in Python, as far as it is looked into here. */
interface Answer {
  readonly status?: number;
  readonly [field: string]: unknown;
}

/** The answers of the program in Python. */
async function ask(requests: readonly object[]): Promise<Answer[]> {
  await using program = spawnProgram(PYTHON, [FILE], { name: "security_token.py" });
  program.write(requests.map((request) => JSON.stringify(request)).join("\n"));
  return (await program.lines("", requests.length)).map((line) => JSON.parse(line));
}

const [HERE, ELSEWHERE] = SERVERS.map((server) => keyToText("host_public", server));
const ISSUER = keyToText("issuer_public", issuer.publicKey);

const reading = (read: string, now = EXPIRY_MS - 1) => ({
  ...{ read, now, issuers: [ISSUER], server: HERE },
});

/** The verdict of this library, as the program in Python gives it. */
async function verdict(text: string, nowMs = EXPIRY_MS - 1): Promise<Answer> {
  try {
    const token = await readToken(text, issuer.publicKey, { nowMs, server: HERE });
    return {
      status: 0,
      issuer: token.issuer,
      expiry: token.expiresAtMs,
      id: token.id,
      client: typeof token.clientId === "string"
        ? { text: token.clientId }
        : { number: `${token.clientId}` },
      servers: token.servers,
      user: toHex(token.userData),
    };
  } catch (error) {
    const fault = (error as ENetError).tokenFault;
    return { status: Number(Object.keys(FAULTS).find((status) => FAULTS[+status] === fault)) };
  }
}

test("Tokens and keys of this library are read in Python", { skip }, async () => {
  const [host, other] = [await generateKeyPair(), await generateIssuerKeyPair()];
  const claims = { expiresAtMs: 2 ** 53 - 1, servers: [HERE, ELSEWHERE], userData: "text ü" };
  const texts = await Promise.all([2n ** 64n - 1n, 0, "\uFEFF🐍\0", "x".repeat(128)].map(
    (clientId) => createToken({ ...claims, clientId }, issuer.secretKey),
  ));
  const answers = await ask([
    ...texts.map((text) => reading(text)),
    { secret: keyToText("host_secret", host.secretKey) },
    { secret: keyToText("issuer_secret", other.secretKey) },
  ]);
  assert.deepEqual(answers, [
    ...await Promise.all(texts.map((text) => verdict(text))),
    { public: keyToText("host_public", host.publicKey) },
    { public: keyToText("issuer_public", other.publicKey) },
  ]);
  for (const answer of answers.slice(0, texts.length)) assert.equal(answer.status, 0);
});

test("Tokens of Python are those of this library, byte by byte", { skip }, async () => {
  const some = [
    FIELDS,
    { ...FIELDS, clientId: 2n ** 64n - 1n, servers: [], userData: new Uint8Array(0) },
    { ...FIELDS, clientId: "x".repeat(128), servers: Array<Bytes>(8).fill(SERVERS[1]) },
    { ...FIELDS, expiresAtMs: 2 ** 53 - 1, userData: new Uint8Array(256).fill(7) },
  ];
  const answers = await ask(some.map(({ clientId, expiresAtMs, id, servers, userData }) => ({
    create: {
      seed: toHex(SEED),
      client: typeof clientId === "string" ? { text: clientId } : { number: `${clientId}` },
      expiry: expiresAtMs,
      id: toHex(id),
      servers: servers.map((server) => keyToText("host_public", server)),
      user: toHex(userData),
    },
  })));
  const expected = await Promise.all(some.map(tokenOf));
  assert.deepEqual(answers, expected.map((bytes) => ({ token: asText(bytes) })));
});

test("Both refuse the same tokens for the same reasons", { skip }, async () => {
  const good = await tokenOf();
  const large = await longest();
  const flipped = Array.from(good, (_, at) => {
    const changed = good.slice();
    changed[at] ^= 1 << at % 8;
    return changed;
  });
  const bytes = [
    ...[good, new Uint8Array([...good, 0]), large, new Uint8Array([...large, 0])],
    ...flipped,
    ...Array.from(good, (_, length) => good.slice(0, length)),
    ...await Promise.all(malformed().map(({ unsigned }) => signed(unsigned))),
    await tokenOf({ issuer: (await generateIssuerKeyPair()).publicKey }),
    await tokenOf({ servers: [SERVERS[1]] }),
    await tokenOf({ servers: [] }),
    await tokenOf({ expiresAtMs: 0 }),
  ];
  const text = asText(good);
  const texts = [
    ...bytes.map(asText),
    ...["", "token_", text.slice(6), `${text}=`, `${text}\n`, text.replace(/.$/, "+")],
    // Only bits beyond the last byte differ.
    text.replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1)),
  ];
  assert.notEqual(good.length % 3, 0, "there are such bits");
  const answers = await ask([
    ...texts.map((text) => reading(text)),
    ...[EXPIRY_MS, EXPIRY_MS + 1].map((now) => reading(text, now)),
  ]);
  const verdicts = [
    ...await Promise.all(texts.map((text) => verdict(text))),
    ...await Promise.all([EXPIRY_MS, EXPIRY_MS + 1].map((now) => verdict(text, now))),
  ];
  assert.deepEqual(answers, verdicts);
  const statuses = new Set(verdicts.map(({ status }) => status));
  assert.deepEqual([...statuses].sort(), [0, 2, 3, 4, 5]);
});
