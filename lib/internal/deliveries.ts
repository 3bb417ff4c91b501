/** Promises that wait for the other side to acknowledge a message. */
import type { Pins } from "./pins.ts";

/** Whom a message is for. */
interface Addressee {
  /** The error of a message that will not be acknowledged any more. */
  undelivered(): Error;
}

interface Delivery {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly to: Addressee;
  readonly settled: ((error?: Error) => void) | undefined;
}

/** Those of one host. */
export class Deliveries {
  readonly #waiting = new Map<number, Delivery>();
  readonly #pins: Pins;
  #token = 0;

  /** @param pins keeps the host while something is waited for */
  constructor(pins: Pins) {
    this.#pins = pins;
  }

  /** A token for a message that is about to be sent. */
  token(): number {
    do this.#token = (this.#token + 1) >>> 0; while (
      this.#token === 0 || this.#waiting.has(this.#token)
    );
    return this.#token;
  }

  /**
   * Waits until a message that has been queued is acknowledged.
   *
   * @param settled called before the promise is settled, in the same task
   */
  acknowledged(
    token: number,
    to: Addressee,
    settled?: (error?: Error) => void,
  ): Promise<void> {
    this.#pins.add();
    return new Promise((resolve, reject) =>
      void this.#waiting.set(token, { resolve, reject, to, settled })
    );
  }

  /** A transport says what has become of a message. */
  settle(token: number, delivered: boolean): void {
    const delivery = this.#waiting.get(token);
    if (delivery === undefined) return;
    this.#waiting.delete(token);
    this.#pins.remove();
    const error = delivered ? undefined : delivery.to.undelivered();
    delivery.settled?.(error);
    if (error === undefined) delivery.resolve();
    else delivery.reject(error);
  }

  /** The end: no more messages will be acknowledged. */
  abandon(): void {
    for (const token of [...this.#waiting.keys()]) this.settle(token, false);
  }
}
