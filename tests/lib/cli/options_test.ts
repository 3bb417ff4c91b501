import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import {
  COMMON_OPTIONS,
  type OptionTable,
  parseOptions,
  UsageError,
} from "../../../lib/cli/frame/options.ts";

const OPTIONS = {
  port: {
    kind: "integer",
    short: "p",
    value: "N",
    minimum: 0,
    maximum: 65535,
    initial: 80,
    help: "",
  },
  wait: { kind: "seconds", value: "S", minimum: 0, maximum: 10, help: "" },
  name: { kind: "text", value: "TEXT", help: "" },
  slow: { kind: "choice", value: "POLICY", choices: ["drop", "wait"], initial: "drop", help: "" },
  origin: { kind: "list", value: "O", help: "" },
  std: { kind: "flag", help: "" },
  ...COMMON_OPTIONS,
} as const satisfies OptionTable;

const TABLE = { operands: {}, options: OPTIONS };

const DEFAULTS = {
  port: 80,
  wait: undefined,
  name: undefined,
  slow: "drop",
  origin: [],
  std: false,
  json: false,
  config: undefined,
  version: false,
  help: false,
};

test("Options have defaults, may have a letter, and what is given last counts", () => {
  assert.deepEqual(parseOptions(TABLE, []), DEFAULTS);
  const args = "-p 1 --port=2 --wait 0.5 --name=a=b --slow wait --origin a --origin=b --std".split(
    " ",
  );
  assert.deepEqual(parseOptions(TABLE, args), {
    ...DEFAULTS,
    ...{ port: 2, wait: 0.5, name: "a=b", slow: "wait", origin: ["a", "b"], std: true },
  });
});

test("Times have units", () => {
  const times = { "10": 10, "10s": 10, "250ms": 0.25, "0.1m": 6 };
  for (const [text, seconds] of Object.entries(times)) {
    assert.equal(parseOptions(TABLE, ["--wait", text]).wait, seconds, text);
  }
});

test("Operands have names, and stand anywhere among options", () => {
  const operands = {
    address: { value: "HOST:PORT", help: "the server" },
    shell: { value: "SHELL", help: "which", choices: ["bash", "zsh"], isOptional: true },
  } as const;
  const parse = (line: string) =>
    parseOptions({ operands, options: OPTIONS }, line.split(" ").filter((word) => word !== ""));
  assert.equal(parse("localhost:7").address, "localhost:7");
  const { address, port, shell } = parse("[::1]:7 --port 2 zsh");
  assert.deepEqual([address, port, shell], ["[::1]:7", 2, "zsh"]);
  assert.equal(parse("--std -- --odd").address, "--odd");
  const wrong = {
    "": /^HOST:PORT is missing: the server$/,
    "a fish": /^SHELL must be bash or zsh, not "fish"$/,
    "a zsh c": /^the argument "c" is one too many$/,
  };
  for (const [line, says] of Object.entries(wrong)) {
    assert.throws(() => parse(line), { name: "UsageError", message: says }, line);
  }
  assert.equal(parse("--help").help, true);
});

test("Wrong usage says what is wrong, and the nearest name", () => {
  const wrong = {
    "--prot 1": /^there is no option --prot \(did you mean --port\?\)$/,
    "--xyzzy": /^there is no option --xyzzy$/,
    "--constructor": /^there is no option --constructor$/,
    "-x": /^there is no option -x$/,
    "extra": /^the argument "extra" is one too many$/,
    "-- extra": /^the argument "extra" is one too many$/,
    "--port": /^--port needs a value: --port N$/,
    "--std=yes": /^--std takes no value, and got "yes"$/,
    "--port 65536": /^--port must be an integer from 0 to 65535, not "65536"$/,
    "--port=-1": /^--port must be an integer from 0 to 65535, not "-1"$/,
    "--port 1e3": /^--port must be an integer/,
    "--port 0x10": /^--port must be an integer/,
    "--port=": /^--port must be an integer/,
    "--wait 11": /^--wait must be a number of seconds from 0 to 10, not "11"$/,
    "--wait 11000ms": /^--wait must be a number of seconds from 0 to 10, not "11000ms"$/,
    "--wait 1d": /^--wait must be a number of seconds/,
    "--slow maybe": /^--slow must be drop or wait, not "maybe"$/,
    "--name=": /^--name must be text, not ""$/,
  };
  for (const [args, message] of Object.entries(wrong)) {
    assert.throws(() => parseOptions(TABLE, args.split(" ")), (error: Error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      return true;
    }, args);
  }
});

test("A configuration file has long names, and the command line wins", (t) => {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-options-`);
  t.after(() => rmSync(folder, { recursive: true }));
  const file = `${folder}/options.json`;
  const parse = (content: unknown, args: string[] = []) => {
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    return parseOptions(TABLE, ["--config", file, ...args]);
  };
  const content = { port: 1, wait: 2.5, slow: "wait", origin: ["a"], std: true };
  assert.deepEqual(parse(content), { ...DEFAULTS, ...content, config: file });
  assert.deepEqual(parse(content, ["-p", "3", "--origin", "b"]), {
    ...DEFAULTS,
    ...content,
    ...{ config: file, port: 3, origin: ["b"] },
  });
  assert.deepEqual(parse({ origin: "one" }).origin, ["one"]);
  const wrong: [unknown, RegExp][] = [
    [{ prot: 1 }, /: there is no option prot \(did you mean port\?\)$/],
    [{ __proto__: null, constructor: 1 }, /: there is no option constructor$/],
    [{ port: 1.5 }, /: port must be an integer from 0 to 65535, not 1\.5$/],
    [{ port: null }, /: port must be an integer/],
    [{ std: "yes" }, /: std must be true or false, not "yes"$/],
    [{ origin: [1] }, /: origin must be text, or an array of texts/],
    [{ help: true }, /: help is for the command line only$/],
    [{ config: "other.json" }, /: config is for the command line only$/],
    [[1], /must have an object of long names/],
    ["{", /is not JSON/],
  ];
  for (const [content, message] of wrong) {
    assert.throws(() => parse(content), message, JSON.stringify(content));
  }
  assert.throws(() => parseOptions(TABLE, ["--config", `${folder}/none`]), /none cannot be read: /);
  assert.equal(parseOptions(TABLE, ["--config", `${folder}/none`, "--help"]).help, true);
});
