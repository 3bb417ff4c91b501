/**
 * The table of a command's options, as the documentation has it.
 *
 * @module
 */
import { defaultOf, description, spelling } from "../../../lib/cli/help.ts";
import type { OptionTable } from "../../../lib/cli/options.ts";

/** Rows of a Markdown table, cells apart, without the header. */
export function optionRows(table: OptionTable): string[][] {
  return Object.entries(table).map(([name, option]) => {
    const initial = defaultOf(option);
    // Names in the text are code.
    const text = description(option).replace(
      /--[\w-]+|http:[^\s;]+|127\.0\.0\.1|wss:\/\//g,
      "`$&`",
    );
    return [`\`${spelling(name, option)}\``, text, initial === undefined ? "" : `\`${initial}\``];
  });
}
