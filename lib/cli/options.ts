/**
 * The options of a command as data: a table from which the parser, the check of a configuration file, `--help` and the
 * documentation come.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { nearest } from "../../ffi/_nearest.ts";
import { show } from "../../ffi/show.ts";

/** What every option has. */
interface OptionBase {
  /** A letter that stands for it. */
  readonly short?: string;
  /** What it is for, in the imperative or as a noun, without a full stop. */
  readonly help: string;
  /** What stands for its value in the help; none for a flag. */
  readonly value?: string;
  /** What the help says about the default, where it is not `initial`. */
  readonly told?: string;
}

/** It is there or not. */
interface FlagOption extends OptionBase {
  readonly kind: "flag";
}

/** A text. */
interface TextOption extends OptionBase {
  readonly kind: "text";
  readonly initial?: string;
}

/** An integer; or with the kind `seconds` any number. */
interface NumberOption extends OptionBase {
  readonly kind: "integer" | "seconds";
  readonly minimum: number;
  readonly maximum: number;
  readonly initial?: number;
}

/** One of some words. */
interface ChoiceOption extends OptionBase {
  readonly kind: "choice";
  readonly choices: readonly string[];
  readonly initial: string;
}

/** Texts: the option may come several times. */
interface ListOption extends OptionBase {
  readonly kind: "list";
}

/** An option. */
export type Option = FlagOption | TextOption | NumberOption | ChoiceOption | ListOption;

/** Options by their long names. */
export type OptionTable = Readonly<Record<string, Option>>;

type GivenValue<O extends Option> = O extends FlagOption ? boolean
  : O extends NumberOption ? number
  : O extends ChoiceOption ? O["choices"][number]
  : O extends ListOption ? readonly string[]
  : string;

type OptionValue<O extends Option> = O extends FlagOption | ListOption ? GivenValue<O>
  : O extends { readonly initial: unknown } ? GivenValue<O>
  : GivenValue<O> | undefined;

/** The values of options: of all that have a default, and of those that were given. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: OptionValue<T[K]>;
};

/** A command was used in a wrong way. The message says how to correct it. */
export class UsageError extends Error {
  /** Makes the error. */
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "UsageError";
  }
}

/** The values as they came: of the command line as text, of a configuration file as JSON. */
type Given = Map<string, unknown>;

/** A long name as it is written. */
const written = (name: string) => `--${name}`;

function unknownOption(name: string, table: OptionTable, prefix: string): UsageError {
  const meant = nearest(name, Object.keys(table), {});
  const hint = meant === undefined ? "" : ` (did you mean ${prefix}${meant}?)`;
  return new UsageError(`there is no option ${prefix}${name}${hint}`);
}

function checkNumber(value: unknown, { kind, minimum, maximum }: NumberOption): number | string {
  const pattern = kind === "integer" ? /^\d+$/ : /^\d+(\.\d+)?$/;
  const number = typeof value === "string" && pattern.test(value) ? Number(value) : value;
  const fits = typeof number === "number" && number >= minimum && number <= maximum &&
    (kind === "seconds" || Number.isInteger(number));
  return fits
    ? number
    : `${kind === "integer" ? "an integer" : "a number"} from ${minimum} to ${maximum}`;
}

/** The value that an option takes. @returns it, or in `expected` what it would have to be */
function check(value: unknown, option: Option): { value: unknown } | { expected: string } {
  switch (option.kind) {
    case "flag":
      return typeof value === "boolean" ? { value } : { expected: "true or false" };
    case "list": {
      const texts = Array.isArray(value) ? value : [value];
      const fit = texts.every((text) => typeof text === "string" && text !== "");
      return fit ? { value: texts } : { expected: "text, or an array of texts" };
    }
    case "choice":
      return option.choices.some((choice) => choice === value)
        ? { value }
        : { expected: option.choices.join(" or ") };
    case "text":
      return typeof value === "string" && value !== "" ? { value } : { expected: "text" };
    default: {
      const number = checkNumber(value, option);
      return typeof number === "number" ? { value: number } : { expected: number };
    }
  }
}

/** What the command line gives. */
function readArguments(table: OptionTable, args: readonly string[]): Given {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(table).map(([name, { kind, short }]) => [name, {
        type: kind === "flag" ? "boolean" as const : "string" as const,
        multiple: kind === "list",
        ...short && { short },
      }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given: Given = new Map();
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      throw new UsageError(`the argument ${show(token.value)} is one too many`);
    }
    const option = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (option === undefined) {
      if (token.rawName.startsWith("--")) throw unknownOption(token.name, table, "--");
      throw new UsageError(`there is no option ${token.rawName}`);
    }
    const { value } = token;
    if (option.kind === "flag") {
      if (value != null) {
        throw new UsageError(`${token.rawName} takes no value, and got ${show(value)}`);
      }
      given.set(token.name, true);
    } else if (value == null) {
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${option.value}`);
    } else {
      const before = option.kind === "list"
        ? given.get(token.name) as string[] | undefined
        : undefined;
      given.set(
        token.name,
        before === undefined && option.kind !== "list" ? value : [...before ?? [], value],
      );
    }
  }
  return given;
}

/** What a configuration file gives. */
function readConfiguration(table: OptionTable, path: string, excluded: readonly string[]): Given {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? "is not JSON" : "cannot be read";
    throw new UsageError(`${path} ${reason}: ${(cause as Error).message}`, { cause });
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new UsageError(`${path} must have an object of long names, not ${show(content)}`);
  }
  for (const name of Object.keys(content)) {
    if (!Object.hasOwn(table, name)) {
      throw new UsageError(`${path}: ${unknownOption(name, table, "").message}`);
    }
    if (excluded.includes(name)) {
      throw new UsageError(`${path}: ${name} is for the command line only`);
    }
  }
  return new Map(Object.entries(content));
}

/** The option of commands whose result programs may want to read. */
export const JSON_OPTION = {
  json: { kind: "flag", help: "print one line of JSON" },
} as const satisfies OptionTable;

/** Options that every command has. */
export const COMMON_OPTIONS = {
  config: {
    kind: "text",
    value: "FILE",
    help: "take options from a JSON file of long names; the command line wins",
  },
  version: { kind: "flag", short: "V", help: "print the version" },
  help: { kind: "flag", short: "h", help: "print this help" },
} as const satisfies OptionTable;

/**
 * Reads options from the command line, and from the file that `config` names.
 *
 * @param table the options of the command, with {@linkcode COMMON_OPTIONS}
 * @throws {UsageError} When an option does not exist, lacks its value or has one that it does not take.
 */
export function parseOptions<T extends OptionTable>(
  table: T,
  args: readonly string[],
): OptionValues<T & typeof COMMON_OPTIONS> {
  const ofLine = readArguments(table, args);
  const config = ofLine.get("config");
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    values[name] = option.kind === "flag" ? false : option.kind === "list" ? [] : option.initial;
  }
  const take = (given: Given, name: (name: string) => string) => {
    for (const [key, value] of given) {
      const checked = check(value, table[key]);
      if ("expected" in checked) {
        throw new UsageError(`${name(key)} must be ${checked.expected}, not ${show(value)}`);
      }
      values[key] = checked.value;
    }
  };
  // Whoever asks for help gets it, whatever a file says.
  if (typeof config === "string" && !ofLine.has("help") && !ofLine.has("version")) {
    const ofFile = readConfiguration(table, config, Object.keys(COMMON_OPTIONS));
    take(ofFile, (name) => `${config}: ${name}`);
  }
  take(ofLine, written);
  return values as OptionValues<T & typeof COMMON_OPTIONS>;
}
