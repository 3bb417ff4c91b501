/**
 * The command `enet completion`: what a shell needs to complete the others.
 *
 * @module
 */
import { type Command, command } from "../frame/command.ts";
import { completionScript, SHELLS } from "./scripts.ts";

const OPERANDS = {
  shell: { value: "SHELL", help: "the shell", choices: SHELLS },
} as const;

const LINES = {
  script: { help: "always", fields: { shell: "the shell", script: "for it" } },
} as const;

/** Makes the command. @param commands all of them, with this one */
export function completionOf(commands: () => readonly Command[]): Command {
  return command({
    name: "completion",
    summary: "Print a script with which a shell completes enet",
    operands: OPERANDS,
    options: {},
    lines: LINES,
    example: "enet completion bash > enet.bash",
    notes: [
      "The script has a line at its top that says where it goes. It needs no program when it completes: it has all " +
      "commands and options of this version.",
    ],
    run({ shell }, terminal) {
      const script = completionScript(shell, commands());
      terminal.print("script", { shell, script }, script.trimEnd());
      return Promise.resolve(0);
    },
  });
}
