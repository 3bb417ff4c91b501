import { setImmediate } from "node:timers";
import { Fifo } from "../internal/fifo.ts";

interface Task {
  readonly call: () => void;
  /** Whether promises that have settled are to be seen first. */
  readonly isLate: boolean;
}

/**
 * Keeps the order in which the program is told what has happened. Most is told at once; the end of a connection
 * with pending gets waits for a turn of the event loop, until the program has seen that they have settled. What
 * happens meanwhile waits behind it.
 */
export class Dispatcher {
  readonly #tasks = new Fifo<Task>();

  /** Whether nothing waits, so that a caller may tell what has happened at once. */
  get idle(): boolean {
    return this.#tasks.size === 0;
  }

  /** Tells now, or behind what waits. */
  run(call: () => void): void {
    if (this.idle) call();
    else this.#tasks.push({ call, isLate: false });
  }

  /** Tells in another turn. */
  defer(call: () => void): void {
    this.#tasks.push({ call, isLate: true });
    if (this.#tasks.size === 1) setImmediate(() => this.#next());
  }

  #next(): void {
    do {
      const { call } = this.#tasks.peek() as Task;
      // It stays until it is done, so that nothing overtakes it.
      call();
      this.#tasks.shift();
    } while (this.#tasks.peek()?.isLate === false);
    if (!this.idle) setImmediate(() => this.#next());
  }
}
