/**
 * Where commands get secrets from, and where they put them: files, standard input and output, and environment
 * variables. Never arguments, which other users of the machine see.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { show } from "../../../ffi/show.ts";
import { keyFromText, type KeyKind } from "../../security/key.ts";
import { type KeyPair, readKeyPair } from "../../security/key_pair.ts";
import { UsageError } from "./options.ts";
import type { Terminal } from "./terminal.ts";

/** What is needed of a terminal. */
type Reader = Pick<Terminal, "readInput">;

/**
 * Refuses text that is no key of a kind.
 *
 * @param option the option that has it, for messages
 * @throws {UsageError}
 */
export function checkKey(option: string, kind: KeyKind, text: string): void {
  try {
    keyFromText(kind, text);
  } catch (cause) {
    throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Reads a key or a token from a file.
 *
 * @param option the option that names the file, for messages
 * @param path the file; `-` is standard input
 * @param terminal what has the standard input
 * @returns the text without the white space around it
 * @throws {UsageError} When the path is a secret itself.
 */
export async function readSecret(
  option: string,
  path: string,
  terminal: Reader,
): Promise<string> {
  if (/^(\w+_secret|token)_[\w-]{40,}$/.test(path)) {
    throw new UsageError(
      `${option} is the name of a file: other users of this machine see the arguments of programs, ` +
        "so write the secret to a file",
    );
  }
  const text = path === "-" ? await terminal.readInput() : readFileSync(path, "utf8");
  return text.trim();
}

/** Reads a pre-shared key from a file. */
export async function readSharedSecret(
  option: string,
  path: string,
  terminal: Reader,
): Promise<Uint8Array> {
  return await ofFile(path, keyFromText)("shared_secret", await readSecret(option, path, terminal));
}

/** Reads both keys of a host from the file of its secret one. */
export async function readHostKeys(
  option: string,
  path: string,
  terminal: Reader,
): Promise<KeyPair> {
  return await ofFile(path, readKeyPair)(await readSecret(option, path, terminal));
}

/** Has the complaints of a function begin with the name of a file. */
function ofFile<A extends unknown[], R>(
  path: string,
  read: (...args: A) => R | Promise<R>,
): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      return await read(...args);
    } catch (cause) {
      throw new Error(`${show(path)}: ${(cause as Error).message}`, { cause });
    }
  };
}

/**
 * Writes a secret and a line feed to a new file, which only its owner can read.
 *
 * @throws {Error} When the file is there already.
 */
export function writeSecret(path: string, secret: string): void {
  try {
    writeFileSync(path, `${secret}\n`, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "EEXIST") throw cause;
    throw new Error(`${show(path)} is there already: take another name, or remove it first`, {
      cause,
    });
  }
}
