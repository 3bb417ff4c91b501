/**
 * `docs/command-line.md`, made of the definitions of the commands and of their recorded sessions. What stands above the
 * mark in it is written by hand.
 *
 * @module
 */
import { COMMANDS } from "../../../lib/cli/commands.ts";
import type { Command } from "../../../lib/cli/frame/command.ts";
import {
  defaultOf,
  description,
  operandDescription,
  spelling,
  usage,
} from "../../../lib/cli/frame/help.ts";
import { COMMON_OPTIONS, type OptionTable } from "../../../lib/cli/frame/options.ts";
import { COMMON_LINES, type LineTable } from "../../../lib/cli/frame/terminal.ts";

/** Where the part begins that is made. */
export const MARK = "<!-- What follows is made by `deno task docs`. -->\n";

/** Names in prose, as code. */
const coded = (text: string) =>
  text.split(/(`[^`]*`)/).map((part) =>
    part.startsWith("`") ? part : part
      .replace(/(^|[\s(])(--?[a-z][\w-]*)/gi, "$1`$2`")
      .replace(
        /https?:\/\/[^\s;,]+|wss?:\/\/|127\.0\.0\.1|\b0\.0\.0\.0\b|\benet [a-z]+( chat| sink)?\b/g,
        "`$&`",
      )
  ).join("");

const cell = (text: string) => text.replaceAll("|", "\\|");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))];
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function optionRows(options: OptionTable): string[][] {
  return Object.entries(options).map(([name, option]) => {
    const initial = defaultOf(option);
    return [
      `\`${spelling(name, option)}\``,
      coded(description(option)),
      initial === undefined ? "" : `\`${initial}\``,
    ];
  });
}

function lineRows(lines: LineTable): string[][] {
  return Object.entries(lines).flatMap(([type, { help, fields }]) => [
    [`\`${type}\``, "", coded(help)],
    ...Object.entries(fields).map(([name, text]) => ["", `\`${name}\``, coded(text)]),
  ]);
}

/** The options of a command without those that all commands have. */
function ownOptions({ options }: Command): OptionTable {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !(name in COMMON_OPTIONS)));
}

function commandSection(command: Command, session: string): string {
  const { name, summary, operands, lines, example, notes, linesTo } = command;
  const own = ownOptions(command);
  const given = Object.values(operands).map((operand) => [
    `\`${operand.value}\``,
    coded(operandDescription(operand)) + (operand.isOptional ? "; may be left out" : ""),
  ]);
  return [
    `## enet ${name}\n\n${coded(`${summary}.`)}\n\n\`\`\`sh\n${usage(command)}\n\`\`\`\n`,
    ...notes.map((note) => `${coded(note)}\n`),
    `For example: \`${example}\`\n`,
    ...given.length > 0 ? [table(["operand", "what it is"], given)] : [],
    ...Object.keys(own).length > 0
      ? [table(["option", "what it does", "default"], optionRows(own))]
      : [],
    `A session:\n\n\`\`\`console\n${session}\`\`\`\n`,
    `The lines of \`--json\`${linesTo === "stderr" ? ", which go to standard error" : ""}:\n`,
    table(["type", "field", "what it says"], lineRows(lines)),
  ].join("\n");
}

/** The part of the page that is made. @param sessions of the commands, by their names */
export function madePart(sessions: ReadonlyMap<string, string>): string {
  const overview = COMMANDS.map(({ name, summary }) => [
    `[\`enet ${name}\`](#enet-${name})`,
    coded(summary),
  ]);
  return [
    MARK,
    "## What all commands have\n",
    table(["command", "what it does"], overview),
    table(["option", "what it does", "default"], optionRows(COMMON_OPTIONS)),
    "With `--json`, every command may also print:\n",
    table(["type", "field", "what it says"], lineRows(COMMON_LINES)),
    ...COMMANDS.map((command) => commandSection(command, sessions.get(command.name)!)),
  ].join("\n");
}
