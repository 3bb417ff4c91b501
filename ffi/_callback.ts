/**
 * What runs between C and a JavaScript function that C calls.
 *
 * Nothing may be thrown through C's frames, so an error waits until the call that led to it returns.
 * Until then no other callback runs: C gets zeros.
 *
 * @module
 */
import { FfiError } from "./errors.ts";
import type { RawCallback, RawFunction } from "./runtime.ts";

/** The error of a callback that the call under way has yet to throw. */
export const pending: { failed: boolean; error: unknown } = { failed: false, error: undefined };

/** Throws what a callback has thrown. */
export function raisePending(): never {
  const { error } = pending;
  pending.failed = false;
  pending.error = undefined;
  throw error;
}

/** Deeper, the stack may end inside a runtime's own code, which aborts the process. */
const MAXIMUM_DEPTH = 64;

let depth = 0;
const waiting: (() => void)[] = [];

/** Does something at once, or when no callback runs any more and C code has nothing to return to. */
export function whenIdle(action: () => void): void {
  if (depth === 0) action();
  else waiting.push(action);
}

function enter(): void {
  depth++;
  if (depth > MAXIMUM_DEPTH) {
    throw new FfiError(
      "ENETJS_ERR_FFI_RANGE",
      `Callbacks are nested more than ${MAXIMUM_DEPTH} deep`,
      { value: depth },
    );
  }
}

function leave(): void {
  depth--;
  while (depth === 0 && waiting.length > 0) waiting.shift()!();
}

/** A function that calls another one and keeps its error. It never throws. */
export function deferErrors(target: RawFunction, zero: unknown): RawFunction {
  return (...values) => {
    if (pending.failed) return zero;
    try {
      enter();
      return target(...values);
    } catch (error) {
      pending.failed = true;
      pending.error = error;
      return zero;
    } finally {
      leave();
    }
  };
}

/** The same for what is not called within a call of ours: an error is an uncaught one. */
export function reportErrors(target: RawFunction): RawFunction {
  return (...values) => {
    try {
      target(...values);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

/** Callbacks that are not closed: C may call them, whoever else has forgotten them. */
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
