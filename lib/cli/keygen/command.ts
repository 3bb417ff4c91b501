/**
 * The command `enet keygen`: new keys, and the public key of a secret one.
 *
 * @module
 */
import { show } from "../../../ffi/show.ts";
import { type KeyKind, keyToText } from "../../security/key.ts";
import {
  generateIssuerKeyPair,
  generateKeyPair,
  generateSharedSecret,
  type KeyPair,
  readIssuerKeyPair,
  readKeyPair,
} from "../../security/key_pair.ts";
import { type Command, command } from "../frame/command.ts";
import { type OptionTable, type OptionValues, UsageError } from "../frame/options.ts";
import { readSecret, writeSecret } from "../frame/secrets.ts";
import type { Terminal } from "../frame/terminal.ts";

const OPTIONS = {
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
} as const satisfies OptionTable;

const LINES = {
  key: {
    help: "the key has been made or read",
    fields: {
      secretKey: "with `--stdout`",
      publicKey: "unless it is a shared secret",
      file: "with `--out`, where the secret key is",
    },
  },
} as const;

type KeygenValues = OptionValues<typeof OPTIONS>;
type KeygenTerminal = Terminal<typeof LINES>;

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
async function readKeys(path: string, terminal: KeygenTerminal): Promise<TextKeys> {
  const text = await readSecret("--from", path, terminal);
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

async function runKeygen(values: KeygenValues, terminal: KeygenTerminal): Promise<number> {
  const { kind, out, stdout, from } = values;
  if (Number(out !== undefined) + Number(stdout) + Number(from !== undefined) !== 1) {
    throw new UsageError(
      "say where the secret key goes, with either --out or --stdout; or where it is, with --from",
    );
  }
  const { secretKey, publicKey } = from === undefined
    ? await generate(kind)
    : await readKeys(from, terminal);
  if (out !== undefined) writeSecret(out, secretKey);
  const told = { secretKey: stdout ? secretKey : undefined, publicKey };
  const keys = [told.secretKey, publicKey].filter((line) => line !== undefined);
  terminal.print("key", { ...told, file: out }, keys.length > 0 ? keys.join("\n") : undefined);
  return 0;
}

/** The command. */
export const keygen: Command = command({
  name: "keygen",
  summary: "Make keys for encrypted hosts and for connect tokens",
  operands: {},
  options: OPTIONS,
  lines: LINES,
  example: "enet keygen --kind issuer --stdout",
  notes: [
    "The public key goes to standard output. The files of --out and --from hold the secret key alone; --from " +
    "makes the public key of it.",
    "A file that is there already is not overwritten. Exit status: 0 when it is done, 1 after a failure, " +
    "2 for wrong usage.",
  ],
  run: runKeygen,
});
