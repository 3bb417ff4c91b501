/**
 * Programs that are measured: child processes that print lines of a word and a number.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { root } from "../tools/_run.ts";
import { type Runtime, runtimes } from "../tools/setup.ts";

/** As much of what a program says of its failure. */
const LAST_WORDS = 600;

/** No program runs longer than this. */
const LIMIT_MS = 90_000;

/** The flags with which each runtime runs a program; QUIC is unstable on Deno. */
const FLAGS: Record<Runtime, string[]> = {
  deno: ["run", "-A", "--no-check", "--unstable-net"],
  bun: [],
  node: ["--disable-warning=ExperimentalWarning"],
};

/** The command that runs a file of this folder on a runtime. */
export function runtimeCommand(runtime: Runtime, file: string, args: unknown[]): string[] {
  const path = fileURLToPath(new URL(file, import.meta.url));
  return [runtimes()[runtime], ...FLAGS[runtime], path, ...args.map(String)];
}

/** The command that runs a C program of the benchmark. */
export function cCommand(name: string, args: unknown[]): string[] {
  return [`${root}/native/build/bench_${name}`, ...args.map(String)];
}

/** A running program; disposing of it kills it if it has not ended. */
export class Program implements AsyncDisposable {
  /** Resolves when it has ended; rejects when it failed. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #values = new Map<string, PromiseWithResolvers<number>>();
  #over = false;
  #failure: Error | undefined;

  /**
   * Starts a program.
   *
   * @param command its executable and arguments
   * @param stdin `"pipe"` for a program that ends when its stdin is closed, which it is at the latest when
   *   this process ends
   */
  constructor(command: string[], stdin: "ignore" | "pipe" = "ignore") {
    const child = spawn(command[0], command.slice(1), { stdio: [stdin, "pipe", "pipe"] });
    this.#child = child;
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    let errors = "";
    child.stderr!.setEncoding("utf8").on(
      "data",
      (text: string) => errors = (errors + text).slice(-LAST_WORDS),
    );
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const [word, number] = line.split(" ");
      this.#value(word).resolve(Number(number));
    });
    const over = Promise.withResolvers<void>();
    this.ended = over.promise;
    this.ended.catch(() => {}); // It may be told by `read` already.
    const end = (failure: string | undefined) => {
      clearTimeout(timer);
      this.#over = true;
      const name = command.join(" ");
      this.#failure = new Error(`"${name}" ${failure ?? "ended too early"}: ${errors}`);
      for (const { reject } of this.#values.values()) reject(this.#failure);
      if (failure === undefined) over.resolve();
      else over.reject(this.#failure);
    };
    child.on("error", ({ message }) => end(message));
    child.on(
      "close",
      (code, signal) => end(code === 0 ? undefined : `ended with ${signal ?? code}`),
    );
  }

  #value(word: string): PromiseWithResolvers<number> {
    let value = this.#values.get(word);
    if (value === undefined) {
      value = Promise.withResolvers<number>();
      value.promise.catch(() => {}); // Nobody may want it.
      if (this.#over) value.reject(this.#failure);
      this.#values.set(word, value);
    }
    return value;
  }

  /** The number behind a word, once it has been printed. */
  read(word: string): Promise<number> {
    return this.#value(word).promise;
  }

  /** The numbers behind some words. */
  async readAll<Word extends string>(...words: Word[]): Promise<Record<Word, number>> {
    const numbers = await Promise.all(words.map((word) => this.read(word)));
    return Object.fromEntries(words.map((word, i) => [word, numbers[i]])) as Record<Word, number>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#over) this.#child.kill("SIGKILL");
    await this.ended.catch(() => {});
  }
}

/** The middle one of some values, the mean of the two in the middle for an even number. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
