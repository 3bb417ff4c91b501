import type { Endpoint } from "./endpoint.ts";

/** Answers, for source addresses, whether their datagrams may pass. */
export type Decision = (ipv4: number, port: number) => boolean;

/** Calls a function for source addresses that native code has not seen yet. */
export class Gate {
  readonly #endpoint: Endpoint;
  readonly #decide: Decision;

  private constructor(endpoint: Endpoint, decide: Decision) {
    this.#endpoint = endpoint;
    this.#decide = decide;
  }

  /** Sets or removes the function; native code drops the answers of an earlier one. */
  static set(endpoint: Endpoint, decide: Decision | undefined): void {
    const { native, handle } = endpoint;
    native.enetjs_gate_open(handle, Number(decide !== undefined));
    endpoint.gate = decide && new Gate(endpoint, decide);
  }

  /**
   * Answers what native code asks.
   *
   * @param spent whether the rest has to wait for another turn
   * @returns whether there was anything, so that datagrams may pass now
   */
  answer(spent: () => boolean): boolean {
    const { native, handle, resources } = this.#endpoint;
    let asked = false;
    while (resources.open && !spent()) {
      const question = native.enetjs_gate_next(handle);
      if (question < 0) break;
      asked = true;
      const allowed = this.#decide(Math.floor(question / 65536), question % 65536);
      if (resources.open) native.enetjs_gate_answer(handle, question, Number(allowed));
    }
    return asked && resources.open;
  }
}
