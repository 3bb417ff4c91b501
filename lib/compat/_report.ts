import type { EventEmitter } from "node:events";
import { surface } from "../../ffi/surface.ts";
import { optionalFunction } from "../internal/validate.ts";

/** Calls a function of the program. An error that it throws becomes an uncaught error; the caller goes on. */
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

/** Refuses a callback that is no function, before anything is done. */
export function checkCallback(callback: unknown): void {
  optionalFunction(callback, "callback");
}

/** Emits an event. An error that a listener throws becomes an uncaught error; the caller goes on. */
export function emit(emitter: EventEmitter, name: string, ...args: unknown[]): void {
  try {
    emitter.emit(name, ...args);
  } catch (error) {
    surface(error);
  }
}
