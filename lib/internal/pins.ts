/**
 * Keeps an object from the garbage collector while a promise of it is pending, and while functions are set
 * that it calls. A program may hold nothing of the object but that promise or those functions.
 *
 * @module
 */

/** All objects that are kept. */
const kept = new Set<object>();

/** Counts the reasons to keep one object. */
export class Pins {
  readonly #object: object;
  #count = 0;

  /** @param object what is kept */
  constructor(object: object) {
    this.#object = object;
  }

  /** Adds a reason. */
  add(): void {
    if (this.#count++ === 0) kept.add(this.#object);
  }

  /** Removes a reason; does nothing after `clear`. */
  remove(): void {
    if (this.#count > 0 && --this.#count === 0) kept.delete(this.#object);
  }

  /**
   * Functions that the object calls have been set or removed, such as handlers. While they are set, they are
   * a reason to keep the object.
   */
  exchange(before: unknown, after: unknown): void {
    if (before === undefined && after !== undefined) this.add();
    if (before !== undefined && after === undefined) this.remove();
  }

  /** Removes all reasons. */
  clear(): void {
    this.#count = 0;
    kept.delete(this.#object);
  }
}
