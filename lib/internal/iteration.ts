/**
 * Iterations over what arrives, without an async generator. A generator costs two to three times as much for each
 * value. Its `return` also waits for a `next` that waits for a message.
 *
 * @module
 */

const end = (): Promise<IteratorResult<never>> => Promise.resolve({ value: undefined, done: true });

/**
 * An iteration for one consumer.
 *
 * @param read the next value, or the end, of which it tells `stop`
 * @param stopped called once, when the consumer has left the loop or has got the end
 */
export function iteration<T>(
  read: (stop: () => void) => Promise<IteratorResult<T>>,
  stopped: () => void,
): AsyncIterableIterator<T> {
  let over = false;
  const stop = () => {
    if (over) return;
    over = true;
    stopped();
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => over ? end() : read(stop),
    return() {
      stop();
      return end();
    },
  };
}
