/**
 * The operands and options of a command as data: tables from which the parser, the check of a configuration file,
 * `--help`, completion and the documentation come.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { nearest } from "../../../ffi/_nearest.ts";
import { show } from "../../../ffi/show.ts";

/** What every option has. */
interface OptionBase {
  /** A letter that stands for it. */
  readonly short?: string;
  /** What it is for, in the imperative or as a noun, without a full stop. */
  readonly help: string;
  /** What stands for its value in the help; none for a flag. `FILE` and `PATH` are completed as names of files. */
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

/** An integer, any number, or with the kind `seconds` a time: `10`, `10s`, `500ms`, `2m`. Its value is in seconds. */
interface NumberOption extends OptionBase {
  readonly kind: "integer" | "number" | "seconds";
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

/** What a command takes without a name before it. */
export interface Operand {
  /** What stands for it in the help: `HOST:PORT`. */
  readonly value: string;
  /** What it is, without a full stop. */
  readonly help: string;
  /** Whether it may be left out. Only the last ones may. */
  readonly isOptional?: boolean;
  /** The words that it may be. */
  readonly choices?: readonly string[];
}

/** Operands by their names, in order. */
export type OperandTable = Readonly<Record<string, Operand>>;

type OperandValue<P extends Operand> = P extends { readonly choices: readonly (infer C)[] } ? C
  : string;

/** The values of operands: of those that were given. */
export type OperandValues<T extends OperandTable> = {
  readonly [K in keyof T]: T[K] extends { readonly isOptional: true }
    ? OperandValue<T[K]> | undefined
    : OperandValue<T[K]>;
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

/** Seconds in the units of times. */
const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** What the kinds of numbers are called. */
const NUMBERS = {
  integer: "an integer",
  number: "a number",
  seconds: "a number of seconds",
} as const satisfies Record<NumberOption["kind"], string>;

function numberOf(text: string, kind: NumberOption["kind"]): number | string {
  if (kind === "integer") return /^\d+$/.test(text) ? Number(text) : text;
  const [, digits, unit] = text.match(/^(\d+(?:\.\d+)?)(ms|s|m|h)?$/) ?? [];
  if (digits === undefined || unit !== undefined && kind !== "seconds") return text;
  return Number(digits) * UNITS[unit ?? "s"];
}

function checkNumber(value: unknown, { kind, minimum, maximum }: NumberOption): number | string {
  const number = typeof value === "string" ? numberOf(value, kind) : value;
  const fits = typeof number === "number" && number >= minimum && number <= maximum &&
    (kind !== "integer" || Number.isInteger(number));
  return fits ? number : `${NUMBERS[kind]} from ${minimum} to ${maximum}`;
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

type Tokens = NonNullable<ReturnType<typeof parseArgs>["tokens"]>;

function tokensOf(table: OptionTable, args: readonly string[]): Tokens {
  return parseArgs({
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
  }).tokens;
}

/** Takes an option of the command line. */
function takeOption(
  given: Given,
  table: OptionTable,
  { name, rawName, value }: Extract<Tokens[number], { kind: "option" }>,
): void {
  const option = Object.hasOwn(table, name) ? table[name] : undefined;
  if (option === undefined) {
    if (rawName.startsWith("--")) throw unknownOption(name, table, "--");
    throw new UsageError(`there is no option ${rawName}`);
  }
  if (option.kind === "flag") {
    if (value != null) throw new UsageError(`${rawName} takes no value, and got ${show(value)}`);
    given.set(name, true);
  } else if (value == null) {
    throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value}`);
  } else if (option.kind === "list") {
    given.set(name, [...given.get(name) as string[] | undefined ?? [], value]);
  } else given.set(name, value);
}

/** What the command line gives: options, and operands in order. */
function readArguments(
  table: OptionTable,
  args: readonly string[],
): { options: Given; operands: string[] } {
  const options: Given = new Map();
  const operands: string[] = [];
  for (const token of tokensOf(table, args)) {
    if (token.kind === "positional") operands.push(token.value);
    else if (token.kind === "option") takeOption(options, table, token);
  }
  return { options, operands };
}

/** Gives operands their names. */
function nameOperands(table: OperandTable, given: readonly string[]): Record<string, string> {
  const entries = Object.entries(table);
  if (given.length > entries.length) {
    throw new UsageError(`the argument ${show(given[entries.length])} is one too many`);
  }
  const missing = entries.slice(given.length).find(([, { isOptional }]) => !isOptional);
  if (missing !== undefined) {
    throw new UsageError(`${missing[1].value} is missing: ${missing[1].help}`);
  }
  return Object.fromEntries(given.map((value, index) => {
    const [name, { value: told, choices }] = entries[index];
    if (choices !== undefined && !choices.includes(value)) {
      throw new UsageError(`${told} must be ${choices.join(" or ")}, not ${show(value)}`);
    }
    return [name, value];
  }));
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

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: { kind: "flag", help: "print results as lines of JSON, for programs" },
  config: {
    kind: "text",
    value: "FILE",
    help: "take options from a JSON file of long names; the command line wins",
  },
  version: { kind: "flag", short: "V", help: "print the version" },
  help: { kind: "flag", short: "h", help: "print this help" },
} as const satisfies OptionTable;

/** What a command line is read by. */
export interface Tables<P extends OperandTable, O extends OptionTable> {
  readonly operands: P;
  readonly options: O;
}

/**
 * Reads operands and options from the command line, and options from the file that `config` names. Where `help` or
 * `version` is asked for, operands may be missing.
 *
 * @throws {UsageError} When an option does not exist, lacks its value or has one that it does not take, and when an
 *   operand is missing or one too many.
 */
export function parseOptions<P extends OperandTable, O extends OptionTable>(
  { operands, options: table }: Tables<P, O>,
  args: readonly string[],
): OperandValues<P> & OptionValues<O> {
  const ofLine = readArguments(table, args);
  const { options } = ofLine;
  const config = options.get("config");
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
  // Whoever asks for help gets it, whatever a file says and an operand is.
  const isAsked = options.has("help") || options.has("version");
  if (typeof config === "string" && !isAsked) {
    const ofFile = readConfiguration(table, config, Object.keys(COMMON_OPTIONS));
    take(ofFile, (name) => `${config}: ${name}`);
  }
  take(options, written);
  if (!isAsked) Object.assign(values, nameOperands(operands, ofLine.operands));
  return values as OperandValues<P> & OptionValues<O>;
}
