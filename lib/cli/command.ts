/**
 * What a command of `enet` is.
 *
 * @module
 */
import type { COMMON_OPTIONS, OptionTable, OptionValues } from "./options.ts";

/** A command. */
export interface Command {
  /** Its name on the command line. */
  readonly name: string;
  /** What it does, in one line without a full stop. */
  readonly summary: string;
  /** Its options, with those that all commands have. */
  readonly options: OptionTable;
  /** A command line that works as it stands, in a POSIX shell. */
  readonly example: string;
  /** What else the help says, a paragraph each. */
  readonly notes: readonly string[];
  /**
   * Runs it.
   *
   * @returns its exit status: 0 at a clean end
   * @throws {UsageError} When options do not go together: status 2.
   * @throws {Error} When it fails: status 1. The message is printed.
   */
  run(values: OptionValues<OptionTable & typeof COMMON_OPTIONS>): Promise<number>;
}

/** Makes a command, whose `run` gets the values that its options have. */
export function command<T extends OptionTable>(
  definition: Omit<Command, "options" | "run"> & {
    readonly options: T;
    run(values: OptionValues<T>): Promise<number>;
  },
): Command {
  return definition as unknown as Command;
}
