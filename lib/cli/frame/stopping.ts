/**
 * How a command is asked to end: by Ctrl-C, by the system, or because nobody reads its output any more.
 *
 * @module
 */
import process from "node:process";
import type { Writable } from "node:stream";
import { Disposables } from "../../internal/disposables.ts";

/** Signals that ask for the end. A terminal sends SIGHUP when it is closed. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const satisfies NodeJS.Signals[];

/** The reason of an abort. A command that lets it through has not done what it is for. */
export class Stopped extends Error {
  /** Makes the error. */
  constructor() {
    super("The command was stopped");
    this.name = "Stopped";
  }
}

/** Turns signals into an `AbortSignal`, until disposed of. */
export class Stopping implements Disposable {
  readonly #controller = new AbortController();
  readonly #stack = new Disposables();
  /** How many listen to a signal in place of the end. */
  readonly #taken = new Map<NodeJS.Signals, number>();

  /**
   * Begins to listen. The second signal ends the process at once.
   *
   * @param lines where the command prints
   */
  constructor(lines: Writable) {
    for (const signal of ENDING) {
      this.#listen(signal, () => {
        if (this.#taken.get(signal)) return;
        if (this.signal.aborted) process.exit(1);
        this.#stop();
      });
    }
    // The reader of a pipe has gone, as in `enet ping … | head`.
    const broken = () => this.#stop();
    lines.on("error", broken);
    this.#stack.defer(() => void lines.off("error", broken));
  }

  /** Aborts with a {@linkcode Stopped}. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Listens to a signal, which does not ask for the end meanwhile. */
  onSignal(signal: NodeJS.Signals, call: () => void): Disposable {
    const count = (change: number) =>
      void this.#taken.set(signal, (this.#taken.get(signal) ?? 0) + change);
    count(1);
    process.on(signal, call);
    return {
      [Symbol.dispose]: () => {
        process.off(signal, call);
        count(-1);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }

  #listen(signal: NodeJS.Signals, call: () => void): void {
    process.on(signal, call);
    this.#stack.defer(() => void process.off(signal, call));
  }

  #stop(): void {
    this.#controller.abort(new Stopped());
  }
}
