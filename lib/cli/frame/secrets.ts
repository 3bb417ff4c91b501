/**
 * Where commands get secrets from, and where they put them: files, standard input and output, and environment
 * variables. Never arguments, which other users of the machine see.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { show } from "../../../ffi/show.ts";
import { UsageError } from "./options.ts";
import type { Terminal } from "./terminal.ts";

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
  terminal: Pick<Terminal, "readInput">,
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
