/**
 * The command `enet token`: makes connect tokens, and reads them.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { show } from "../../ffi/show.ts";
import { toHex } from "../internal/hex.ts";
import { dateOf, type TokenClaims } from "../security/claims.ts";
import { keyFromText, type KeyKind } from "../security/key.ts";
import { readIssuerKeyPair } from "../security/key_pair.ts";
import { type ConnectToken, createToken, readToken } from "../security/token.ts";
import { type Command, command } from "./command.ts";
import { UsageError } from "./options.ts";
import { readSecret, writeSecret } from "./secrets.ts";
import {
  CREATING_OPTIONS,
  ISSUER_VARIABLE,
  TOKEN_OPTIONS,
  type TokenValues,
} from "./token_options.ts";

/** Refuses text that is no key of a kind. */
function checkKey(option: string, kind: KeyKind, text: string): void {
  try {
    keyFromText(kind, text);
  } catch (cause) {
    throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
  }
}

function checkTogether(values: TokenValues): void {
  for (const server of values.server) checkKey("--server", "host_public", server);
  if (values.issuer !== undefined) checkKey("--issuer", "issuer_public", values.issuer);
  const clients = [values["client-id"], values["client-number"]].filter((id) => id !== undefined);
  if (values.read === undefined) {
    if (values.issuer !== undefined) throw new UsageError("--issuer is for --read: add it");
    if (clients.length !== 1) {
      throw new UsageError("say who the client is, with either --client-id or --client-number");
    }
    if (values["user-data"] !== undefined && values["user-data-file"] !== undefined) {
      throw new UsageError(
        "--user-data and --user-data-file are two ways to say the same: leave one out",
      );
    }
    return;
  }
  const name = CREATING_OPTIONS.find((name) => values[name] !== undefined);
  if (name !== undefined) {
    throw new UsageError(`--${name} is for making a token: leave it out, or leave --read out`);
  }
  if (values.server.length > 1) throw new UsageError("--server can be there once with --read");
  if (values.server.length > 0 && values.issuer === undefined) {
    throw new UsageError("--server is for a token that is verified: add --issuer");
  }
}

/** The issuer's secret key, of a file or of the environment. */
async function issuerKey(path: string | undefined): Promise<Uint8Array> {
  const text = path === undefined ? process.env[ISSUER_VARIABLE] : await readSecret("--key", path);
  if (!text) {
    throw new UsageError(
      `the issuer's secret key is missing: name its file with --key, or set ${ISSUER_VARIABLE}`,
    );
  }
  try {
    return (await readIssuerKeyPair(text)).secretKey;
  } catch (cause) {
    const place = path === undefined ? ISSUER_VARIABLE : show(path);
    throw new Error(`${place}: ${(cause as Error).message}`, { cause });
  }
}

function clientOf(values: TokenValues): bigint | string {
  const number = values["client-number"];
  if (number === undefined) return values["client-id"]!;
  if (!/^\d{1,20}$/.test(number)) {
    throw new UsageError(
      `--client-number must be a number from 0 to 2^64 - 1, not ${show(number)}`,
    );
  }
  return BigInt(number);
}

function claimsOf(values: TokenValues): TokenClaims {
  const file = values["user-data-file"];
  const lifeMs = (values["expires-in"] ?? 60) * 1000;
  return {
    clientId: clientOf(values),
    expiresAtMs: Math.ceil(Date.now() + lifeMs),
    servers: values.server,
    userData: file === undefined ? values["user-data"] ?? "" : new Uint8Array(readFileSync(file)),
  };
}

/** The claims by the names of their options. */
const OPTION_OF: Readonly<Record<string, string>> = {
  clientId: "the client id",
  servers: "--server",
  userData: "the user data",
};

async function create(values: TokenValues): Promise<string> {
  const claims = claimsOf(values);
  const secretKey = await issuerKey(values.key);
  try {
    return await createToken(claims, secretKey);
  } catch (cause) {
    if (!(cause instanceof TypeError || cause instanceof RangeError)) throw cause;
    const message = cause.message.replace(/claims\.(\w+)/, (_, name) => OPTION_OF[name] ?? name);
    throw new UsageError(message, { cause });
  }
}

/** What a token says, as JSON has it. */
function plain(token: ConnectToken, isVerified: boolean): Record<string, unknown> {
  const { clientId, userData, ...others } = token;
  return {
    verified: isVerified,
    ...typeof clientId === "string" ? { clientId } : { clientNumber: `${clientId}` },
    ...others,
    userData: toHex(userData),
  };
}

/** Text of strangers on one line, without what terminals obey. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** What a token says, for people. */
function rows(token: ConnectToken, isVerified: boolean): string[] {
  const { clientId, expiresAtMs, servers, userData } = token;
  return [
    `verified   ${isVerified ? "yes" : "no: anybody can have made it; verify it with --issuer"}`,
    `client     ${typeof clientId === "string" ? quote(clientId) : clientId}`,
    `issuer     ${token.issuer}`,
    `id         ${token.id}`,
    `expires    ${dateOf(expiresAtMs)}`,
    `servers    ${servers.length === 0 ? "all that know the issuer" : servers.join(" ")}`,
    `user data  ${userData.length} bytes ${quote(new TextDecoder().decode(userData))}`,
  ];
}

/** Does what the command does, apart from printing. @returns what is printed */
export async function tokenOutput(values: TokenValues): Promise<string> {
  checkTogether(values);
  const { read, issuer, server: [server], out, json } = values;
  if (read !== undefined) {
    const token = await readToken(await readSecret("--read", read), issuer, { server });
    const isVerified = issuer !== undefined;
    if (json) return `${JSON.stringify(plain(token, isVerified))}\n`;
    return rows(token, isVerified).map((row) => `${row}\n`).join("");
  }
  const token = await create(values);
  if (out !== undefined) writeSecret(out, token);
  if (!json) return out === undefined ? `${token}\n` : "";
  const { id, expiresAtMs } = await readToken(token);
  const made = out === undefined ? { token } : { file: out };
  return `${JSON.stringify({ ...made, id, expiresAtMs })}\n`;
}

async function runToken(values: TokenValues): Promise<number> {
  process.stdout.write(await tokenOutput(values));
  return 0;
}

/** The command. */
export const token: Command = command({
  name: "token",
  summary: "Make a connect token for a client, or read one",
  options: TOKEN_OPTIONS,
  example:
    'ENETJS_ISSUER_SECRET="$(enet keygen --kind issuer --stdout | head -n 1)" enet token --client-id alice',
  notes: [
    `The issuer's secret key comes from --key or from the environment variable ${ISSUER_VARIABLE}. It is never ` +
    "an argument, which other users of the machine could see.",
    "The token goes to standard output, unless --out is there. Whoever has it first can use it.",
    "With --read and --issuer, a token is verified as a server does it. Exit status: 0 when it is done, 1 after " +
    "a failure and for a token that is not accepted, 2 for wrong usage.",
  ],
  run: runToken,
});
