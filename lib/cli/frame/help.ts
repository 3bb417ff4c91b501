/**
 * The help of commands, made of their options. It fits a terminal of 80 columns.
 *
 * @module
 */
import type { Command } from "./command.ts";
import type { Operand, Option } from "./options.ts";
import { COLUMNS } from "./terminal.ts";
import { wrap } from "./text.ts";

/** Where the descriptions of options begin. */
const INDENT = 28;

/** What an option is when it is not given; `undefined` where that goes without saying. */
export function defaultOf(option: Option): string | undefined {
  if (option.told !== undefined) return option.told;
  return "initial" in option && option.initial !== undefined ? `${option.initial}` : undefined;
}

/** How an option is written: `-p, --port N`. */
export function spelling(name: string, { short, value }: Option): string {
  return `${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`;
}

/** What the help says of an option. */
export function description(option: Option): string {
  const choices = option.kind === "choice" ? `: ${option.choices.join(", ")}` : "";
  const repeatable = option.kind === "list" ? "; may be repeated" : "";
  return `${option.help}${choices}${repeatable}`;
}

/** How a command is written: `enet ping [OPTIONS] HOST:PORT`. */
export function usage({ name, operands }: Command): string {
  const words = Object.values(operands).map(({ value, isOptional }) =>
    isOptional ? ` [${value}]` : ` ${value}`
  );
  return `enet ${name} [OPTIONS]${words.join("")}`;
}

/** What the help says of an operand. */
export function operandDescription({ help, choices }: Operand): string {
  return choices === undefined ? help : `${help}: ${choices.join(", ")}`;
}

function row(left: string, text: string): string {
  const lines = wrap(text, COLUMNS - INDENT);
  const head = `  ${left}`;
  // A long name has a line of its own.
  const first = head.length >= INDENT ? `${head}\n${" ".repeat(INDENT)}` : head.padEnd(INDENT);
  return `${first}${lines.join(`\n${" ".repeat(INDENT)}`)}\n`;
}

/** The help of a command. */
export function commandHelp(command: Command): string {
  const { summary, operands, options, example, notes } = command;
  const given = Object.values(operands).map((operand) =>
    row(operand.value, operandDescription(operand))
  );
  const rows = Object.entries(options).map(([long, option]) => {
    const initial = defaultOf(option);
    const text = description(option) + (initial === undefined ? "" : ` [${initial}]`);
    return row(`${option.short ? "" : "    "}${spelling(long, option)}`, text);
  });
  const paragraphs = notes.map((note) => `\n${wrap(note, COLUMNS).join("\n")}\n`);
  return `Usage: ${usage(command)}\n\n${wrap(`${summary}.`, COLUMNS).join("\n")}\n\n` +
    (given.length > 0 ? `Operands:\n${given.join("")}\n` : "") +
    `Options:\n${rows.join("")}${paragraphs.join("")}\nExample:\n  ${example}\n`;
}

/** The help of `enet` itself. */
export function programHelp(commands: readonly Command[]): string {
  const rows = commands.map(({ name, summary }) => row(name, summary));
  return `Usage: enet COMMAND [OPTIONS]\n\nCommands:\n${rows.join("")}\n` +
    `enet COMMAND --help tells the options of a command; enet --version the version.\n`;
}
