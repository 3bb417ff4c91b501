/**
 * The command `enet keygen`: new keys, and the public key of a secret one.
 *
 * @module
 */
import process from "node:process";
import { show } from "../../ffi/show.ts";
import { type KeyKind, keyToText } from "../security/key.ts";
import {
  generateIssuerKeyPair,
  generateKeyPair,
  generateSharedSecret,
  type KeyPair,
  readIssuerKeyPair,
  readKeyPair,
} from "../security/key_pair.ts";
import { type Command, command } from "./command.ts";
import {
  COMMON_OPTIONS,
  JSON_OPTION,
  type OptionTable,
  type OptionValues,
  UsageError,
} from "./options.ts";
import { readSecret, writeSecret } from "./secrets.ts";

/** The options of `enet keygen`. */
export const KEYGEN_OPTIONS = {
  kind: {
    kind: "choice",
    value: "KIND",
    choices: ["host", "issuer", "shared"],
    initial: "host",
    help:
      "whose key: of a server or client, of who issues tokens, or of a server and all its clients",
  },
  out: {
    kind: "text",
    value: "FILE",
    help: "write the secret key to this new file, which only its owner can read",
  },
  stdout: { kind: "flag", help: "print the secret key, before the public key" },
  from: {
    kind: "text",
    value: "FILE",
    help: "make no key: print the public key of the secret one in this file; - is standard input",
  },
  ...JSON_OPTION,
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

type KeygenValues = OptionValues<typeof KEYGEN_OPTIONS>;

/** Keys as text. A shared secret has no public key. */
interface TextKeys {
  readonly secretKey: string;
  readonly publicKey?: string;
}

function textOf(owner: "host" | "issuer", { publicKey, secretKey }: KeyPair): TextKeys {
  return {
    secretKey: keyToText(`${owner}_secret`, secretKey),
    publicKey: keyToText(`${owner}_public`, publicKey),
  };
}

async function generate(kind: KeygenValues["kind"]): Promise<TextKeys> {
  if (kind === "shared") {
    return { secretKey: keyToText("shared_secret", generateSharedSecret()) };
  }
  return textOf(kind, await (kind === "host" ? generateKeyPair() : generateIssuerKeyPair()));
}

/** The keys of a secret one in a file. */
async function readKeys(path: string): Promise<TextKeys> {
  const text = await readSecret("--from", path);
  const kind = (["host_secret", "issuer_secret"] satisfies KeyKind[])
    .find((kind) => text.startsWith(`${kind}_`));
  if (kind === undefined) {
    throw new Error(
      `${
        show(path)
      } has no secret key with a public one: it must begin with host_secret_ or issuer_secret_`,
    );
  }
  try {
    return kind === "host_secret"
      ? textOf("host", await readKeyPair(text))
      : textOf("issuer", await readIssuerKeyPair(text));
  } catch (cause) {
    throw new Error(`${show(path)}: ${(cause as Error).message}`, { cause });
  }
}

/** Does what the command does, apart from printing. @returns what is printed */
export async function keygenOutput(values: KeygenValues): Promise<string> {
  const { kind, out, stdout, from, json } = values;
  if (Number(out !== undefined) + Number(stdout) + Number(from !== undefined) !== 1) {
    throw new UsageError(
      "say where the secret key goes, with either --out or --stdout; or where it is, with --from",
    );
  }
  const { secretKey, publicKey } = from === undefined ? await generate(kind) : await readKeys(from);
  if (out !== undefined) writeSecret(out, secretKey);
  const told = { ...stdout && { secretKey }, publicKey, file: out };
  if (json) return `${JSON.stringify(told)}\n`;
  return [told.secretKey, publicKey].filter((line) => line !== undefined)
    .map((line) => `${line}\n`).join("");
}

async function runKeygen(values: KeygenValues): Promise<number> {
  process.stdout.write(await keygenOutput(values));
  return 0;
}

/** The command. */
export const keygen: Command = command({
  name: "keygen",
  summary: "Make keys for encrypted hosts and for connect tokens",
  options: KEYGEN_OPTIONS,
  example: "enet keygen --kind issuer --stdout",
  notes: [
    "The public key goes to standard output. The files of --out and --from hold the secret key alone; --from " +
    "makes the public key of it.",
    "A file that is there already is not overwritten. Exit status: 0 when it is done, 1 after a failure, " +
    "2 for wrong usage.",
  ],
  run: runKeygen,
});
