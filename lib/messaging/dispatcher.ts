import { setImmediate } from "node:timers";
import { Fifo } from "../internal/fifo.ts";

interface Task {
  readonly call: () => void;
  /** Whether the program must first see the promises that have settled. */
  readonly isLate: boolean;
}

/**
 * Keeps the order in which a program is told what has happened. Most calls are made at once. The end of a
 * connection with pending gets is told in the next turn of the event loop. By then the program has seen that these
 * gets have settled. Calls that are made meanwhile wait until then.
 */
export class Dispatcher {
  readonly #tasks = new Fifo<Task>();

  /** Whether no call waits, so that the owner may call handlers directly. */
  get idle(): boolean {
    return this.#tasks.size === 0;
  }

  /** Calls now, or after the calls that wait. */
  run(call: () => void): void {
    if (this.idle) call();
    else this.#tasks.push({ call, isLate: false });
  }

  /** Calls in a later turn, after the calls that wait. */
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
