/**
 * JavaScript functions that C can call.
 *
 * @module
 */
import { Callback, deferErrors, reportErrors } from "./_callback.ts";
import { argumentLabel, callbackSignature, decoderOf } from "./_codec.ts";
import { scalarEncoder } from "./_scalar.ts";
import { needPointers } from "./_system.ts";
import type { RawFunction } from "./contract.ts";
import { FfiError } from "./errors.ts";
import { detectRuntime } from "./runtime.ts";
import {
  type Result,
  type ResultType,
  type ScalarInput,
  scalarOf,
  type ScalarType,
} from "./types.ts";
import { show } from "./show.ts";

export { Callback };

/** How C calls a JavaScript function. C passes a pointer for a `struct`; the function gets a copy. */
export interface CallbackSignature {
  /** Types of the parameters. */
  readonly parameters: readonly Exclude<ResultType, "void">[];
  /** Type of the result: one without memory that would have to be kept. */
  readonly result: ScalarType | "void";
}

/** The arguments of a callback with these parameters. */
export type CallbackArguments<P extends CallbackSignature["parameters"]> = {
  -readonly [K in keyof P]: Result<P[K]>;
};

/** The JavaScript function of a callback's signature. */
export type CallbackFunction<S extends CallbackSignature> = (
  ...values: CallbackArguments<S["parameters"]>
) => S["result"] extends "void" ? unknown : ScalarInput<S["result"]>;

/** Options of {@linkcode callback}. */
export interface CallbackOptions {
  /**
   * Whether other threads may call it. It then runs in the event loop and has no result, and its errors are
   * uncaught errors. On Deno the calling thread waits meanwhile. On Bun it does not, so memory behind
   * pointers may be gone. Node does not support it by itself; with koffi the calling thread waits, as on Deno.
   */
  threadSafe?: boolean;
}

/**
 * Makes a C function pointer of a JavaScript function, for a parameter of type `function`.
 *
 * An error of the function is thrown by the call that led to it, once C has returned. Until then C gets zeros
 * from every callback. The callback stays callable until it is closed: close it, or bind it with `using`,
 * when C will no longer call it. Unless `threadSafe` is set, another thread must not call it: Node would
 * abort.
 *
 * @param signature what C calls it with
 * @param target the function
 * @throws {FfiError} `ENETJS_ERR_FFI_TYPE`, or `ENETJS_ERR_FFI_UNSUPPORTED` where `threadSafe` cannot be
 *
 * @example
 * ```ts
 * import { callback, dlopen, view } from "@enetjs/enet/ffi";
 *
 * using libc = dlopen(null, {
 *   qsort: { parameters: ["buffer", "size_t", "size_t", "function"], result: "void" },
 * });
 * using compare = callback(
 *   { parameters: ["pointer", "pointer"], result: "int" },
 *   (a, b) => view(a).read("double") - view(b).read("double"),
 * );
 * const numbers = new Float64Array([3, 1, 2]);
 * libc.symbols.qsort(numbers, numbers.length, 8, compare);
 * console.log(numbers.join()); // 1,2,3
 * ```
 */
export function callback<const S extends CallbackSignature>(
  signature: S,
  target: CallbackFunction<S>,
  options: CallbackOptions = {},
): Callback {
  const native = callbackSignature("callback", signature);
  if (typeof target !== "function") {
    throw new FfiError(
      "ENETJS_ERR_FFI_VALUE",
      `callback(): expected a function, not ${show(target)}`,
      { value: target },
    );
  }
  const decoders = signature.parameters.map((type, index) =>
    decoderOf(type, argumentLabel("callback", index))
  );
  const encode = signature.result === "void"
    ? () => undefined
    : scalarEncoder(scalarOf(signature.result)!, "callback(), result");
  const run: RawFunction = (...values) =>
    encode((target as RawFunction)(...decoders.map((decode, index) => decode(values[index]))));
  needPointers();
  const runtime = detectRuntime();
  if (!options.threadSafe) {
    const wide = native.result === "i64" || native.result === "u64";
    const zero = native.result === "void" ? undefined : wide ? 0n : 0;
    return new Callback(runtime.callback(native, deferErrors(run, zero)));
  }
  if (native.result !== "void") {
    throw new FfiError(
      "ENETJS_ERR_FFI_TYPE",
      `callback(): one that other threads call has no result, so void and not ${
        show(signature.result)
      }`,
      { value: signature.result },
    );
  }
  if (runtime.threadSafeCallback === undefined) {
    throw new FfiError(
      "ENETJS_ERR_FFI_UNSUPPORTED",
      `callback(): on ${runtime.name}, other threads cannot call JavaScript`,
    );
  }
  return new Callback(runtime.threadSafeCallback(native, reportErrors(run)));
}
