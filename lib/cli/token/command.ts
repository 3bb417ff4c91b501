/**
 * The command `enet token`: makes connect tokens, and reads them.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { show } from "../../../ffi/show.ts";
import { toHex } from "../../internal/hex.ts";
import { dateOf, type TokenClaims } from "../../security/claims.ts";
import { readIssuerKeyPair } from "../../security/key_pair.ts";
import { type ConnectToken, createToken, readToken } from "../../security/token.ts";
import { type Command, command } from "../frame/command.ts";
import { UsageError } from "../frame/options.ts";
import { checkKey, readSecret, writeSecret } from "../frame/secrets.ts";
import type { Terminal } from "../frame/terminal.ts";
import { quoted } from "../frame/text.ts";
import { CREATING_OPTIONS, ISSUER_VARIABLE, TOKEN_OPTIONS, type TokenValues } from "./options.ts";

const LINES = {
  made: {
    help: "a token has been made",
    fields: {
      token: "unless `--out` is there",
      file: "with `--out`, where the token is",
      id: "of the token",
      expiresAtMs: "milliseconds since 1970",
    },
  },
  read: {
    help: "with `--read`, what the token says",
    fields: {
      verified: "whether `--issuer` was there; one that is not accepted is a failure",
      clientId: "who the client is, if that is text",
      clientNumber: "who the client is, if that is a number; as text",
      issuer: "public key of its issuer",
      id: "of the token",
      expiresAtMs: "milliseconds since 1970",
      servers: "public keys of the servers where it is good; none: all that know the issuer",
      userData: "for the server's program, in hexadecimal",
    },
  },
} as const;

type TokenTerminal = Terminal<typeof LINES>;

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
async function issuerKey(path: string | undefined, terminal: TokenTerminal): Promise<Uint8Array> {
  const text = path === undefined
    ? process.env[ISSUER_VARIABLE]
    : await readSecret("--key", path, terminal);
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

async function create(values: TokenValues, terminal: TokenTerminal): Promise<string> {
  const claims = claimsOf(values);
  const secretKey = await issuerKey(values.key, terminal);
  try {
    return await createToken(claims, secretKey);
  } catch (cause) {
    if (!(cause instanceof TypeError || cause instanceof RangeError)) throw cause;
    const message = cause.message.replace(/claims\.(\w+)/, (_, name) => OPTION_OF[name] ?? name);
    throw new UsageError(message, { cause });
  }
}

/** What a token says, for people. */
function rows(token: ConnectToken, isVerified: boolean): string[] {
  const { clientId, expiresAtMs, servers, userData } = token;
  return [
    `verified   ${isVerified ? "yes" : "no: anybody can have made it; verify it with --issuer"}`,
    `client     ${typeof clientId === "string" ? quoted(clientId) : clientId}`,
    `issuer     ${token.issuer}`,
    `id         ${token.id}`,
    `expires    ${dateOf(expiresAtMs)}`,
    `servers    ${servers.length === 0 ? "all that know the issuer" : servers.join(" ")}`,
    `user data  ${userData.length} bytes ${quoted(new TextDecoder().decode(userData))}`,
  ];
}

async function read(path: string, values: TokenValues, terminal: TokenTerminal): Promise<void> {
  const { issuer, server: [server] } = values;
  const token = await readToken(await readSecret("--read", path, terminal), issuer, { server });
  const { clientId, userData, ...others } = token;
  const isText = typeof clientId === "string";
  const verified = issuer !== undefined;
  terminal.print("read", {
    verified,
    clientId: isText ? clientId : undefined,
    clientNumber: isText ? undefined : `${clientId}`,
    ...others,
    userData: toHex(userData),
  }, rows(token, verified).join("\n"));
}

async function runToken(values: TokenValues, terminal: TokenTerminal): Promise<number> {
  checkTogether(values);
  if (values.read !== undefined) {
    await read(values.read, values, terminal);
    return 0;
  }
  const token = await create(values, terminal);
  const { id, expiresAtMs } = await readToken(token);
  const { out } = values;
  if (out !== undefined) writeSecret(out, token);
  const told = out === undefined ? token : undefined;
  terminal.print("made", { token: told, file: out, id, expiresAtMs }, told);
  return 0;
}

/** The command. */
export const token: Command = command({
  name: "token",
  summary: "Make a connect token for a client, or read one",
  operands: {},
  options: TOKEN_OPTIONS,
  lines: LINES,
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
