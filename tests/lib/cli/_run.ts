/**
 * `enet` within this process, with streams of its own.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { Readable, Writable } from "node:stream";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { COMMON_LINES, type LineTable } from "../../../lib/cli/frame/terminal.ts";
import { runWith } from "../../../lib/cli/run.ts";
import { Host } from "../../../mod.ts";
import { withDeadline } from "../../_helpers.ts";

/** Time that a command of a test may take. */
const LIMIT_MS = 60_000;

/** What a command has printed, and how it has ended. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a command. */
export interface RunSettings {
  /** What standard input has. */
  readonly input?: string;
  /** Output goes to a terminal of so many columns. */
  readonly columns?: number;
  /** Milliseconds that the reader of the output takes for each piece. */
  readonly slowMs?: number;
  /** Gets standard output and standard error as they come. */
  readonly onOutput?: (text: string) => void;
}

/** A stream that keeps what is written. */
class Kept extends Writable {
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  text = "";
  readonly #onOutput: RunSettings["onOutput"];
  readonly #slowMs: number;

  constructor({ columns, onOutput, slowMs = 0 }: RunSettings) {
    super({ decodeStrings: false, ...slowMs > 0 && { highWaterMark: 1 } });
    this.#slowMs = slowMs;
    this.isTTY = columns !== undefined;
    this.columns = columns;
    this.#onOutput = onOutput;
  }

  override _write(chunk: string | Uint8Array, _encoding: string, done: () => void): void {
    const text = typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    this.text += text;
    this.#onOutput?.(text);
    if (this.#slowMs > 0) setTimeout(done, this.#slowMs);
    else done();
  }
}

/** Fails unless each line of JSON has the fields that its command documents, and no others. */
function checkLines(name: string, text: string): void {
  const command = COMMANDS.find((command) => command.name === name)!;
  const table: LineTable = { ...command.lines, ...COMMON_LINES };
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const { type, ...fields } = JSON.parse(line);
    assert.ok(Object.hasOwn(table, type), `a line of the type ${type}: ${line}`);
    const documented = Object.keys(table[type].fields);
    assert.deepEqual(Object.keys(fields).filter((field) => !documented.includes(field)), [], line);
  }
}

/** Runs a command line to its end. */
export async function runHere(
  args: readonly string[],
  settings: RunSettings = {},
): Promise<Outcome> {
  const stdin = Readable.from(settings.input === undefined ? [] : [settings.input]);
  const [stdout, stderr] = [new Kept(settings), new Kept(settings)];
  const running = runWith(args, { stdin, stdout, stderr });
  const status = await withDeadline(running, LIMIT_MS, `enet ${args.join(" ")}`);
  if (args.includes("--json") && status !== 2) checkLines(args[0], stdout.text);
  return { status, stdout: stdout.text, stderr: stderr.text };
}

/** Runs a command line whose exit status is 0. @returns standard output */
export async function outputOf(args: readonly string[], settings?: RunSettings): Promise<string> {
  const { status, stdout, stderr } = await runHere(args, settings);
  assert.equal(status, 0, `enet ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** The lines of JSON of an output. */
export function linesOf(output: string): Record<string, unknown>[] {
  return output.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Has the commands of this process end, as Ctrl-C does. */
export function interrupt(): void {
  process.emit("SIGINT");
}

/** Runs a command line that ends by Ctrl-C as soon as its output is as it should be. */
export async function runUntil(
  args: readonly string[],
  isEnough: (printed: string) => boolean,
  input?: string,
): Promise<Outcome> {
  let printed = "";
  let isOver = false;
  return await runHere(args, {
    input,
    onOutput(text) {
      printed += text;
      // A second Ctrl-C would end this process.
      if (isOver || !isEnough(printed)) return;
      isOver = true;
      interrupt();
    },
  });
}

/** An echo server of this process, which no Ctrl-C ends. */
export async function echoServer(peers = 64): Promise<AsyncDisposable & { address: string }> {
  const host = await Host.listen({ hostname: "127.0.0.1", peers }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet, packet.flags),
  });
  return {
    address: `127.0.0.1:${host.address.port}`,
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/**
 * Runs `enet serve` on a free port of the loopback address.
 *
 * @param use gets its address; it ends afterwards as by Ctrl-C
 * @returns what it has printed
 */
export async function serving(
  args: readonly string[],
  use: (address: string) => Promise<unknown>,
): Promise<string> {
  const listening = Promise.withResolvers<string>();
  let printed = "";
  const onOutput = (text: string) => {
    printed += text;
    const address = printed.match(/127\.0\.0\.1:\d+|\[::1\]:\d+/)?.[0];
    if (address !== undefined) listening.resolve(address);
  };
  const line = [
    "serve",
    ...args,
    "--port",
    "0",
    ...args.includes("--addr") ? [] : ["--addr", "127.0.0.1"],
  ];
  const running = outputOf(line, { onOutput });
  try {
    await use(await Promise.race([listening.promise, running]));
  } finally {
    interrupt();
  }
  return await running;
}

/** The complaint of a command line that is used in a wrong way, without the name of the command. */
export async function usageOf(args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runHere(args);
  assert.equal(status, 2, `enet ${args.join(" ")}: ${stderr}`);
  assert.equal(stdout, "");
  const [, complaint] = stderr.match(/^enet \w+: ([^]*)\nTry: enet \w+ --help\n$/) ?? [];
  assert.ok(complaint, stderr);
  return complaint;
}
