/**
 * What a command of `enet` is: a definition, from which parsing, `--help`, completion and `docs/command-line.md` come,
 * and a function that runs it.
 *
 * @module
 */
import {
  COMMON_OPTIONS,
  type OperandTable,
  type OperandValues,
  type OptionTable,
  type OptionValues,
} from "./options.ts";
import type { LineTable, Terminal } from "./terminal.ts";

/** The values that a command gets: of its operands and of its options, by their names. */
export type Values<P extends OperandTable, O extends OptionTable> =
  & OperandValues<P>
  & OptionValues<O & typeof COMMON_OPTIONS>;

/** A command, as a file defines it. */
export interface Definition<P extends OperandTable, O extends OptionTable, L extends LineTable> {
  /** Its name on the command line. */
  readonly name: string;
  /** What it does, in one line without a full stop. */
  readonly summary: string;
  /** What it takes besides options, in order. Their names differ from those of the options. */
  readonly operands: P;
  /** Its own options. {@linkcode command} adds those that all commands have. */
  readonly options: O;
  /** The lines that `--json` prints, by their types. */
  readonly lines: L;
  /**
   * Where lines go. `"stderr"` is for a command whose standard output has the data of others.
   * Default `"stdout"`.
   */
  readonly linesTo?: "stdout" | "stderr";
  /** A command line that works as it stands, in a POSIX shell. */
  readonly example: string;
  /** What else the help says, a paragraph each. */
  readonly notes: readonly string[];
  /**
   * Runs it. When `terminal.stop` aborts, it prints what is known so far and returns.
   *
   * @returns its exit status: 0 when it has done what it is for, 1 when it has not
   * @throws {UsageError} When values do not go together: status 2.
   * @throws {Error} When it fails: status 1. The message is printed.
   */
  run(values: Values<P, O>, terminal: Terminal<L>): Promise<number>;
}

/** A command, whatever its tables are. */
export type Command = Definition<OperandTable, OptionTable, LineTable>;

/** Makes a command of its definition, whose `run` gets the values that its own tables describe. */
export function command<
  const P extends OperandTable,
  const O extends OptionTable,
  const L extends LineTable,
>(definition: Definition<P, O, L>): Command {
  const options = { ...definition.options, ...COMMON_OPTIONS };
  return { ...definition, options } as unknown as Command;
}
