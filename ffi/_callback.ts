/**
 * What runs between C and a JavaScript function that C calls.
 *
 * No error may be thrown through C's frames. An error of a callback waits until the JavaScript call of
 * the C function returns, which throws it. Until then C gets zeros in place of results of callbacks.
 *
 * @module
 */
import { FfiError } from "./errors.ts";
import type { RawCallback, RawFunction } from "./contract.ts";
import { surface } from "./surface.ts";

/** Whether the call under way has to throw an error, or to free something, when it returns. */
export const pending: { any: boolean } = { any: false };

/** The error that it has to throw. */
let thrown: { error: unknown } | undefined;

/** Actions, such as freeing a callback, that wait until no callback runs. */
let waiting: (() => void)[] = [];

/** Deeper nesting could overflow the stack inside a runtime's own code, which aborts the process. */
const MAXIMUM_DEPTH = 64;

/** How many callbacks run within each other. */
let depth = 0;

/** Runs the waiting actions, if no callback runs. */
function finishWaiting(): void {
  if (depth > 0) return;
  const actions = waiting;
  waiting = [];
  for (const action of actions) action();
}

/**
 * Ends a call that has returned while something is pending: throws the error of a callback, or passes
 * the result on. The waiting actions run last, since the result may point into memory that they free.
 */
export function settle<T>(result: T, decode: (result: T) => unknown): unknown {
  try {
    if (thrown === undefined) return decode(result);
    const { error } = thrown;
    thrown = undefined;
    throw error;
  } finally {
    finishWaiting();
    pending.any = waiting.length > 0;
  }
}

/** Runs an action at once, or as soon as no callback runs. */
export function whenIdle(action: () => void): void {
  if (depth === 0) {
    action();
    return;
  }
  waiting.push(action);
  pending.any = true;
  // When the event loop has called the callback, no call of this module will finish the waiting actions.
  setTimeout(finishWaiting, 0);
}

/** Refuses a callback that is nested too deep. The caller counts, because this call itself may overflow the stack. */
function checkDepth(): void {
  if (depth > MAXIMUM_DEPTH) {
    throw new FfiError(
      "ENETJS_ERR_FFI_RANGE",
      `Callbacks are nested more than ${MAXIMUM_DEPTH} deep`,
      { value: depth },
    );
  }
}

/** Arguments that take 16 KiB of stack, as much as C and the beginning of a callback may need. */
const ROOM = new Array<undefined>(2048).fill(undefined);

function ignore(): void {}

/** Throws a RangeError if the stack is nearly full, while an overflow can still be caught. */
function needStack(): void {
  ignore.apply(undefined, ROOM as []);
}

/** A raw function that throws where a callback of it would overflow the stack. */
export function withStack(raw: RawFunction): RawFunction {
  return (...values) => {
    needStack();
    return raw(...values);
  };
}

/** A function for C that never throws: it keeps the error of `target`, and returns `zero` then. */
export function deferErrors(target: RawFunction, zero: unknown): RawFunction {
  return (...values) => {
    if (thrown !== undefined) return zero;
    depth++;
    try {
      checkDepth();
      return target(...values);
    } catch (error) {
      thrown = { error };
      pending.any = true;
      return zero;
    } finally {
      depth--;
    }
  };
}

/** The same for a callback of the event loop: an error becomes an uncaught error. */
export function reportErrors(target: RawFunction): RawFunction {
  return (...values) => {
    depth++;
    try {
      checkDepth();
      target(...values);
    } catch (error) {
      surface(error);
    } finally {
      depth--;
    }
  };
}

/** Callbacks that are not closed. C may call them, so they must not be garbage-collected. */
const open = new Set<Callback>();

/** A JavaScript function that C can call, until it is closed. */
export class Callback {
  readonly #raw: RawCallback;

  /**
   * Made by {@linkcode callback}.
   *
   * @ignore
   */
  constructor(raw: RawCallback) {
    this.#raw = raw;
    open.add(this);
  }

  /** Whether it is closed. */
  get closed(): boolean {
    return !open.has(this);
  }

  /**
   * The C function pointer.
   *
   * @throws {FfiError} `ENETJS_ERR_FFI_CLOSED` once it is closed
   */
  get pointer(): bigint {
    if (this.closed) throw new FfiError("ENETJS_ERR_FFI_CLOSED", "The callback is closed");
    return this.#raw.address;
  }

  /** Frees the function. C must not call it any more. A second call does nothing. */
  close(): void {
    if (open.delete(this)) whenIdle(() => this.#raw.close());
  }

  /** The same as `close`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
