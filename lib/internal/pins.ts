/**
 * What keeps an object from the collector while anybody waits for a promise of it: a program may hold the
 * promise only.
 *
 * @module
 */

/** All objects that somebody waits for. */
const kept = new Set<object>();

/** How many wait for one object. */
export class Pins {
  readonly #object: object;
  #count = 0;

  /** @param object what is kept */
  constructor(object: object) {
    this.#object = object;
  }

  /** One more waits. */
  add(): void {
    if (this.#count++ === 0) kept.add(this.#object);
  }

  /** One no longer waits; does nothing after `clear`. */
  remove(): void {
    if (this.#count > 0 && --this.#count === 0) kept.delete(this.#object);
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#count = 0;
    kept.delete(this.#object);
  }
}
