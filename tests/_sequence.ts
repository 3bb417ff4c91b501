/**
 * Numbered messages of seeded random sizes, and whether one is the next; `native/tests/sequence.h` is the
 * same in C.
 *
 * @module
 */
import { equalBytes } from "./_helpers.ts";

/** A sequence of messages. */
export class Sequence {
  #number = 0;
  #state: number;
  readonly #capacity: number;
  #scratch: Uint8Array;

  constructor(seed: number, capacity: number) {
    this.#state = seed;
    this.#capacity = capacity;
    this.#scratch = new Uint8Array(capacity);
  }

  /** How many messages there have been. */
  get count(): number {
    return this.#number;
  }

  #random(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state;
  }

  /** Mostly small messages, none at times, and rarely as large as can be. */
  #length(): number {
    const kind = this.#random() >>> 28;
    const size = this.#random() >>> 8;
    if (kind === 0) return 0;
    if (kind === 1 && size % 64 === 0) return this.#capacity;
    if (kind <= 2) return size % (Math.floor(this.#capacity / 8) + 1);
    return size % 100 % (this.#capacity + 1);
  }

  /** The next message, valid until the next call. */
  next(): Uint8Array {
    const number = this.#number++;
    const bytes = this.#scratch.subarray(0, this.#length());
    for (let i = 0; i < bytes.length; i++) bytes[i] = i < 4 ? number >>> 8 * i : number + i;
    return bytes;
  }

  /** Fails unless the bytes are the next message. */
  check(bytes: Uint8Array): void {
    const number = this.#number;
    const expected = this.next();
    let same = bytes.length === expected.length;
    for (let i = 0; same && i < bytes.length; i++) same = bytes[i] === expected[i];
    if (!same) equalBytes(bytes, expected, `the bytes of message ${number}`);
  }
}

/** A receiver that resolves `over` with the last message of a sequence, or rejects it with the first wrong one. */
export function receiverOf(
  expected: Sequence,
  count: number,
  over: PromiseWithResolvers<void>,
): (bytes: Uint8Array) => void {
  return (bytes) => {
    try {
      expected.check(bytes);
    } catch (error) {
      over.reject(error);
    }
    if (expected.count === count) over.resolve();
  };
}
