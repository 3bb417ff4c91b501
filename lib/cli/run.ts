/**
 * The program `enet`: finds the command, reads its options and runs it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { nearest } from "../../ffi/_nearest.ts";
import { buildFolder, version } from "../../ffi/_origin.ts";
import { show } from "../../ffi/show.ts";
import type { Command } from "./command.ts";
import { gateway } from "./gateway.ts";
import { commandHelp, programHelp } from "./help.ts";
import { keygen } from "./keygen.ts";
import { parseOptions, UsageError } from "./options.ts";
import { token } from "./token.ts";

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [gateway, keygen, token];

/** The version of the library; in a checkout that of `deno.json`. */
function libraryVersion(): string {
  if (version !== undefined) return version;
  if (buildFolder === undefined) return "unknown";
  return JSON.parse(readFileSync(new URL("../../deno.json", buildFolder), "utf8")).version;
}

const print = (text: string) => void process.stdout.write(text);
const complain = (text: string) => void process.stderr.write(`${text}\n`);

/** The command of a name. */
function find(name: string): Command {
  const found = COMMANDS.find((command) => command.name === name);
  if (found !== undefined) return found;
  const meant = nearest(name, COMMANDS.map((command) => command.name), {});
  const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  throw new UsageError(`there is no command ${show(name)}${hint}`);
}

/** Runs a command with its arguments. */
async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const values = parseOptions(command.options, args);
  if (values.help) print(commandHelp(command));
  else if (values.version) print(`enet ${libraryVersion()}\n`);
  else return await command.run(values);
  return 0;
}

async function runProgram([first, ...rest]: readonly string[]): Promise<number> {
  if (first === "--help" || first === "-h") print(programHelp(COMMANDS));
  else if (first === "--version" || first === "-V") print(`enet ${libraryVersion()}\n`);
  else if (first === undefined) throw new UsageError("a command is missing");
  else if (first.startsWith("-")) throw new UsageError(`there is no option ${first}`);
  else return await runCommand(find(first), rest);
  return 0;
}

/**
 * Runs `enet`.
 *
 * @param args the arguments of the command line
 * @returns the exit status: 0 for help, version and a clean end, 1 for a failure, 2 for wrong usage
 */
export async function run(args: readonly string[]): Promise<number> {
  const name = COMMANDS.some((command) => command.name === args[0]) ? `enet ${args[0]}` : "enet";
  try {
    return await runProgram(args);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    complain(`${name}: ${message}`);
    if (!(error instanceof UsageError)) return 1;
    complain(`Try: ${name} --help`);
    return 2;
  }
}
