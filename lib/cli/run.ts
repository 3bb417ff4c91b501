/**
 * The program `enet`: finds the command, reads its operands and options, and runs it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { nearest } from "../../ffi/_nearest.ts";
import { buildFolder, version } from "../../ffi/_origin.ts";
import { show } from "../../ffi/show.ts";
import { COMMANDS } from "./commands.ts";
import type { Command } from "./frame/command.ts";
import { commandHelp, programHelp } from "./frame/help.ts";
import { parseOptions, UsageError } from "./frame/options.ts";
import { Stopped, Stopping } from "./frame/stopping.ts";
import { type Streams, Terminal } from "./frame/terminal.ts";

/** The version of the library; in a checkout that of `deno.json`. */
function libraryVersion(): string {
  if (version !== undefined) return version;
  if (buildFolder === undefined) return "unknown";
  return JSON.parse(readFileSync(new URL("../../deno.json", buildFolder), "utf8")).version;
}

/** The command of a name. */
function find(name: string): Command {
  const found = COMMANDS.find((command) => command.name === name);
  if (found !== undefined) return found;
  const meant = nearest(name, COMMANDS.map((command) => command.name), {});
  const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  throw new UsageError(`there is no command ${show(name)}${hint}`);
}

/** The values that all commands have. */
interface CommonValues {
  readonly json: boolean;
  readonly version: boolean;
  readonly help: boolean;
}

/** Runs a command with its arguments. */
async function runCommand(
  command: Command,
  args: readonly string[],
  streams: Streams,
): Promise<number> {
  const { name, linesTo = "stdout" } = command;
  const values = parseOptions(command, args);
  const { json: isJson, version, help } = values as unknown as CommonValues;
  if (help || version) {
    streams.stdout.write(help ? commandHelp(command) : `enet ${libraryVersion()}\n`);
    return 0;
  }
  using stopping = new Stopping(streams[linesTo]);
  const { signal: stop } = stopping;
  const onSignal = stopping.onSignal.bind(stopping);
  const terminal = new Terminal({ name, streams, isJson, linesTo, stop, onSignal });
  try {
    return await command.run(values as Parameters<Command["run"]>[0], terminal);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (!(error instanceof Stopped)) terminal.fail(error);
    return 1;
  } finally {
    terminal.close();
  }
}

async function runProgram(
  [first, ...rest]: readonly string[],
  streams: Streams,
): Promise<number> {
  if (first === "--help" || first === "-h") streams.stdout.write(programHelp(COMMANDS));
  else if (first === "--version" || first === "-V") {
    streams.stdout.write(`enet ${libraryVersion()}\n`);
  } else if (first === undefined) throw new UsageError("a command is missing");
  else if (first.startsWith("-")) throw new UsageError(`there is no option ${first}`);
  else return await runCommand(find(first), rest, streams);
  return 0;
}

/**
 * Runs `enet` with streams in place of those of the process.
 *
 * @returns the exit status
 */
export async function runWith(args: readonly string[], streams: Streams): Promise<number> {
  const name = COMMANDS.some((command) => command.name === args[0]) ? `enet ${args[0]}` : "enet";
  try {
    return await runProgram(args, streams);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    streams.stderr.write(`${name}: ${error.message}\nTry: ${name} --help\n`);
    return 2;
  }
}

/**
 * Runs `enet`.
 *
 * @param args the arguments of the command line
 * @returns the exit status: 0 when the command has done what it is for, 1 when it has not, 2 for wrong usage
 */
export function run(args: readonly string[]): Promise<number> {
  return runWith(args, process);
}
