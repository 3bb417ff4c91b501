/**
 * Iterations over what arrives, without an async generator: that costs two to three times as much for each
 * value, and its `return` waits for a `next` that waits for a message.
 *
 * @module
 */

const end = (): Promise<IteratorResult<never>> => Promise.resolve({ value: undefined, done: true });

/**
 * An iteration for one consumer.
 *
 * @param read the next value, or the end
 * @param stop called once, when the consumer has left the loop
 */
export function iteration<T>(
  read: () => Promise<IteratorResult<T>>,
  stop: () => void,
): AsyncIterableIterator<T> {
  let over = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => over ? end() : read(),
    return() {
      if (!over) {
        over = true;
        stop();
      }
      return end();
    },
  };
}
