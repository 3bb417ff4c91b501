/**
 * Completion scripts for shells, made of the definitions of the commands.
 *
 * @module
 */
import type { Command } from "../frame/command.ts";
import type { Operand, Option } from "../frame/options.ts";

/** The shells. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of the shells. */
export type Shell = typeof SHELLS[number];

/** What may follow an option, or be an operand. */
type Words = readonly string[] | "files" | "none" | "any";

function wordsOf({ value = "", ...of }: Option | Operand): Words {
  if ("kind" in of && of.kind === "flag") return "none";
  if ("choices" in of && of.choices !== undefined) return of.choices;
  return value === "FILE" || value === "PATH" ? "files" : "any";
}

/** The spellings of an option: `-p`, `--port`. */
const spellings = (name: string, { short }: Option) => [...short ? [`-${short}`] : [], `--${name}`];

/** Text within single quotation marks, for POSIX shells. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

function bashCommand({ name, operands, options }: Command): string {
  const values = Object.entries(options).flatMap(([long, option]) => {
    const words = wordsOf(option);
    if (words === "none") return [];
    const action = words === "files"
      ? "compopt -o default"
      : words === "any"
      ? ":"
      : `words=${quoted(words.join(" "))}`;
    return [`        ${spellings(long, option).join("|")}) ${action} ;;\n`];
  });
  const own = Object.entries(options).flatMap(([long, option]) => spellings(long, option));
  const choices = Object.values(operands).flatMap(({ choices = [] }) => choices);
  return `    ${name})
      case $previous in
${values.join("")}        *)
          case $current in
            -*) words=${quoted(own.join(" "))} ;;
            *) words=${quoted(choices.join(" "))} ;;
          esac ;;
      esac ;;
`;
}

function bash(commands: readonly Command[]): string {
  return `# Completion of enet for bash. In ~/.bashrc: eval "$(enet completion bash)"
_enet() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  case $COMP_CWORD:\${COMP_WORDS[1]} in
    1:*) words=${quoted(commands.map(({ name }) => name).join(" "))} ;;
    *) _enet_command "\${COMP_WORDS[1]}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
_enet_command() {
  case $1 in
${commands.map(bashCommand).join("")}  esac
}
complete -F _enet enet
`;
}

/** Text in the specification of an option for zsh. */
const zshText = (text: string) => text.replace(/[[\]:\\]/g, "\\$&");

function zshAction({ value = "", ...of }: Option | Operand): string {
  const words = wordsOf({ value, ...of } as Option);
  if (words === "none") return "";
  const action = words === "files" ? "_files" : words === "any" ? " " : `(${words.join(" ")})`;
  return `:${zshText(value)}:${action}`;
}

function zshCommand({ name, operands, options }: Command): string {
  const specs = Object.entries(options).flatMap(([long, option]) => {
    const all = spellings(long, option);
    const repeat = option.kind === "list" ? "*" : all.length > 1 ? `(${all.join(" ")})` : "";
    return all.map((one) => quoted(`${repeat}${one}[${zshText(option.help)}]${zshAction(option)}`));
  });
  const given = Object.values(operands).map((operand, index) =>
    quoted(`${index + 1}${operand.isOptional ? ":" : ""}${zshAction(operand)}`)
  );
  return `    ${name}) _arguments -s ${[...specs, ...given].join(" \\\n      ")} ;;\n`;
}

function zsh(commands: readonly Command[]): string {
  const told = commands.map(({ name, summary }) => `      ${quoted(`${name}:${summary}`)}\n`);
  return `#compdef enet
# Completion of enet for zsh. In ~/.zshrc, after compinit: eval "$(enet completion zsh)"
_enet() {
  local -a commands
  if (( CURRENT == 2 )); then
    commands=(
${told.join("")}    )
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${commands.map(zshCommand).join("")}  esac
}
compdef _enet enet
`;
}

function fishCommand({ name, summary, operands, options }: Command): string {
  const seen = `complete -c enet -n '__fish_seen_subcommand_from ${name}'`;
  const fishQuoted = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const lines = Object.entries(options).map(([long, option]) => {
    const words = wordsOf(option);
    const value = words === "none"
      ? ""
      : words === "files"
      ? " -r -F"
      : words === "any"
      ? " -x"
      : ` -x -a ${fishQuoted(words.join(" "))}`;
    const short = option.short ? ` -s ${option.short}` : "";
    return `${seen} -l ${long}${short}${value} -d ${fishQuoted(option.help)}\n`;
  });
  const given = Object.values(operands).flatMap(({ choices }) =>
    choices === undefined ? [] : [`${seen} -a ${fishQuoted(choices.join(" "))}\n`]
  );
  return `complete -c enet -n __fish_use_subcommand -a ${name} -d ${fishQuoted(summary)}\n` +
    given.join("") + lines.join("");
}

function fish(commands: readonly Command[]): string {
  return "# Completion of enet for fish. In ~/.config/fish/config.fish: enet completion fish | source\n" +
    `complete -c enet -f\n${commands.map(fishCommand).join("")}`;
}

/** The script that completes the commands in a shell. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return { bash, zsh, fish }[shell](commands);
}
