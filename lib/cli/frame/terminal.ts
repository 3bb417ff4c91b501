/**
 * Where a command prints and reads: a terminal, or pipes and files. This is the only place that decides about colour
 * and width, and about what Ctrl-C does.
 *
 * @module
 */
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { styleText } from "node:util";
import { cut } from "./text.ts";

/** A value that JSON has. */
export type Json = string | number | boolean | null | readonly Json[] | {
  readonly [name: string]: Json | undefined;
};

/** A type of line that `--json` prints. */
export interface Line {
  /** When it is printed, without a full stop. */
  readonly help: string;
  /** Its fields, besides `type`, with what each says. One that may be missing says when it is there. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Lines by their types. */
export type LineTable = Readonly<Record<string, Line>>;

/** The fields of a line. One that is `undefined` is left out. */
export type FieldsOf<L extends Line> = { readonly [K in keyof L["fields"]]: Json | undefined };

/** Styles that text can have. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan" | "inverse";

/** The lines that every command may print. */
export const COMMON_LINES = {
  error: {
    help: "the command has failed; the exit status is 1",
    fields: {
      message: "what people read on standard error",
      code: "of an ENetError",
      fault:
        "of a connection that could not be made: `name`, `full`, `refused`, `unreachable`, `no answer`, " +
        "`encryption required`, `encryption` or `token`",
    },
  },
} as const satisfies LineTable;

/** The streams that a command uses. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/** Widest output where no terminal says how wide it is. */
export const COLUMNS = 80;

const CURSOR_HIDDEN = "\x1b[?25l";
const CURSOR_SHOWN = "\x1b[?25h";

/** Whether a stream takes colours: `NO_COLOR` and `FORCE_COLOR` decide before what the stream is. */
function takesColour(stream: { readonly isTTY?: boolean }): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== "0";
  return stream.isTTY === true && TERM !== "dumb";
}

/** The lines that {@linkcode Terminal.live} has on the screen. */
class LiveArea {
  readonly #stream: Writable;
  #height = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** What removes the lines, to be written before other text. */
  clear(): string {
    const height = this.#height;
    this.#height = 0;
    return height === 0 ? "" : `\x1b[${height}F\x1b[0J${CURSOR_SHOWN}`;
  }

  draw(lines: readonly string[]): void {
    const before = this.clear();
    this.#height = lines.length;
    const hidden = lines.length === 0 ? "" : CURSOR_HIDDEN;
    this.#stream.write(before + hidden + lines.map((line) => `${line}\n`).join(""));
  }
}

/** What {@linkcode Terminal} is made of. */
export interface TerminalOptions {
  /** The command, for what is reported. */
  readonly name: string;
  readonly streams: Streams;
  readonly isJson: boolean;
  readonly linesTo: "stdout" | "stderr";
  readonly stop: AbortSignal;
  /** Leaves a signal that would stop the command to the command. */
  readonly onSignal: (signal: NodeJS.Signals, call: () => void) => Disposable;
}

/**
 * What a command prints to and reads from.
 *
 * Results go through {@linkcode Terminal.print}, so that people and programs get the same. What happens beside them
 * goes through {@linkcode Terminal.report}.
 */
export class Terminal<L extends LineTable = LineTable> {
  /** Whether programs read the output: `--json`. */
  readonly isJson: boolean;
  /** Whether a person watches the output on a terminal, so that {@linkcode live} shows anything. */
  readonly isLive: boolean;
  /** Aborts at Ctrl-C and when the system ends the command, and when nobody reads the output any more. */
  readonly stop: AbortSignal;
  /** Standard input. */
  readonly stdin: Streams["stdin"];
  /** Standard output, for a command that writes the data of others to it. */
  readonly stdout: Streams["stdout"];
  readonly #options: TerminalOptions;
  readonly #lines: Streams["stdout"] | Streams["stderr"];
  readonly #hasColour: boolean;
  readonly #area: LiveArea;

  /** Makes one. Only `run.ts` and tests do that. */
  constructor(options: TerminalOptions) {
    const { streams, isJson, linesTo, stop } = options;
    this.#options = options;
    this.#lines = streams[linesTo];
    this.isJson = isJson;
    this.isLive = !isJson && this.#lines.isTTY === true;
    this.stop = stop;
    this.stdin = streams.stdin;
    this.stdout = streams.stdout;
    this.#hasColour = !isJson && takesColour(this.#lines);
    this.#area = new LiveArea(this.#lines);
  }

  /** How many columns a line may have: those of the terminal, or 80. */
  get columns(): number {
    return (this.isLive ? this.#options.streams.stdout.columns : undefined) || COLUMNS;
  }

  /**
   * Prints a result: with `--json` a line of its type and fields, otherwise the text.
   *
   * @param text what people read, of one or more lines without the last line feed; none: nothing
   */
  print<K extends keyof L & string>(type: K, fields: FieldsOf<L[K]>, text?: string): void {
    if (this.isJson) this.#write(JSON.stringify({ type, ...fields }));
    else if (text !== undefined) this.#write(text);
  }

  /** Prints text for people: nothing with `--json`. */
  say(text: string): void {
    if (!this.isJson) this.#write(text);
  }

  /** Tells on standard error what happens beside the results, with or without `--json`. */
  report(text: string): void {
    if (this.isLive) this.#lines.write(this.#area.clear());
    this.#options.streams.stderr.write(`enet ${this.#options.name}: ${text}\n`);
  }

  /**
   * Shows lines in place of those that the last call has shown. Other output removes them, and so does the end. Nothing
   * happens where nobody watches: see {@linkcode isLive}.
   */
  live(lines: readonly string[]): void {
    if (this.isLive) this.#area.draw(lines.map((line) => cut(line, this.columns)));
  }

  /** Gives text a style, if the output takes colours. */
  style(style: Style | readonly Style[], text: string): string {
    return this.#hasColour ? styleText(style as Style[], text, { validateStream: false }) : text;
  }

  /** Resolves when {@linkcode stop} aborts. */
  untilStopped(): Promise<void> {
    const stopped = Promise.withResolvers<void>();
    if (this.stop.aborted) stopped.resolve();
    else this.stop.addEventListener("abort", () => stopped.resolve(), { once: true });
    return stopped.promise;
  }

  /** Reads standard input to its end, as UTF-8. */
  async readInput(): Promise<string> {
    const stopped = this.untilStopped().then(() => Promise.reject(this.stop.reason));
    const read = async () => {
      let text = "";
      for await (const chunk of this.stdin.setEncoding("utf8")) text += chunk;
      return text;
    };
    return await Promise.race([read(), stopped]);
  }

  /**
   * Listens to a signal until disposed of. One that would stop the command does not do so meanwhile. Where the system
   * has no such signal nothing happens.
   */
  onSignal(signal: NodeJS.Signals, call: () => void): Disposable {
    return this.#options.onSignal(signal, call);
  }

  /** Tells that the command has failed. `run.ts` calls it. */
  fail(error: unknown): void {
    const { message = String(error), code, fault } = error as Record<string, string | undefined>;
    if (this.isJson) this.#write(JSON.stringify({ type: "error", message, code, fault }));
    this.report(message);
  }

  /** Removes what is live. `run.ts` calls it at the end. */
  close(): void {
    if (this.isLive) this.#lines.write(this.#area.clear());
  }

  #write(text: string): void {
    this.#lines.write(`${this.isLive ? this.#area.clear() : ""}${text}\n`);
  }
}
