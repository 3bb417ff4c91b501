/** Things that are disposed of together, the last one first: `DisposableStack`, which Node 22 lacks. */
export class Disposables implements Disposable {
  readonly #all: Disposable[] = [];

  /** Adds one, and returns it. */
  use<T extends Disposable>(one: T): T {
    this.#all.push(one);
    return one;
  }

  /** Adds something to be done then. */
  defer(call: () => void): void {
    this.#all.push({ [Symbol.dispose]: call });
  }

  /** Disposes of all. A second call does nothing. */
  [Symbol.dispose](): void {
    for (const one of this.#all.splice(0).reverse()) one[Symbol.dispose]();
  }
}
