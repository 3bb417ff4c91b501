import type { EventEmitter } from "node:events";

/** Hands an error of the program's own code to the runtime, as uncaught. */
export function surface(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Calls the program; what it throws is uncaught, and holds nothing up. */
export function report<A extends unknown[]>(
  callback: ((...args: A) => void) | undefined,
  ...args: A
): void {
  try {
    callback?.(...args);
  } catch (error) {
    surface(error);
  }
}

/** Emits an event; what a listener throws is uncaught, and holds nothing up. */
export function emit(emitter: EventEmitter, name: string, ...args: unknown[]): void {
  try {
    emitter.emit(name, ...args);
  } catch (error) {
    surface(error);
  }
}
